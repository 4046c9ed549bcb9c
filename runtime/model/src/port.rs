//! Ports: what services open, and which two of them one host cannot have at once.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::service::is_default;

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
    fn port_zero_is_refused() {
        assert!(serde_json::from_str::<Port>(r#"{"containerPort":0}"#).is_err());
        assert!(serde_json::from_str::<Port>(r#"{"containerPort":65536}"#).is_err());
    }
}
