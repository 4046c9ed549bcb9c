//! Ports of the host: which run has which, whether somebody else listens there, and who.

mod declared;
mod holder;
mod probe;
mod reservations;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aerolith_model::{HostPort, Protocol};
use aerolith_plan::RunId;
use aerolith_plugin_wire::engine::Workload;

use crate::environment;
use crate::record::{Life, Record};
pub use declared::PortConflict;
pub(crate) use declared::{conflicts, on_host, ports};
use holder::holder;
use probe::is_free;
use reservations::{Declared, Reservations};
pub use reservations::{InvalidRange, PortRange};

/// Why an instance cannot have the ports that it needs. It may in a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPort {
    /// Somebody has one.
    #[error("{port} is held by {by}")]
    Held { port: HostPort, by: String },
    /// None is left.
    #[error(
        "no port of {0} is free for it: each is another instance's or somebody listens there; widen `ports.dynamic` in \
         aerolith.yml"
    )]
    Exhausted(PortRange),
}

/// The ports of the host, as far as instances have them.
#[derive(Debug)]
pub(crate) struct Ports {
    reservations: Mutex<Reservations>,
}

impl Ports {
    /// With what the instances have that were there before.
    pub(crate) fn new<'a>(range: PortRange, before: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut reservations = Reservations::new(range);
        for record in before {
            if !matches!(record.life, Life::Ended { .. }) {
                let workload = &record.workload;
                let given = environment::port(&workload.environment);
                let declared = match record.life {
                    // Whether they are free now is found before its next start.
                    Life::Idle => Declared::default(),
                    _ => declared(workload),
                };
                reservations.take_up(record.run(), given, declared);
            }
        }
        Self {
            reservations: Mutex::new(reservations),
        }
    }

    /// Gives a run its ports: those that it declares, and where it sees the network as the host does one from the range,
    /// which is put into its environment and stays its own until it is gone. None of them is one that somebody else listens
    /// on now, except other runs of a service that shares what it declares. Blocks for a moment.
    ///
    /// # Errors
    /// [`NoPort`], with who has it.
    pub(crate) fn give(&self, run: &RunId, workload: &mut Workload) -> Result<(), NoPort> {
        let Some(port) = self.try_give(run, workload)? else {
            return Ok(());
        };
        let by = holder(port);
        // Another node that looked whether it is free is gone at the second look.
        match self.try_give(run, workload)? {
            None => Ok(()),
            Some(again) if again == port => Err(NoPort::Held { port, by }),
            Some(other) => Err(NoPort::Held {
                port: other,
                by: holder(other),
            }),
        }
    }

    /// As [`Ports::give`]; or answers a port that somebody listens on who is no run, whereupon nothing declared is had.
    fn try_give(&self, run: &RunId, workload: &mut Workload) -> Result<Option<HostPort>, NoPort> {
        let declared = declared(workload);
        // Held until all of them are found free: two instances never get one port.
        let mut reservations = self.lock();
        if let Some((port, owner)) = reservations.declare(run, declared.clone()) {
            let by = owner.instance.to_string();
            return Err(NoPort::Held { port, by });
        }
        if declared::sees_host_network(workload) {
            let before = environment::port(&workload.environment);
            let number = reservations.claim(run, before, |number| both(number).into_iter().all(is_free))?;
            environment::set_port(&mut workload.environment, number);
        }
        let given = environment::port(&workload.environment).into_iter().flat_map(both);
        let mut all = declared.ports.into_iter().chain(given);
        let taken = all.find(|port| !reservations.is_had_by_another(*port, run) && !is_free(*port));
        if taken.is_some() {
            reservations.withdraw(run);
        }
        Ok(taken)
    }

    /// Takes back what a run has.
    pub(crate) fn release(&self, run: &RunId) {
        self.lock().release(run);
    }

    /// The ports at which a run is found: its own from the range first, then those that it declares.
    pub(crate) fn of(&self, run: &RunId) -> Vec<u16> {
        self.lock().of(run)
    }

    fn lock(&self) -> MutexGuard<'_, Reservations> {
        self.reservations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a workload declares of the host's ports. Who sees the network as the host does opens them itself, and so can share
/// them; what an engine opens for it can be had once.
fn declared(workload: &Workload) -> Declared {
    Declared {
        ports: on_host(workload),
        are_shared: declared::sees_host_network(workload),
    }
}

fn both(number: u16) -> [HostPort; 2] {
    [Protocol::Tcp, Protocol::Udp].map(|protocol| HostPort {
        number,
        protocol,
        address: None,
    })
}

/// Where the kernel tells of processes and sockets.
fn proc() -> PathBuf {
    PathBuf::from("/proc")
}

#[cfg(test)]
mod tests;
