//! Ends an instance with everything that it started.

use crate::instance::Instance;
use crate::plugin::ProcessEngine;
use crate::proc::{self, Known, Mark};
use crate::process::Process;
use crate::recover::{Found, find};
use aerolith_plugin::wire::engine::{Exit, Handle, Stop};
use aerolith_plugin::{Code, Error, Result};
use rustix::process::Signal;
use std::io;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long killed processes may take to go. One that hangs in a driver cannot be killed at all.
const PATIENCE: Duration = Duration::from_secs(10);

impl ProcessEngine {
    /// Asks the group to end, kills it after the grace, then kills whoever still belongs to it.
    ///
    /// # Errors
    /// [`Code::Timeout`] when something cannot be killed.
    pub(crate) async fn end(&self, request: Stop) -> Result<Exit> {
        let mark = Mark::new(&request.handle.instance, &request.handle.token)?;
        let handle = request.handle;
        let Found::Here(instance) = self.blocking(move |registry| find(registry, &handle)).await? else {
            self.sweep(&mark, None, Vec::new()).await?;
            return Ok(Exit {
                unknown: true,
                ..Exit::default()
            });
        };
        let witnesses = self.witnesses(&instance).await?;
        if let Some(process) = instance.running() {
            process.signal_group(Signal::TERM);
            // One that was stopped could not take the signal.
            process.signal_group(Signal::CONT);
            let grace = Duration::from_millis(request.grace_ms);
            let _ended_or_not = timeout(grace, instance.ended()).await;
            process.signal_group(Signal::KILL);
        }
        self.sweep(&mark, Some(&instance), witnesses).await?;
        let exit = instance.ended().await.map_err(Error::io)?;
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
            return self.sweep(&mark, None, Vec::new()).await;
        };
        if instance.running().is_some() {
            let message = format!(
                "{} still runs as process {}",
                mark.instance, instance.identity.known.pid
            );
            return Err(Error::new(Code::Busy, format!("{message}: stop it before it is removed")).permanent());
        }
        self.sweep(&mark, Some(&instance), Vec::new()).await?;
        self.registry.reap(&instance);
        self.registry.forget(&mark);
        Ok(())
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

    /// Kills, until nobody is found, whoever carries the mark or belongs to the family.
    async fn sweep(&self, mark: &Mark, instance: Option<&Instance>, witnesses: Vec<Known>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // Without a process there is nobody's session: no process has the number 0.
        let leader = instance.map_or(Known { pid: 0, start: 0 }, |i| i.identity.known);
        loop {
            let (sought, known) = (mark.clone(), witnesses.clone());
            let left = self.blocking(move |_| held_family(&sought, leader, known)).await?;
            if left.is_empty() {
                return Ok(());
            }
            kill(&left).map_err(|e| Error::io(format!("{}: {e}", mark.instance)).permanent())?;
            for process in &left {
                timeout_at(deadline, process.ended())
                    .await
                    .map_err(|_| stuck(mark, &left))?
                    .map_err(Error::io)?;
            }
        }
    }
}

fn held_family(mark: &Mark, leader: Known, mut roots: Vec<Known>) -> Result<Vec<Process>> {
    let all = proc::all();
    roots.extend(proc::marked(&all, mark).iter().map(Known::from));
    let family = proc::family(&all, leader, &roots);
    let own = std::process::id();
    let others = family.into_iter().filter(|p| p.pid != own && p.pid > 1);
    others
        .filter_map(|p| Process::open(p.into()).transpose())
        .collect::<Result<_, io::Error>>()
        .map_err(Error::io)
}

fn kill(family: &[Process]) -> Result<(), String> {
    let refused = |p: &Process| Some(format!("process {}: {}", p.known().pid, p.signal(Signal::KILL).err()?));
    let refusals: Vec<String> = family.iter().filter_map(refused).collect();
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(format!("cannot be killed by this user: {}", refusals.join(", ")))
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
