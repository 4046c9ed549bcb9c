//! Strangers that hold ports of the host for a while.

use super::world::APPLICATIONS;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A port for each application, at an address of loopback that nobody else on this machine uses.
pub(super) struct Strangers {
    ports: BTreeMap<&'static str, SocketAddr>,
    holding: BTreeMap<&'static str, TcpListener>,
}

impl Strangers {
    pub(super) fn new() -> Self {
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 128 | high, middle, low);
        // All are bound before the first is let go, so that no two are the same.
        let bound = APPLICATIONS.map(|name| (name, TcpListener::bind((address, 0)).unwrap()));
        let ports = bound
            .iter()
            .map(|(name, it)| (*name, it.local_addr().unwrap()))
            .collect();
        Self {
            ports,
            holding: BTreeMap::new(),
        }
    }

    pub(super) fn port(&self, application: &str) -> SocketAddr {
        self.ports[application]
    }

    /// One comes to the port of an application. No instance listens there, whoever has it.
    pub(super) fn come(&mut self, application: &'static str) {
        let port = self.ports[application];
        let held = self.holding.entry(application);
        held.or_insert_with(|| TcpListener::bind(port).unwrap());
    }

    pub(super) fn leave(&mut self, application: &str) {
        self.holding.remove(application);
    }

    pub(super) fn leave_all(&mut self) {
        self.holding.clear();
    }
}
