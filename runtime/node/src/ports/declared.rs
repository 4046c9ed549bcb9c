//! What services and workloads declare of the host's ports. Pure.

use std::collections::BTreeMap;

use aerolith_model::{Application, HostPort, Protocol, Service};
use aerolith_plan::ServiceId;
use aerolith_plugin_wire::engine::{Port, Workload};

/// Two services that would have one port of the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("services `{}` and `{}` both declare {port} of the host: give one of them another", .services.0, .services.1)]
pub struct PortConflict {
    /// Both, by application and service.
    pub services: (ServiceId, ServiceId),
    /// The port, for people.
    pub port: String,
}

pub(super) fn sees_host_network(workload: &Workload) -> bool {
    workload.program.is_some() || workload.host_network
}

/// The ports of a service, as its engine is told them.
pub(crate) fn ports(service: &Service) -> Vec<Port> {
    let declared = service.ports.iter().zip(service.on_host());
    let port = |(port, on_host): (&aerolith_model::Port, Option<HostPort>)| Port {
        inside: port.container_port.get(),
        host: on_host.map(|port| port.number),
        address: port.host_ip.map(|address| address.to_string()),
        protocol: match port.protocol {
            Protocol::Tcp => "tcp".into(),
            Protocol::Udp => "udp".into(),
        },
    };
    declared.map(port).collect()
}

/// The ports of the host that a workload opens, as [`ports`] told them.
pub(crate) fn on_host(workload: &Workload) -> Vec<HostPort> {
    workload.ports.iter().filter_map(host_port).collect()
}

fn host_port(port: &Port) -> Option<HostPort> {
    let protocol = match port.protocol.as_str() {
        "udp" => Protocol::Udp,
        _ => Protocol::Tcp,
    };
    Some(HostPort {
        number: port.host?,
        protocol,
        address: port.address.as_deref().and_then(|address| address.parse().ok()),
    })
}

/// Every two services, each with an instance at least, that would have one port of the host.
pub(crate) fn conflicts<'a>(applications: impl IntoIterator<Item = &'a Application>) -> Vec<PortConflict> {
    let mut all: BTreeMap<u16, Vec<(ServiceId, HostPort)>> = BTreeMap::new();
    let mut found = Vec::new();
    for application in applications {
        for service in application.services.iter().filter(|service| service.replica > 0) {
            let id = ServiceId {
                application: application.name.clone(),
                service: service.name.clone(),
            };
            for port in application.whole(service).host_ports() {
                let known = all.entry(port.number).or_default();
                let others = known
                    .iter()
                    .filter(|(other, theirs)| *other != id && theirs.meets(port));
                found.extend(others.map(|(other, _)| PortConflict {
                    services: (other.clone(), id.clone()),
                    port: port.to_string(),
                }));
                known.push((id.clone(), port));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(name: &str, service: &str) -> Application {
        serde_json::from_str(&format!(
            r#"{{"name":"{name}","services":[{{"name":"web",{service}}}]}}"#
        ))
        .unwrap()
    }

    fn between(a: &str, b: &str) -> Vec<String> {
        let all = [application("shop", a), application("cafe", b)];
        conflicts(&all).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn two_services_with_one_port_of_the_host_are_told_by_name() {
        let mine = r#""image":"i","ports":[{"hostPort":8080,"containerPort":80}]"#;
        for theirs in [
            mine,
            r#""programConfig":"pp","ports":[{"containerPort":8080}]"#,
            r#""image":"i","hostNetwork":true,"ports":[{"containerPort":8080}]"#,
            r#""programConfig":"pp","ports":[{"containerPort":8080,"hostIP":"127.0.0.1"}]"#,
        ] {
            assert_eq!(
                between(mine, theirs),
                [
                    "services `shop.web` and `cafe.web` both declare port 8080 (TCP) of the host: give one of them another"
                ],
                "{theirs}"
            );
        }
    }

    #[test]
    fn what_does_not_meet_is_no_conflict() {
        let mine = r#""image":"i","ports":[{"hostPort":8080,"containerPort":80}]"#;
        for theirs in [
            r#""image":"i","ports":[{"containerPort":8080}]"#,
            r#""image":"i","ports":[{"hostPort":8081,"containerPort":80}]"#,
            r#""image":"i","ports":[{"hostPort":8080,"containerPort":80,"protocol":"udp"}]"#,
            r#""image":"i","replica":0,"ports":[{"hostPort":8080,"containerPort":80}]"#,
        ] {
            assert_eq!(between(mine, theirs), [""; 0], "{theirs}");
        }
    }
}
