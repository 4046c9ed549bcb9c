//! The instances that this engine answers for, and what it tells the core of their processes.

use crate::cgroup::{Cgroups, Group};
use crate::error::RequestError;
use crate::instance::{Applied, Identity, Instance};
use crate::proc::Mark;
use crate::process::Process;
use crate::watch;
use aerolith_plugin::wire::engine::Exit;
use aerolith_plugin::wire::host::{Process as Told, ProcessEvent};
use aerolith_plugin::{Code, Context, Error, Result, Sent, tracing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is handed to a successor: everything known of one instance.
#[derive(Debug, Serialize, Deserialize)]
struct Left {
    instance: String,
    token: String,
    identity: Identity,
    exit: Option<Exit>,
}

/// Instances by token, which is unique for each start.
pub(crate) struct Registry {
    pub(crate) context: Context,
    /// Of this boot.
    pub(crate) boot: String,
    pub(crate) cgroups: Arc<Cgroups>,
    instances: Mutex<BTreeMap<String, Arc<Instance>>>,
}

impl Registry {
    pub(crate) const fn new(context: Context, boot: String, cgroups: Arc<Cgroups>) -> Self {
        Self {
            context,
            boot,
            cgroups,
            instances: Mutex::new(BTreeMap::new()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Instance>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, mark: &Mark) -> Option<Arc<Instance>> {
        self.lock().get(&mark.token).filter(|i| i.mark == *mark).cloned()
    }

    /// Whether the token was used, by whomever.
    pub(crate) fn has(&self, token: &str) -> bool {
        self.lock().contains_key(token)
    }

    /// Answers for a process from now on. The one that is there already stays: two may adopt at once.
    pub(crate) fn add(&self, mark: Mark, process: Process, group: Option<Group>, applied: Applied) -> Arc<Instance> {
        let known = process.known();
        let identity = Identity {
            known,
            boot: self.boot.clone(),
            applied,
        };
        self.keep(Instance::new(mark, identity, Some(process), group, None))
    }

    /// The one that is there already stays.
    fn keep(&self, instance: Instance) -> Arc<Instance> {
        match self.lock().entry(instance.mark.token.clone()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => {
                let instance = place.insert(Arc::new(instance)).clone();
                watch::watch(&self.context, &instance);
                instance
            }
        }
    }

    /// Gives the pid of an ended instance free. What ended stays known.
    pub(crate) fn reap(&self, instance: &Instance) {
        if instance.reap() {
            self.tell_or_log(instance.identity.known.pid, ProcessEvent::Released);
        }
    }

    /// Forgets an instance.
    pub(crate) fn forget(&self, mark: &Mark) {
        self.lock().remove(&mark.token);
    }

    /// Tells the core what happens to a process.
    ///
    /// # Errors
    /// When the core does not take it: it would then not know whose the process is.
    pub(crate) fn tell(&self, pid: u32, event: ProcessEvent) -> Result<()> {
        match self.context.process(&Told { pid, event })? {
            Sent::Accepted => Ok(()),
            Sent::Full => Err(Error::new(
                Code::Busy,
                format!("the core takes no word of process {pid} now: try again"),
            )),
        }
    }

    /// As [`Registry::tell`], where the process is there and nobody is left to refuse.
    pub(crate) fn tell_or_log(&self, pid: u32, event: ProcessEvent) {
        if let Err(error) = self.tell(pid, event) {
            tracing::warn!(pid, ?event, %error, "the core was not told of a process");
        }
    }

    /// Everything that a successor needs.
    ///
    /// # Errors
    /// None that can happen: identities and exits are plain data.
    pub(crate) fn leave(&self) -> Result<Vec<u8>> {
        let left: Vec<Left> = self.lock().values().map(|i| left(i)).collect();
        serde_json::to_vec(&left).map_err(|e| Error::new(Code::Internal, e))
    }

    /// Takes over what a predecessor left; what is known already stays. One that ended meanwhile is still to be waited for.
    ///
    /// # Errors
    /// When the bytes are not a predecessor's, or a process that runs cannot be held.
    pub(crate) fn inherit(&self, state: &[u8]) -> Result<()> {
        if state.is_empty() {
            return Ok(());
        }
        for left in serde_json::from_slice::<Vec<Left>>(state).map_err(RequestError::Inherited)? {
            if !self.has(&left.token) {
                self.take(left)?;
            }
        }
        Ok(())
    }

    fn take(&self, left: Left) -> Result<()> {
        let mark = Mark::new(&left.instance, &left.token)?;
        let process = match left.identity.boot == self.boot {
            true => Process::open(left.identity.known).map_err(Error::io)?,
            false => None,
        };
        if process.is_some() {
            self.tell_or_log(left.identity.known.pid, ProcessEvent::Registered);
        }
        let group = Group::find(&self.cgroups, &mark);
        self.keep(Instance::new(mark, left.identity, process, group, left.exit));
        Ok(())
    }
}

fn left(instance: &Instance) -> Left {
    Left {
        instance: instance.mark.instance.clone(),
        token: instance.mark.token.clone(),
        identity: instance.identity.clone(),
        exit: instance.exit(),
    }
}
