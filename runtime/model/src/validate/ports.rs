//! What services ask of the ports of one host.

use super::fault::Fault;
use super::{Checked, fault_at};
use crate::application::Application;
use crate::port::HostPort;
use crate::service::Service;
use crate::update::Strategy;

/// Checks that no two of the services, which run beside each other, ask for one port of the host, nor two instances of one
/// that cannot share it.
pub(super) fn check(application: &Application) -> Checked {
    let mut taken: Vec<(&Service, HostPort)> = Vec::new();
    for (index, service) in application.services.iter().enumerate() {
        let whole = application.whole(service);
        for (at, port) in whole.on_host().enumerate() {
            let Some(wanted) = port else { continue };
            let here = || {
                let is_named = service.ports[at].host_port.is_some();
                let field = if is_named { "hostPort" } else { "containerPort" };
                format!("services[{index}].ports[{at}].{field}")
            };
            if !whole.sees_host_network() {
                check_alone(service, wanted, here)?;
            }
            if let Some((other, _)) = taken.iter().find(|(_, other)| other.meets(wanted)) {
                return fault_at(here(), duplicate(service, wanted, other));
            }
            taken.push((service, wanted));
        }
    }
    Ok(())
}

/// What a container with a network of its own has of the host it has alone.
fn check_alone(service: &Service, HostPort { number: port, .. }: HostPort, here: impl Fn() -> String) -> Checked {
    let (name, replica) = (service.name.clone(), service.replica);
    if replica > 1 {
        let service = name;
        return fault_at(here(), Fault::SharedPort { service, port, replica });
    }
    if service.update.strategy == Some(Strategy::Switch) {
        return fault_at(here(), Fault::SwitchedPort { service: name, port });
    }
    Ok(())
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
