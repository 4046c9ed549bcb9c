//! `run/services.yml` below the data folder: at which ports services are found, as Baetyl v2 writes it.
//!
//! ```yaml
//! "web":
//!   ports: [50200, 50201]
//! "shop.web":
//!   ports: [50200, 50201]
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aerolith_plan::{InstanceId, RunId, ServiceId};

use crate::durable::{self, FileError, Survives};

/// The ports of each name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table(BTreeMap<String, Vec<u16>>);

/// A run that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) run: RunId,
    /// Whether it is of the version that is wanted.
    pub(crate) wanted: bool,
    /// Where it is found, its own port first.
    pub(crate) ports: Vec<u16>,
}

/// Where services are found. Each stands under `application.service`, and under its plain name too where no other service of
/// the node, found or not, is called so. Of two runs of an instance the one of the wanted version counts.
pub(crate) fn registry<'a>(known: impl IntoIterator<Item = &'a ServiceId>, ready: &'a [Ready]) -> Table {
    let found = ready.iter().map(|ready| &ready.run.instance.service);
    let mut names: BTreeMap<&str, BTreeSet<&ServiceId>> = BTreeMap::new();
    for id in found {
        names.entry(id.service.as_str()).or_default().insert(id);
    }
    for id in known {
        if let Some(called_so) = names.get_mut(id.service.as_str()) {
            called_so.insert(id);
        }
    }
    let mut instances: BTreeMap<&InstanceId, &Ready> = BTreeMap::new();
    for one in ready {
        let chosen = instances.entry(&one.run.instance).or_insert(one);
        if one.wanted {
            *chosen = one;
        }
    }
    let mut table = Table::default();
    for (id, ready) in instances {
        let service = id.service.service.as_str();
        let is_unique = names.get(service).is_some_and(|ids| ids.len() == 1);
        let keys = is_unique.then(|| service.to_owned()).into_iter();
        for key in keys.chain([id.service.to_string()]) {
            table.add(key, &ready.ports);
        }
    }
    table
}

impl Table {
    fn add(&mut self, key: String, ports: &[u16]) {
        if ports.is_empty() {
            return;
        }
        let all = self.0.entry(key).or_default();
        for port in ports {
            // Instances may share one that they declare.
            if !all.contains(port) {
                all.push(*port);
            }
        }
    }

    /// Names are quoted: one may look like a number, or like `null`.
    fn yaml(&self) -> String {
        if self.0.is_empty() {
            return "{}\n".into();
        }
        let lines = self.0.iter().map(|(name, ports)| {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            format!("\"{name}\":\n  ports: [{}]\n", ports.join(", "))
        });
        lines.collect()
    }
}

/// The file, written when what it says has changed.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    written: Option<Table>,
}

impl Registry {
    /// Where it lies below the data folder (Baetyl v2).
    pub(crate) fn path(data: &Path) -> PathBuf {
        data.join("run/services.yml")
    }

    /// The file's new text, if it is to have one.
    pub(crate) fn change(&mut self, table: Table) -> Option<String> {
        if self.written.as_ref() == Some(&table) {
            return None;
        }
        let text = table.yaml();
        self.written = Some(table);
        Some(text)
    }

    /// What was told last is not in the file.
    pub(crate) fn forget(&mut self) {
        self.written = None;
    }
}

/// Puts the file in place, for everybody to read. Blocks.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), FileError> {
    path.parent().map_or(Ok(()), |folder| durable::folder(folder, false))?;
    durable::put(path, text.as_bytes(), 0o644, Survives::Crash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(instance: &str, version: &str, wanted: bool, ports: &[u16]) -> Ready {
        Ready {
            run: RunId {
                instance: instance.parse().unwrap(),
                fingerprint: version.repeat(32).parse().unwrap(),
            },
            wanted,
            ports: ports.to_vec(),
        }
    }

    fn told(known: &[&str], ready: &[Ready]) -> String {
        let known: Vec<ServiceId> = known
            .iter()
            .map(|id| format!("{id}.1").parse::<InstanceId>().unwrap().service)
            .collect();
        registry(&known, ready).yaml()
    }

    #[test]
    fn a_service_is_found_under_both_names_with_the_ports_of_all_its_instances() {
        let all = [
            ready("shop.web.1", "ab", true, &[50200, 8080]),
            ready("shop.web.2", "ab", true, &[50201, 8080]),
        ];
        let text = "\"shop.web\":\n  ports: [50200, 8080, 50201]\n\"web\":\n  ports: [50200, 8080, 50201]\n";
        assert_eq!(told(&["shop.web"], &all), text);
        let read: serde_json::Value = aerolith_model::read_yaml("services.yml", text).unwrap();
        assert_eq!(read["web"]["ports"][2], 50201);
    }

    #[test]
    fn a_name_that_two_services_have_is_nobodys() {
        let all = [ready("shop.web.1", "ab", true, &[50200])];
        assert_eq!(told(&["cafe.web"], &all), "\"shop.web\":\n  ports: [50200]\n");
    }

    #[test]
    fn the_old_run_is_found_until_the_new_one_is_ready() {
        let (old, new) = (
            ready("shop.web.1", "ab", false, &[1]),
            ready("shop.web.1", "cd", true, &[2]),
        );
        let only = |port| format!("\"shop.web\":\n  ports: [{port}]\n\"web\":\n  ports: [{port}]\n");
        assert_eq!(told(&[], std::slice::from_ref(&old)), only(1));
        assert_eq!(told(&[], &[old.clone(), new.clone()]), only(2));
        assert_eq!(told(&[], &[new, old]), only(2));
    }

    #[test]
    fn nobody_to_be_found_is_an_empty_map() {
        assert_eq!(told(&["shop.web"], &[]), "{}\n");
        assert_eq!(told(&[], &[ready("shop.web.1", "ab", true, &[])]), "{}\n");
    }

    #[test]
    fn the_file_is_written_only_when_something_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = Registry::path(dir.path());
        let mut registry_file = Registry::default();
        let table = || registry(&[], &[ready("shop.web.1", "ab", true, &[7])]);
        write(&path, &registry_file.change(table()).unwrap()).unwrap();
        assert_eq!(registry_file.change(table()), None);
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("\"shop.web\""));
        assert_eq!(registry_file.change(Table::default()), Some("{}\n".into()));
    }
}
