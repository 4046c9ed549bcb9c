//! Ports: what services open, and which two of them one host cannot have at once.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::service::{Service, is_default};

/// One port of a service (Baetyl v2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Port {
    /// Port on the host; the same as inside unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<NonZeroU16>,
    /// Port inside the instance.
    pub container_port: NonZeroU16,
    /// Transport.
    #[serde(default, skip_serializing_if = "is_default")]
    pub protocol: Protocol,
    /// Address on the host; every one unless said.
    #[serde(default, rename = "hostIP", skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
}

impl Port {
    /// The port of the host that this is. Of a service which sees the network as the host does every port is one.
    pub(crate) fn on_host(&self, service: &Service) -> Option<HostPort> {
        let same = service.sees_host_network().then_some(self.container_port);
        Some(HostPort {
            number: self.host_port.or(same)?.get(),
            protocol: self.protocol,
            address: self.host_ip,
        })
    }
}

impl Service {
    /// Whether its ports are the host's own: a process has no network of its own, and a container may do without. Its
    /// instances can then have one port beside each other, if its program opens it so (`SO_REUSEPORT`, socket(7)).
    #[must_use]
    pub const fn sees_host_network(&self) -> bool {
        self.program_config.is_some() || self.host_network
    }

    /// For each port that it declares, in this order, the port of the host that it is.
    pub fn on_host(&self) -> impl Iterator<Item = Option<HostPort>> {
        self.ports.iter().map(|port| port.on_host(self))
    }

    /// The ports of the host that each of its instances opens.
    pub fn host_ports(&self) -> impl Iterator<Item = HostPort> {
        self.on_host().flatten()
    }
}

/// Transport of a port, written in either case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::also(&["tcp", "udp"])))]
pub enum Protocol {
    /// TCP.
    #[default]
    #[serde(rename = "TCP", alias = "tcp")]
    Tcp,
    /// UDP.
    #[serde(rename = "UDP", alias = "udp")]
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// A port of the host, at one address or at every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPort {
    /// Its number.
    pub number: u16,
    /// Transport.
    pub protocol: Protocol,
    /// Every one when absent, as when unspecified.
    pub address: Option<IpAddr>,
}

impl HostPort {
    /// Whether both cannot be had at once.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        let everywhere = |port: Self| port.address.is_none_or(|address| address.is_unspecified());
        let same_address = everywhere(self) || everywhere(other) || self.address == other.address;
        self.number == other.number && self.protocol == other.protocol && same_address
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} ({})", self.number, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> HostPort {
        HostPort {
            number: 80,
            protocol: Protocol::Tcp,
            address: Some(address.parse().unwrap()),
        }
    }

    #[test]
    fn two_addresses_may_have_one_port_and_every_address_meets_each() {
        assert!(!at("127.0.0.1").meets(at("127.0.0.2")));
        let all = HostPort {
            address: None,
            ..at("::")
        };
        for other in [at("127.0.0.1"), at("0.0.0.0"), at("::"), all] {
            assert!(at("127.0.0.1").meets(other) && other.meets(at("127.0.0.1")));
        }
        let others = [
            HostPort {
                protocol: Protocol::Udp,
                ..all
            },
            HostPort { number: 81, ..all },
        ];
        assert!(others.into_iter().all(|other| !other.meets(all)));
    }

    #[test]
    fn a_process_and_who_sees_the_hosts_network_open_ports_of_the_host_and_any_other_those_that_it_names() {
        let numbers = |service: &str| {
            let json = format!(
                r#"{{"name":"web","ports":[{{"containerPort":80}},{{"containerPort":81,"hostPort":8081}}],{service}}}"#
            );
            let service: Service = serde_json::from_str(&json).unwrap();
            service.host_ports().map(|port| port.number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(r#""programConfig":"pp""#), [80, 8081]);
        assert_eq!(numbers(r#""image":"i","hostNetwork":true"#), [80, 8081]);
        assert_eq!(numbers(r#""image":"i""#), [8081]);
    }

    #[test]
    fn port_zero_is_refused() {
        assert!(serde_json::from_str::<Port>(r#"{"containerPort":0}"#).is_err());
        assert!(serde_json::from_str::<Port>(r#"{"containerPort":65536}"#).is_err());
    }
}
