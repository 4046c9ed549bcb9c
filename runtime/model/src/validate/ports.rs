//! What services ask of the ports of one host.

use std::net::IpAddr;

use super::fault::Fault;
use super::{Checked, fault_at};
use crate::service::{Port, Protocol, Service};

/// Checks that no two of the services, which run beside each other, ask for one port of the host.
pub(super) fn check(list: &str, services: &[Service]) -> Checked {
    let mut taken: Vec<(&Service, Wanted)> = Vec::new();
    for (index, service) in services.iter().enumerate() {
        for (at, wanted) in service
            .ports
            .iter()
            .enumerate()
            .filter_map(|(at, port)| Some((at, wanted(port)?)))
        {
            let here = || format!("{list}[{index}].ports[{at}].hostPort");
            if service.replica > 1 {
                return fault_at(here(), shared(service, wanted));
            }
            if let Some((other, _)) = taken.iter().find(|(_, other)| other.collides(wanted)) {
                return fault_at(here(), duplicate(service, wanted, other));
            }
            taken.push((service, wanted));
        }
    }
    Ok(())
}

/// A port of the host.
#[derive(Clone, Copy)]
struct Wanted {
    port: u16,
    protocol: Protocol,
    address: Option<IpAddr>,
}

fn wanted(port: &Port) -> Option<Wanted> {
    Some(Wanted {
        port: port.host_port?.get(),
        protocol: port.protocol,
        address: port.host_ip.filter(|address| !address.is_unspecified()),
    })
}

impl Wanted {
    fn collides(self, other: Self) -> bool {
        let same_address = self.address.is_none() || other.address.is_none() || self.address == other.address;
        self.port == other.port && self.protocol == other.protocol && same_address
    }
}

fn shared(service: &Service, Wanted { port, .. }: Wanted) -> Fault {
    let (service, replica) = (service.name.clone(), service.replica);
    Fault::SharedPort { service, port, replica }
}

fn duplicate(service: &Service, Wanted { port, protocol, .. }: Wanted, other: &Service) -> Fault {
    let (service, other) = (service.name.clone(), other.name.clone());
    Fault::DuplicatePort {
        service,
        port,
        protocol,
        other,
    }
}
