//! Which of root's powers an instance keeps (capabilities(7)).

use super::Unenforced;
use crate::error::StartError;
use aerolith_plugin::wire::engine::Capabilities;
use rustix::thread::{self, CapabilitySet};

/// Every power that a kernel may know.
const ALL: CapabilitySet = CapabilitySet::all();

/// What a service that starts as root keeps unless it says otherwise: enough to open its port, to share files with the
/// users that it becomes, and to end their processes.
const OF_ROOT: CapabilitySet = CapabilitySet::NET_BIND_SERVICE
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::KILL);

/// What an instance keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Powers {
    /// What it holds.
    pub(super) kept: CapabilitySet,
    /// All that any program of it can ever have.
    pub(super) bound: CapabilitySet,
}

impl Powers {
    /// What a program keeps of what this engine has; nothing to do when that is all that root has.
    ///
    /// # Errors
    /// [`StartError::NoCapability`] for a name that is none.
    pub(super) fn of(
        asked: &Capabilities,
        root: bool,
        unenforced: &mut Unenforced,
    ) -> Result<Option<Self>, StartError> {
        let own = thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
        let wanted = wanted(asked, root)?;
        let added = set(&asked.add)?;
        for (name, _) in added.difference(own).iter_names().filter(|_| added != ALL) {
            unenforced.push(format!("capability {name}: the daemon itself does not have it"));
        }
        Ok((wanted != ALL || !root).then(|| Self {
            kept: wanted & own,
            bound: wanted,
        }))
    }
}

fn wanted(asked: &Capabilities, root: bool) -> Result<CapabilitySet, StartError> {
    let base = if root { OF_ROOT } else { CapabilitySet::empty() };
    Ok((base - set(&asked.drop)?) | set(&asked.add)?)
}

fn set(names: &[String]) -> Result<CapabilitySet, StartError> {
    names.iter().map(|name| one(name)).collect()
}

fn one(name: &str) -> Result<CapabilitySet, StartError> {
    let bare = name.strip_prefix("CAP_").unwrap_or(name);
    if bare == "ALL" {
        return Ok(ALL);
    }
    CapabilitySet::from_name(bare).ok_or_else(|| StartError::NoCapability(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(add: &[&str], drop: &[&str]) -> Capabilities {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        Capabilities {
            add: names(add),
            drop: names(drop),
        }
    }

    #[test]
    fn root_keeps_a_few_and_others_nothing_but_what_is_added() {
        assert_eq!(wanted(&asked(&[], &[]), true).unwrap(), OF_ROOT);
        assert_eq!(wanted(&asked(&[], &[]), false).unwrap(), CapabilitySet::empty());
        let added = wanted(&asked(&["CAP_NET_RAW"], &[]), false).unwrap();
        assert_eq!(added, CapabilitySet::NET_RAW);
    }

    #[test]
    fn all_is_every_one_and_what_is_added_is_not_dropped() {
        assert_eq!(wanted(&asked(&["ALL"], &["KILL"]), true).unwrap(), ALL);
        let one = wanted(&asked(&["KILL"], &["ALL"]), true).unwrap();
        assert_eq!(one, CapabilitySet::KILL);
    }

    #[test]
    fn a_name_that_is_none_is_told() {
        let error = wanted(&asked(&["NET_BLIND"], &[]), true).unwrap_err().to_string();
        assert!(error.contains("NET_BLIND"), "{error}");
    }
}
