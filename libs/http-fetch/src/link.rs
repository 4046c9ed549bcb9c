//! The machine's own link, where metadata services and neighbours answer: no server leads a fetch there.

use aerolith_plugin::{Error, Result};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Whether an address is of the link (RFC 3927, RFC 4291 section 2.5.6), also as IPv6 writes those of IPv4 (RFC 4291
/// section 2.5.5.2, RFC 6052).
#[must_use]
pub fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || embedded(v6).is_some_and(|v4| v4.is_link_local()),
    }
}

fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let translated = || match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((u32::from(high) << 16 | u32::from(low)).into()),
        _ => None,
    };
    v6.to_ipv4_mapped().or_else(translated)
}

/// The address that a URL's host is, where it is a number and no name.
#[must_use]
pub fn number(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// A name that leads to the link only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is a name of link-local addresses only; write the address as a number, or set `allowLinkLocal`, if it is meant"
)]
pub struct LinkLocalName(pub String);

/// What of a name's addresses may be connected to.
///
/// # Errors
/// When none is left.
pub fn allowed(name: &str, found: impl IntoIterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, LinkLocalName> {
    let (local, allowed): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| is_local(address.ip()));
    if allowed.is_empty() && !local.is_empty() {
        return Err(LinkLocalName(name.to_owned()));
    }
    Ok(allowed)
}

/// The system's resolver, without the addresses of the link. Numbers never come here.
pub(crate) struct Names {
    pub(crate) allow_link_local: bool,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = self.allow_link_local;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect::<Vec<_>>();
            let found = if allow { found } else { allowed(name.as_str(), found)? };
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Refuses what an operator would have to allow.
pub(crate) fn refused(error: &LinkLocalName) -> Error {
    Error::invalid(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 0)
    }

    #[test]
    fn the_link_is_known_in_every_notation() {
        for local in [
            "169.254.169.254",
            "fe80::1",
            "::ffff:169.254.1.1",
            "64:ff9b::169.254.169.254",
        ] {
            assert!(is_local(local.parse().unwrap()), "{local}");
        }
        for other in [
            "10.0.0.1",
            "127.0.0.1",
            "::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
        ] {
            assert!(!is_local(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn a_name_keeps_its_addresses_but_those_of_the_link() {
        let found = ["169.254.169.254", "10.0.0.1", "fe80::1"].map(address);
        assert_eq!(allowed("h", found), Ok(vec![address("10.0.0.1")]));
        assert_eq!(allowed("h", []), Ok(Vec::new()));
    }

    #[test]
    fn a_name_of_nothing_but_the_link_is_refused_by_name() {
        let error = allowed("meta.example", ["169.254.169.254", "fe80::1"].map(address)).unwrap_err();
        assert!(error.to_string().contains("`meta.example`") && error.to_string().contains("allowLinkLocal"));
    }

    #[test]
    fn a_host_is_a_number_or_a_name() {
        assert_eq!(number("[fe80::1]"), Some("fe80::1".parse().unwrap()));
        assert_eq!(number("10.0.0.1"), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(number("h.example"), None);
    }
}
