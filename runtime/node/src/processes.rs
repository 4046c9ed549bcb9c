//! Which pids are known to be a plugin's: those that it said it waits for, and whether it is just starting another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use aerolith_plugin_wire::host::{Process, ProcessEvent};

/// The processes of all plugin instances. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Processes(Arc<Mutex<BTreeMap<String, Owned>>>);

#[derive(Debug, Default)]
struct Owned {
    spawning: usize,
    pids: BTreeSet<u32>,
}

impl Processes {
    /// Takes note of what an instance says.
    pub(crate) fn note(&self, instance: &str, process: &Process) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owned = all.entry(instance.to_owned()).or_default();
        match process.event {
            ProcessEvent::Spawning => owned.spawning += 1,
            ProcessEvent::Spawned => owned.spawning = owned.spawning.saturating_sub(1),
            ProcessEvent::Registered => drop(owned.pids.insert(process.pid)),
            ProcessEvent::Released => drop(owned.pids.remove(&process.pid)),
            ProcessEvent::Unknown => {}
        }
    }

    /// An instance has failed: it starts nothing now, and what it has started is its successor's.
    pub(crate) fn settle(&self, instance: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owned) = all.get_mut(instance) {
            owned.spawning = 0;
        }
    }

    /// Forgets an instance that is gone.
    pub fn forget(&self, instance: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(instance);
    }

    /// Whether a pid is known to be no plugin's: none waits for it, and none is just starting a process, which might be
    /// this one.
    #[must_use]
    pub fn is_orphan(&self, pid: u32) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values()
            .all(|owned| owned.spawning == 0 && !owned.pids.contains(&pid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_that_nobody_waits_for_is_an_orphan() {
        let processes = Processes::default();
        let note = |event, pid| processes.note("engine", &Process { pid, event });
        assert!(processes.is_orphan(7));
        note(ProcessEvent::Spawning, 0);
        assert!(!processes.is_orphan(7), "it may be the one being started");
        note(ProcessEvent::Registered, 7);
        note(ProcessEvent::Spawned, 0);
        assert_eq!((processes.is_orphan(7), processes.is_orphan(8)), (false, true));
        note(ProcessEvent::Released, 7);
        assert!(processes.is_orphan(7));
        note(ProcessEvent::Spawning, 0);
        processes.settle("engine");
        assert!(processes.is_orphan(7), "who failed starts nothing");
        note(ProcessEvent::Registered, 7);
        processes.forget("engine");
        assert!(processes.is_orphan(7));
    }
}
