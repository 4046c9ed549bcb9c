//! Which file of each plugin is installed, which was before, and which instances the operator switched off.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The installed file of a plugin, and the one before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installed {
    /// Digest of the file in use.
    pub current: String,
    /// Digest of the file that a rollback goes back to.
    pub previous: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Content {
    installed: BTreeMap<String, Installed>,
    disabled: BTreeSet<String>,
}

/// The records, in one file that is replaced as a whole.
#[derive(Debug)]
pub(crate) struct Records {
    path: PathBuf,
    content: Content,
}

impl Records {
    /// Reads the records; a file that cannot be read is set aside under another name, and said so.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let content = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).or_else(|error| {
                let aside = path.with_extension("json.damaged");
                tracing::error!(path = %path.display(), %error, aside = %aside.display(), "damaged plugin records set aside");
                fs::rename(path, aside).map(|()| Content::default())
            })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Content::default(),
            Err(e) => return Err(e),
        };
        Ok(Self {
            path: path.to_owned(),
            content,
        })
    }

    pub(crate) fn installed(&self, plugin: &str) -> Option<&Installed> {
        self.content.installed.get(plugin)
    }

    pub(crate) fn all(&self) -> &BTreeMap<String, Installed> {
        &self.content.installed
    }

    /// Makes a file the current one of its plugin. The one in use until now is kept for a rollback.
    pub(crate) fn install(&mut self, plugin: &str, sha256: &str, before: Option<&str>) -> io::Result<()> {
        let mut content = self.content.clone();
        let entry = content.installed.entry(plugin.into()).or_default();
        if entry.current != sha256 {
            let old = std::mem::replace(&mut entry.current, sha256.into());
            entry.previous = Some(old).filter(|o| !o.is_empty()).or_else(|| before.map(Into::into));
        }
        self.write(content)
    }

    pub(crate) fn is_disabled(&self, instance: &str) -> bool {
        self.content.disabled.contains(instance)
    }

    pub(crate) fn set_enabled(&mut self, instance: &str, enabled: bool) -> io::Result<()> {
        let mut content = self.content.clone();
        if enabled {
            content.disabled.remove(instance);
        } else {
            content.disabled.insert(instance.into());
        }
        self.write(content)
    }

    fn write(&mut self, content: Content) -> io::Result<()> {
        if content == self.content {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut staged = tempfile::NamedTempFile::new_in(folder)?;
        staged.write_all(&serde_json::to_vec_pretty(&content)?)?;
        staged.as_file().sync_all()?;
        staged.persist(&self.path).map_err(|e| e.error)?;
        File::open(folder)?.sync_all()?;
        self.content = content;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_and_the_former_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.json");
        let mut records = Records::open(&path).unwrap();
        records.install("a", "11", Some("00")).unwrap();
        records.install("a", "22", None).unwrap();
        records.install("a", "22", None).unwrap();
        records.set_enabled("b", false).unwrap();
        let again = Records::open(&path).unwrap();
        assert_eq!(
            again.installed("a").unwrap(),
            &Installed {
                current: "22".into(),
                previous: Some("11".into())
            }
        );
        assert!(again.is_disabled("b") && !again.is_disabled("a"));
    }

    #[test]
    fn damaged_records_are_set_aside_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.json");
        fs::write(&path, "{").unwrap();
        assert!(Records::open(&path).unwrap().all().is_empty());
        assert_eq!(fs::read(path.with_extension("json.damaged")).unwrap(), b"{");
    }
}
