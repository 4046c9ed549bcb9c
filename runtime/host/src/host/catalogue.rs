//! Which file stands for a plugin's name: the installed one, else the one that came with the program.

use super::{PluginHost, lock};
use crate::HostError;
use crate::spec::{Code, Image, Source};
use aerolith_plugin_abi::Root_Ref;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

impl PluginHost {
    pub(super) fn image(&self, source: &Source) -> Result<Image, HostError> {
        match source {
            Source::Linked(root) => linked(*root),
            Source::File(path) => Ok(self.0.store.add(path, None)?.into()),
            Source::Named(name) => self.named(name),
        }
    }

    pub(super) fn named(&self, name: &str) -> Result<Image, HostError> {
        let installed = lock(&self.0.records).installed(name).cloned();
        if let Some(installed) = installed {
            return Ok(self.0.store.get(&installed.current)?.into());
        }
        let shipped = self.scanned()?;
        let path = shipped.get(name).ok_or_else(|| HostError::NoPlugin {
            name: name.into(),
            known: self.known(&shipped),
        })?;
        Ok(self.0.store.add(path, None)?.into())
    }

    /// The shipped files of the last scan; the first asks for one.
    fn scanned(&self) -> Result<BTreeMap<String, PathBuf>, HostError> {
        let last = lock(&self.0.shipped).clone();
        last.map_or_else(|| self.shipped(), Ok)
    }

    fn known(&self, shipped: &BTreeMap<String, PathBuf>) -> String {
        let records = lock(&self.0.records);
        let known: BTreeSet<&str> = shipped.keys().chain(records.all().keys()).map(String::as_str).collect();
        known.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// The plugins that came with the program, by name. Files that are none are passed over with a warning.
    ///
    /// # Errors
    /// [`HostError::SameName`] when two files carry one name.
    pub fn shipped(&self) -> Result<BTreeMap<String, PathBuf>, HostError> {
        let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
        let folders = self
            .0
            .settings
            .shipped
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok());
        let mut paths: Vec<PathBuf> = folders.flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "so"))
        {
            let inspected = match self.check(&path) {
                Ok(inspected) => inspected,
                Err(error) => {
                    tracing::warn!(%error, "not a plugin for this host");
                    continue;
                }
            };
            let name = inspected.manifest.name;
            if let Some(first) = found.get(&name) {
                return Err(HostError::SameName {
                    name,
                    first: first.clone(),
                    second: path,
                });
            }
            found.insert(name, path);
        }
        *lock(&self.0.shipped) = Some(found.clone());
        Ok(found)
    }

    /// The names of all plugins that can be started by name, sorted.
    ///
    /// # Errors
    /// [`HostError::SameName`]
    pub fn available(&self) -> Result<Vec<String>, HostError> {
        let mut names: Vec<String> = self.shipped()?.into_keys().collect();
        names.extend(lock(&self.0.records).all().keys().cloned());
        names.sort();
        names.dedup();
        Ok(names)
    }
}

fn linked(root: Root_Ref) -> Result<Image, HostError> {
    let text = (root.manifest())();
    let manifest = serde_json::from_str(text.as_str()).map_err(|e| HostError::LinkedManifest(e.to_string()))?;
    Ok(Image {
        manifest,
        code: Code::Linked(root),
    })
}
