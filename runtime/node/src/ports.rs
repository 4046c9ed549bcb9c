//! Ports of the host: which run has which, whether somebody else listens there, and who.

mod declared;
mod holder;
mod probe;
mod reservations;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aerolith_plan::RunId;
use aerolith_plugin_wire::engine::Workload;

use crate::environment;
use crate::record::{Life, Record};
pub use declared::PortConflict;
pub(crate) use declared::{conflicts, on_host, ports};
use holder::holder;
use probe::is_free;
use reservations::Reservations;
pub use reservations::{InvalidRange, PortRange};

/// Transport of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// A port of the host, at one address or at every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostPort {
    pub(crate) number: u16,
    pub(crate) transport: Transport,
    /// Every one when absent.
    pub(crate) address: Option<std::net::IpAddr>,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let transport = match self.transport {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        };
        write!(f, "port {} ({transport})", self.number)
    }
}

/// Why an instance cannot have the ports that it needs. It may in a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPort {
    /// Somebody has one.
    #[error("{port} is held by {by}")]
    Held { port: HostPort, by: String },
    /// Somebody has the one that it was given.
    #[error("{port}, which it was given, is held by {by}")]
    Lost { port: HostPort, by: String },
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
            let workload = &record.workload;
            let declared = match record.life {
                Life::Ended { success: true, .. } => continue,
                Life::Ended { success: false, .. } => Vec::new(),
                Life::Idle | Life::Intended | Life::Running(_) => on_host(workload),
            };
            reservations.take_up(record.run(), environment::port(&workload.environment), declared);
        }
        Self {
            reservations: Mutex::new(reservations),
        }
    }

    /// Gives a run its ports: those that it declares, and where it sees the network as the host does one from the range,
    /// which is put into its environment and stays its own until it is gone. None of them is one that somebody else listens
    /// on now. Blocks for a moment.
    ///
    /// # Errors
    /// [`NoPort`], with who has it: [`NoPort::Lost`] where waiting may not help, since what it was shown names that port.
    pub(crate) fn give(&self, run: &RunId, workload: &mut Workload) -> Result<(), NoPort> {
        let declared = on_host(workload);
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
        drop(reservations);
        declared.into_iter().try_for_each(free)?;
        let mut given = environment::port(&workload.environment).into_iter().flat_map(both);
        given.try_for_each(free).map_err(|error| match error {
            NoPort::Held { port, by } => NoPort::Lost { port, by },
            other => other,
        })
    }

    /// Takes back what a run declares, which it may need again: the port that it was given stays its own.
    pub(crate) fn rest(&self, run: &RunId) {
        self.lock().rest(run);
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

/// Whether nobody has a port now. Another node that looks whether it is free is gone at the second look.
fn free(port: HostPort) -> Result<(), NoPort> {
    if is_free(port) {
        return Ok(());
    }
    let by = holder(port);
    match is_free(port) {
        true => Ok(()),
        false => Err(NoPort::Held { port, by }),
    }
}

fn both(number: u16) -> [HostPort; 2] {
    [Transport::Tcp, Transport::Udp].map(|transport| HostPort {
        number,
        transport,
        address: None,
    })
}

/// Where the kernel tells of processes and sockets.
fn proc() -> PathBuf {
    PathBuf::from("/proc")
}

#[cfg(test)]
mod tests;
