//! All that can be seen of a state, but for times and for what chance made.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::*;

/// What is seen, by what it is of.
#[derive(Clone, PartialEq)]
pub(super) struct Seen(BTreeMap<String, String>);

pub(super) fn seen(state: &State) -> Seen {
    let mut facts = BTreeMap::from([("revision".to_owned(), state.revision().to_string())]);
    for (id, resource) in state.resources() {
        facts.insert(id.to_string(), serde_json::to_string(&**resource).unwrap());
    }
    for (number, damaged) in state.damaged().iter().enumerate() {
        facts.insert(format!("damaged {number}"), format!("{damaged:?}"));
    }
    for name in state.histories.keys() {
        for (number, deployment) in state.history(name).iter().enumerate() {
            facts.insert(format!("{name}, deployment {number}"), told(state, deployment));
        }
    }
    Seen(facts)
}

fn told(state: &State, deployment: &Deployment) -> String {
    let Deployment {
        revision,
        parts,
        attempts,
        outcome,
        reason,
        was_up,
        ..
    } = deployment;
    let versions: Vec<_> = parts
        .iter()
        .map(|(id, version)| format!("{id}@{}", version.revision))
        .collect();
    let parts = state.parts(deployment);
    let parts = parts.map(|parts| serde_json::to_string(&parts.values().map(Arc::as_ref).collect::<Vec<_>>()).unwrap());
    format!("{revision}: {versions:?} {attempts} {outcome:?} {reason:?} {was_up} {parts:?}")
}

/// Shows both where they differ.
pub(super) fn differences(one: &Seen, other: &Seen) -> String {
    let all: std::collections::BTreeSet<_> = one.0.keys().chain(other.0.keys()).collect();
    let different = all.into_iter().filter(|key| one.0.get(*key) != other.0.get(*key));
    different
        .map(|key| format!("{key}:\n  {:?}\n  {:?}\n", one.0.get(key), other.0.get(key)))
        .collect()
}

/// A folder in memory, where there is one: nothing here needs a disk that keeps.
pub(super) fn in_memory() -> tempfile::TempDir {
    let shm = Some(Path::new("/dev/shm")).filter(|shm| shm.is_dir());
    tempfile::tempdir_in(shm.unwrap_or(&std::env::temp_dir())).unwrap()
}
