//! One start of one instance: who it is, and how it ended.

use crate::cgroup::Group;
use crate::error::RequestError;
use crate::proc::{self, Known, Mark, Stat};
use crate::process::Process;
use aerolith_plugin::wire::engine::{Exit, Handle};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a handle holds: enough to tell the process from every other of this and other boots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    #[serde(flatten)]
    pub(crate) known: Known,
    /// `/proc/sys/kernel/random/boot_id`.
    pub(crate) boot: String,
    #[serde(flatten)]
    pub(crate) applied: Applied,
}

/// How a workload was applied. An instance that is found by its mark alone tells nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Applied {
    /// What of it was not, and why.
    pub(crate) unenforced: Vec<String>,
    /// Bytes of memory above which the instance is killed, where no control group bounds it.
    pub(crate) watched_bytes: Option<u64>,
}

impl Identity {
    /// Whether both mean the same process.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.known == other.known && self.boot == other.boot
    }

    /// Reads a handle; nothing when it holds none, since the core never learned it.
    ///
    /// # Errors
    /// [`RequestError::Handle`] when it is another engine's.
    pub(crate) fn of(handle: &Handle) -> Result<Option<Self>, RequestError> {
        serde_json::from_value(handle.state.clone()).map_err(|cause| RequestError::Handle {
            instance: handle.instance.clone(),
            cause,
        })
    }
}

/// An instance that was started or adopted. It is remembered, with its exit, until it is removed.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) mark: Mark,
    pub(crate) identity: Identity,
    /// Absent when it was gone before it could be held.
    process: Option<Process>,
    /// Absent where the host has none, or an engine started it that used none.
    pub(crate) group: Option<Group>,
    exit: OnceLock<Exit>,
    reaped: AtomicBool,
    /// Whether it was killed since it used more memory than it may.
    exhausted: AtomicBool,
}

impl Instance {
    pub(crate) fn new(
        mark: Mark,
        identity: Identity,
        process: Option<Process>,
        group: Option<Group>,
        exit: Option<Exit>,
    ) -> Self {
        let cell = OnceLock::new();
        if let Some(exit) = exit {
            // A new cell is empty.
            let _ = cell.set(exit);
        }
        Self {
            mark,
            identity,
            process,
            group,
            exit: cell,
            reaped: AtomicBool::new(false),
            exhausted: AtomicBool::new(false),
        }
    }

    /// As the core keeps it.
    pub(crate) fn handle(&self) -> Handle {
        Handle {
            instance: self.mark.instance.clone(),
            token: self.mark.token.clone(),
            state: serde_json::json!(self.identity),
        }
    }

    /// Its process while it runs.
    pub(crate) fn running(&self) -> Option<&Process> {
        self.process.as_ref().filter(|_| self.exit().is_none())
    }

    /// How it ended; nothing while it runs.
    pub(crate) fn exit(&self) -> Option<Exit> {
        if let Some(exit) = self.exit.get() {
            return Some(exit.clone());
        }
        let mut seen = match &self.process {
            Some(process) => process.exit()?,
            None => Exit::unknown(),
        };
        // One of its processes may have been killed and the first have gone on: then it ended well, or by itself later.
        seen.oom = seen.code != Some(0) && self.ran_out_of_memory();
        Some(self.exit.get_or_init(|| seen).clone())
    }

    /// How it ended, for who ended it and does not wait until that is known of a process that is nobody's child here.
    ///
    /// # Errors
    /// When the system gives no descriptor to wait with.
    pub(crate) async fn settled(&self) -> io::Result<Exit> {
        if let Some(process) = &self.process {
            process.gone().await?;
        }
        Ok(self
            .exit()
            .unwrap_or_else(|| self.exit.get_or_init(Exit::unknown).clone()))
    }

    fn ran_out_of_memory(&self) -> bool {
        self.exhausted.load(Ordering::Acquire) || self.group.as_ref().is_some_and(Group::ran_out_of_memory)
    }

    /// Has its end count as one for want of memory.
    pub(crate) fn exhaust(&self) {
        self.exhausted.store(true, Ordering::Release);
    }

    /// Everybody who runs for it, as far as no environment must be read to know.
    pub(crate) fn members(&self) -> Vec<Stat> {
        match &self.group {
            Some(group) => group.members(),
            None => {
                let all = proc::all();
                proc::family(&all, self.identity.known, &[])
                    .into_iter()
                    .cloned()
                    .collect()
            }
        }
    }

    /// Waits for the end. Everybody who waits gets the same answer.
    ///
    /// # Errors
    /// When the system gives no descriptor to wait with.
    pub(crate) async fn ended(&self) -> io::Result<Exit> {
        loop {
            if let Some(exit) = self.exit() {
                return Ok(exit);
            }
            if let Some(process) = &self.process {
                process.ended().await?;
            }
        }
    }

    /// Gives its pid free, once: true for the call that did. Nothing happens while it runs.
    pub(crate) fn reap(&self) -> bool {
        let Some(process) = self.process.as_ref().filter(|_| self.exit().is_some()) else {
            return false;
        };
        if self.reaped.swap(true, Ordering::AcqRel) {
            return false;
        }
        process.reap();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn handle(state: serde_json::Value) -> Handle {
        Handle {
            instance: "a.b.1".into(),
            token: "t".into(),
            state,
        }
    }

    #[test]
    fn a_handle_reads_back_as_the_identity_that_was_written() {
        let identity = Identity {
            known: Known { pid: 7, start: 9 },
            boot: "b".into(),
            applied: Applied {
                unenforced: vec!["memory limit".into()],
                watched_bytes: Some(5),
            },
        };
        let instance = Instance::new(Mark::new("a.b.1", "t").unwrap(), identity.clone(), None, None, None);
        assert_eq!(Identity::of(&instance.handle()).unwrap(), Some(identity));
    }

    #[test]
    fn a_handle_without_state_is_none_and_a_foreign_one_is_an_error() {
        assert_eq!(Identity::of(&handle(json!(null))).unwrap(), None);
        let error = Identity::of(&handle(json!({ "container": "c" })))
            .unwrap_err()
            .to_string();
        assert!(error.contains("a.b.1") && error.contains("boot"), "{error}");
    }

    #[test]
    fn an_instance_that_could_not_be_held_ended_in_an_unknown_way() {
        let identity = Identity {
            known: Known { pid: 7, start: 9 },
            boot: "b".into(),
            applied: Applied {
                unenforced: vec!["memory limit".into()],
                watched_bytes: Some(5),
            },
        };
        let instance = Instance::new(Mark::new("a.b.1", "t").unwrap(), identity, None, None, None);
        assert!(instance.exit().unwrap().unknown && !instance.reap());
    }
}
