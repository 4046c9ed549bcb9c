//! Ends an instance with everything that it started.

use crate::cgroup::{Group, kill_each};
use crate::instance::Instance;
use crate::plugin::ProcessEngine;
use crate::proc::{self, Known, Mark};
use crate::process::Process;
use crate::recover::{Found, find};
use aerolith_plugin::wire::engine::{Exit, Handle, Stop};
use aerolith_plugin::{Code, Error, Result, tracing};
use rustix::process::Signal;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long killed processes may take to go. One that hangs in a driver cannot be killed at all.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often, and how long apart, an empty group is tried to be removed: the kernel takes a moment to see the last one go.
const REMOVALS: (u32, Duration) = (100, Duration::from_millis(1));

impl ProcessEngine {
    /// Asks the group to end, kills it after the grace, then kills whoever still belongs to it.
    ///
    /// # Errors
    /// [`Code::Timeout`] when something cannot be killed.
    pub(crate) async fn end(&self, request: Stop) -> Result<Exit> {
        let mark = Mark::new(&request.handle.instance, &request.handle.token)?;
        let handle = request.handle;
        let Found::Here(instance) = self.blocking(move |registry| find(registry, &handle)).await? else {
            self.clear(&mark).await?;
            return Ok(Exit::unknown());
        };
        let family = self.family(&instance).await?;
        if let Some(process) = instance.running() {
            process.signal_group(Signal::TERM);
            // One that was stopped could not take the signal.
            process.signal_group(Signal::CONT);
            let grace = Duration::from_millis(request.grace_ms);
            let _gone_or_not = timeout(grace, process.gone()).await;
            process.signal_group(Signal::KILL);
        }
        self.sweep(&mark, &family).await?;
        // Its group tells whether it ran out of memory: it must be there until the exit is known.
        let exit = instance.settled().await.map_err(Error::io)?;
        self.dissolve(&family).await;
        self.registry.reap(&instance);
        Ok(exit)
    }

    /// Kills what is left of an instance that has ended, and forgets it.
    ///
    /// # Errors
    /// [`Code::Busy`] while it runs; [`Code::Timeout`] when something cannot be killed.
    pub(crate) async fn forget(&self, handle: Handle) -> Result<()> {
        let mark = Mark::new(&handle.instance, &handle.token)?;
        let found = self.blocking(move |registry| find(registry, &handle)).await?;
        let Found::Here(instance) = found else {
            return self.clear(&mark).await;
        };
        if instance.running().is_some() {
            let message = format!(
                "{} still runs as process {}",
                mark.instance, instance.identity.known.pid
            );
            return Err(Error::new(Code::Busy, format!("{message}: stop it before it is removed")).permanent());
        }
        let family = self.family(&instance).await?;
        self.sweep(&mark, &family).await?;
        self.dissolve(&family).await;
        self.registry.reap(&instance);
        self.registry.forget(&mark);
        Ok(())
    }

    /// Kills whoever belongs to a start of which nothing but its mark is known, and removes its group.
    async fn clear(&self, mark: &Mark) -> Result<()> {
        let family = match Group::find(&self.registry.cgroups, mark) {
            Some(group) => Family::Group(group),
            None => Family::Seen {
                mark: mark.clone(),
                // There is nobody's session: no process has the number 0.
                leader: Known { pid: 0, start: 0 },
                witnesses: Vec::new(),
            },
        };
        let family = Arc::new(family);
        self.sweep(mark, &family).await?;
        self.dissolve(&family).await;
        Ok(())
    }

    async fn family(&self, instance: &Instance) -> Result<Arc<Family>> {
        Ok(Arc::new(match &instance.group {
            Some(group) => Family::Group(group.clone()),
            None => Family::Seen {
                mark: instance.mark.clone(),
                leader: instance.identity.known,
                witnesses: self.witnesses(instance).await?,
            },
        }))
    }

    /// The family of an instance that is not this daemon's child: its pid, hence its session, is lost when it ends.
    async fn witnesses(&self, instance: &Instance) -> Result<Vec<Known>> {
        let leader = instance.identity.known;
        if proc::stat(leader.pid).is_none_or(|p| p.parent == std::process::id()) {
            return Ok(Vec::new());
        }
        self.blocking(move |_| {
            Ok(proc::family(&proc::all(), leader, &[])
                .into_iter()
                .map(Known::from)
                .collect())
        })
        .await
    }

    /// Kills, until nobody is found, whoever belongs to the family.
    async fn sweep(&self, mark: &Mark, family: &Arc<Family>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = family.clone();
            let left = self.blocking(move |_| seen.held()).await?;
            if left.is_empty() {
                return Ok(());
            }
            let (seen, known) = (family.clone(), left.iter().map(Process::known).collect());
            let killed = self.blocking(move |_| Ok(seen.kill(known))).await?;
            killed.map_err(|e| Error::io(format!("{}: {e}", mark.instance)).permanent())?;
            for process in &left {
                timeout_at(deadline, process.gone())
                    .await
                    .map_err(|_| stuck(mark, &left))?
                    .map_err(Error::io)?;
            }
        }
    }

    /// Removes the group of a family that has ended.
    async fn dissolve(&self, family: &Arc<Family>) {
        let Family::Group(group) = &**family else { return };
        let mut tries = 0..REMOVALS.0;
        loop {
            let removed = group.clone();
            let removed = self.blocking(move |_| Ok(removed.remove())).await;
            match removed.unwrap_or_else(|e| Err(io::Error::other(e))) {
                Ok(()) => return,
                Err(e) if e.kind() == ErrorKind::ResourceBusy && tries.next().is_some() => {
                    tokio::time::sleep(REMOVALS.1).await;
                }
                Err(error) => {
                    let stays = "a control group that nobody should be in stays until the next start of the daemon";
                    return tracing::warn!(%error, "{stays}");
                }
            }
        }
    }
}

/// Everything that an instance started.
enum Family {
    /// Where there are control groups: its members, whatever they did.
    Group(Group),
    /// Else whoever is in its session, carries its mark, was there before its first process ended, or descends from these.
    Seen {
        mark: Mark,
        leader: Known,
        witnesses: Vec<Known>,
    },
}

impl Family {
    /// Who of it runs.
    fn held(&self) -> Result<Vec<Process>> {
        let members = match self {
            Self::Group(group) => group.members(),
            Self::Seen {
                mark,
                leader,
                witnesses,
            } => {
                let all = proc::all();
                let marked = proc::marked(&all, mark, leader.start);
                let roots: Vec<_> = marked
                    .iter()
                    .map(Known::from)
                    .chain(witnesses.iter().copied())
                    .collect();
                proc::family(&all, *leader, &roots).into_iter().cloned().collect()
            }
        };
        let own = std::process::id();
        let others = members.iter().filter(|p| p.pid != own && p.pid > 1);
        others
            .filter_map(|p| Process::open(p.into()).transpose())
            .collect::<Result<_, io::Error>>()
            .map_err(Error::io)
    }

    fn kill(&self, seen: Vec<Known>) -> io::Result<()> {
        match self {
            Self::Group(group) => group.kill(),
            Self::Seen { .. } => kill_each(seen.into_iter()),
        }
    }
}

fn stuck(mark: &Mark, left: &[Process]) -> Error {
    let pids: Vec<String> = left
        .iter()
        .filter(|p| !p.has_ended())
        .map(|p| p.known().pid.to_string())
        .collect();
    let pids = pids.join(", ");
    Error::new(
        Code::Timeout,
        format!(
            "{}: processes {pids} were killed but do not end; they may hang in a driver",
            mark.instance
        ),
    )
}
