//! Finds an instance again after the core or the engine was away. It only looks: nothing is ever signalled here.

use crate::cgroup::Group;
use crate::instance::{Applied, Identity, Instance};
use crate::proc::{self, Known, Mark, Patience, Stat};
use crate::process::Process;
use crate::registry::Registry;
use aerolith_plugin::wire::engine::{Handle, Recover, Recovered};
use aerolith_plugin::wire::host::ProcessEvent;
use aerolith_plugin::{Error, Result};
use std::sync::Arc;

/// What was found of an instance.
pub(crate) enum Found {
    /// It runs, or its exit is remembered.
    Here(Arc<Instance>),
    /// It is gone, for this reason.
    Gone(String),
}

/// Looks for an instance by its handle, else by its mark.
///
/// # Errors
/// When the request is wrong, or a process that runs cannot be held.
pub(crate) fn recover(registry: &Registry, request: &Recover) -> Result<Recovered> {
    let mark = Mark::new(&request.instance, &request.token)?;
    let identity = request.handle.as_ref().map(Identity::of).transpose()?.flatten();
    let found = match (registry.get(&mark), identity) {
        (Some(instance), None) => Found::Here(instance),
        (Some(instance), Some(identity)) if instance.identity.is(&identity) => Found::Here(instance),
        (_, Some(identity)) => by_identity(registry, &mark, &identity)?,
        (None, None) => by_mark(registry, &mark)?,
    };
    Ok(match found {
        Found::Here(instance) => recovered(&instance),
        Found::Gone(reason) => Recovered { handle: None, reason },
    })
}

fn recovered(instance: &Instance) -> Recovered {
    let pid = instance.identity.known.pid;
    match instance.exit() {
        None => Recovered {
            handle: Some(instance.handle()),
            reason: format!("runs as process {pid}"),
        },
        Some(_) => Recovered {
            handle: None,
            reason: format!("process {pid} has ended"),
        },
    }
}

/// The instance of a handle, adopted when it is not known yet.
///
/// # Errors
/// As [`recover`].
pub(crate) fn find(registry: &Registry, handle: &Handle) -> Result<Found> {
    let mark = Mark::new(&handle.instance, &handle.token)?;
    if let Some(instance) = registry.get(&mark) {
        return Ok(Found::Here(instance));
    }
    match Identity::of(handle)? {
        Some(identity) => by_identity(registry, &mark, &identity),
        None => Ok(Found::Gone("the handle names no process".into())),
    }
}

fn by_identity(registry: &Registry, mark: &Mark, identity: &Identity) -> Result<Found> {
    let Known { pid, .. } = identity.known;
    if identity.boot != registry.boot {
        return Ok(Found::Gone(format!("process {pid} ran before the last boot")));
    }
    let Some(process) = Process::open(identity.known).map_err(Error::io)? else {
        return Ok(Found::Gone(match proc::stat(pid) {
            Some(_) => format!("process {pid} is another one that was started at another time"),
            None => format!("process {pid} runs no more"),
        }));
    };
    if process.has_ended() {
        return Ok(Found::Gone(format!("process {pid} has ended")));
    }
    if proc::environment(pid, &Patience::new()).is_ok_and(|environment| mark.is_denied_by(&environment)) {
        return Ok(Found::Gone(format!("process {pid} carries the mark of another start")));
    }
    Ok(Found::Here(adopt(registry, mark, process, identity.applied.clone())))
}

/// By the group of its name, else by the marks that processes carry.
fn by_mark(registry: &Registry, mark: &Mark) -> Result<Found> {
    let group = Group::find(&registry.cgroups, mark);
    let marked = group.map_or_else(|| proc::marked(&proc::all(), mark, 0), |group| group.members());
    let Some(leader) = first(&marked) else {
        return Ok(Found::Gone(match marked.len() {
            0 => "no process carries its mark".into(),
            n => format!("its first process runs no more; {n} that it started still do: remove the instance"),
        }));
    };
    match Process::open(leader.into()).map_err(Error::io)? {
        Some(process) => Ok(Found::Here(adopt(registry, mark, process, Applied::default()))),
        None => Ok(Found::Gone(format!(
            "process {} ended while it was looked at",
            leader.pid
        ))),
    }
}

/// The first process of a start: it leads a session, and nobody marked started it.
fn first(marked: &[Stat]) -> Option<&Stat> {
    let started_by_marked = |p: &Stat| marked.iter().any(|other| other.pid == p.parent);
    let leads = |p: &&Stat| p.session == p.pid && !started_by_marked(p);
    marked.iter().filter(leads).min_by_key(|p| p.start)
}

fn adopt(registry: &Registry, mark: &Mark, process: Process, applied: Applied) -> Arc<Instance> {
    registry.tell_or_log(process.known().pid, ProcessEvent::Registered);
    let group = Group::find(&registry.cgroups, mark);
    registry.add(mark.clone(), process, group, applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, session: u32, start: u64) -> Stat {
        Stat {
            pid,
            state: 'S',
            parent,
            session,
            kernel: false,
            ticks: 0,
            threads: 1,
            start,
            resident_pages: 1,
            environment: None,
        }
    }

    #[test]
    fn the_first_process_is_the_oldest_leader_that_nobody_marked_started() {
        let marked = [
            process(30, 1, 30, 7),
            process(20, 1, 20, 5),
            process(21, 20, 21, 5),
            process(22, 20, 20, 4),
        ];
        assert_eq!(first(&marked).unwrap().pid, 20);
    }

    #[test]
    fn members_without_a_leader_are_no_instance() {
        assert_eq!(first(&[process(22, 1, 20, 4)]), None);
        assert_eq!(first(&[]), None);
    }
}
