//! The questions to one running instance that are under way.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use aerolith_model::{Check, Probe, ProbePort};
use aerolith_plan::probe::{Answer, Kind};
use aerolith_plugin_wire::engine::{Exec, Handle, Workload};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::check::{self, Failing, Place};
use super::lookup::Lookups;
use crate::environment;
use crate::plugins::Engine;

/// Where an instance is reached of which nobody knows an address of its own.
const LOOPBACK: &str = "127.0.0.1";
/// An engine kills a command when its time is over, and tells so within this time.
const SLACK: Duration = Duration::from_secs(1);

/// Who is asked.
pub(super) struct Target {
    engine: Engine,
    handle: Handle,
    address: Option<String>,
    dynamic_port: Option<NonZeroU16>,
    lookups: Lookups,
}

impl Target {
    pub(super) fn of(
        engine: Engine,
        handle: Handle,
        address: Option<String>,
        workload: &Workload,
        lookups: Lookups,
    ) -> Self {
        Self {
            engine,
            handle,
            address,
            dynamic_port: environment::port(&workload.environment).and_then(NonZeroU16::new),
            lookups,
        }
    }

    async fn ask(&self, probe: &Probe) -> Result<(), Failing> {
        let timeout = Duration::from_secs(probe.timeout_seconds.get().into());
        let until = Instant::now() + timeout;
        let (what, seconds) = (check::words(&probe.check), timeout.as_secs());
        let silent = |_| Err(Failing::Bad(format!("{what} gave no answer within {seconds} s")));
        match &probe.check {
            Check::Http(get) => {
                let place = self.place(get.host.as_deref(), get.port, until).await?;
                let asked = timeout_at(until, check::http(get, &place)).await;
                asked.unwrap_or_else(silent)
            }
            Check::Tcp(socket) => {
                let place = self.place(socket.host.as_deref(), socket.port, until).await?;
                timeout_at(until, check::tcp(&place)).await.unwrap_or_else(silent)
            }
            Check::Exec(exec) => {
                let asked = Exec {
                    handle: self.handle.clone(),
                    command: exec.command.clone(),
                    timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
                };
                let asked = timeout_at(until + SLACK, check::exec(&self.engine, &asked)).await;
                // The engine would have killed the command by now, and said so.
                let silent = format!("the engine gave no answer about {what} within {seconds} s");
                asked.unwrap_or(Err(Failing::Unasked(silent)))
            }
        }
    }

    /// Where it is asked. That a name cannot be looked up is no fault of whoever bears it.
    async fn place<'a>(&'a self, host: Option<&'a str>, port: ProbePort, until: Instant) -> Result<Place<'a>, Failing> {
        let port = match port {
            ProbePort::Number(port) => Some(port),
            ProbePort::Dynamic => self.dynamic_port,
        };
        let port = port.ok_or_else(|| Failing::Bad("the node chose no port for it, so none can be asked".into()))?;
        let host = host.or(self.address.as_deref()).unwrap_or(LOOPBACK);
        let found = timeout_at(until, self.lookups.find(host)).await;
        let found = found.unwrap_or_else(|_| Err("the lookup is not answered in time".into()));
        let addresses = found.map_err(|error| Failing::Unasked(format!("host `{host}` cannot be found: {error}")))?;
        let port = port.get();
        Ok(Place { host, addresses, port })
    }
}

/// What came of one question.
pub(super) struct Answered {
    pub(super) kind: Kind,
    pub(super) answer: Answer,
    /// What was wrong, when something was.
    pub(super) reason: String,
}

/// Dropping them ends those that are under way, with their connections and commands.
pub(super) struct Questions {
    target: Arc<Target>,
    under_way: JoinSet<(Kind, Result<(), Failing>)>,
    /// What the last answer to each was, unless it was good.
    complaints: BTreeMap<Kind, String>,
}

impl Questions {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target: Arc::new(target),
            under_way: JoinSet::new(),
            complaints: BTreeMap::new(),
        }
    }

    pub(super) fn ask(&mut self, probes: Vec<(Kind, Probe)>) {
        for (kind, probe) in probes {
            let target = self.target.clone();
            self.under_way.spawn(async move { (kind, target.ask(&probe).await) });
        }
    }

    /// The next answer; never without a question under way. Cancelling the wait loses nothing.
    pub(super) async fn next(&mut self) -> Answered {
        loop {
            match self.under_way.join_next().await {
                Some(Ok((kind, result))) => return self.answered(kind, result),
                // Dropped by us.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    fn answered(&mut self, kind: Kind, result: Result<(), Failing>) -> Answered {
        let (answer, reason) = match result {
            Ok(()) => (Answer::Good, String::new()),
            Err(Failing::Bad(reason)) => (Answer::Bad, reason),
            Err(Failing::Unasked(reason)) => (Answer::Unasked, reason),
        };
        if answer == Answer::Good {
            self.complaints.remove(&kind);
        } else {
            self.complaints.insert(kind, reason.clone());
        }
        Answered { kind, answer, reason }
    }

    /// What is said against the instance.
    pub(super) fn complaint(&self) -> Option<String> {
        let (kind, reason) = self.complaints.iter().next()?;
        Some(format!("{kind}: {reason}"))
    }

    pub(super) fn drop_all(&mut self) {
        self.under_way = JoinSet::new();
        self.complaints.clear();
    }
}

#[cfg(test)]
mod tests;
