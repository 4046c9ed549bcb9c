//! What services ask of the ports of one host.

use super::fault::Fault;
use super::{Checked, fault_at};
use crate::port::{HostPort, Port};
use crate::service::Service;

/// Checks that no two of the services, which run beside each other, ask for one port of the host.
pub(super) fn check(list: &str, services: &[Service]) -> Checked {
    let mut taken: Vec<(&Service, HostPort)> = Vec::new();
    for (index, service) in services.iter().enumerate() {
        for (at, wanted) in service
            .ports
            .iter()
            .enumerate()
            .filter_map(|(at, port)| Some((at, wanted(port)?)))
        {
            let here = || format!("{list}[{index}].ports[{at}].hostPort");
            // Programs can share a port (SO_REUSEPORT), containers cannot.
            if service.replica > 1 && service.image.is_some() {
                return fault_at(here(), shared(service, wanted));
            }
            if let Some((other, _)) = taken.iter().find(|(_, other)| other.meets(wanted)) {
                return fault_at(here(), duplicate(service, wanted, other));
            }
            taken.push((service, wanted));
        }
    }
    Ok(())
}

fn wanted(port: &Port) -> Option<HostPort> {
    Some(HostPort {
        number: port.host_port?.get(),
        protocol: port.protocol,
        address: port.host_ip,
    })
}

fn shared(service: &Service, HostPort { number: port, .. }: HostPort) -> Fault {
    let (service, replica) = (service.name.clone(), service.replica);
    Fault::SharedPort { service, port, replica }
}

fn duplicate(service: &Service, wanted: HostPort, other: &Service) -> Fault {
    let HostPort {
        number: port, protocol, ..
    } = wanted;
    let (service, other) = (service.name.clone(), other.name.clone());
    Fault::DuplicatePort {
        service,
        port,
        protocol,
        other,
    }
}
