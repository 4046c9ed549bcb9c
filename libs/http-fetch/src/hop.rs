//! Where a redirect may lead, and what goes with it.

use crate::address::{self, BadAddress, Shown};
use crate::link;
use reqwest::Url;

/// Most redirects of one fetch.
pub const MOST: usize = 10;

/// Why a redirect is not followed. Trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many.
    #[error("more than {MOST} redirects: they may go in circles")]
    TooMany,
    /// No place to go to.
    #[error("a redirect without a Location")]
    NoLocation,
    /// Not an address, or of another scheme.
    #[error("a redirect to a wrong address: {0}")]
    Address(#[from] BadAddress),
    /// What was asked for in private would go in the open.
    #[error("a redirect from https to {0}, which is not encrypted; use an https address there")]
    Downgrade(String),
    /// To the machine's own link, where metadata services and neighbours answer.
    #[error("a redirect to the link-local address {0}; name it outright, or set `allowLinkLocal`, if it is meant")]
    LinkLocal(String),
}

/// The next address of a chain of redirects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Where to go.
    pub url: Url,
    /// Whether it is the same server, to which credentials may go once more: scheme, host and port are equal.
    pub same_server: bool,
}

/// Follows a `Location` (RFC 9110, section 10.2.2) from an address. User and password of the address stay with its own
/// server. Only numbers are known as link-local here; names when they are resolved ([`link::allowed`]).
///
/// # Errors
/// [`Refused`].
pub fn next(from: &Url, location: Option<&str>, allow_link_local: bool) -> Result<Hop, Refused> {
    let joined = from
        .join(location.ok_or(Refused::NoLocation)?)
        .map_err(|e| BadAddress::NoUrl(e.to_string()))?;
    let mut url = address::read(joined.as_str())?;
    if from.scheme() == "https" && url.scheme() != "https" {
        return Err(Refused::Downgrade(Shown(&url).to_string()));
    }
    if !allow_link_local && is_link_local(&url) && !is_link_local(from) {
        return Err(Refused::LinkLocal(Shown(&url).to_string()));
    }
    let same_server = from.origin() == url.origin();
    if same_server && url.username().is_empty() && url.password().is_none() {
        // Both are addresses with a host, so neither can fail.
        let _ = url
            .set_username(from.username())
            .and_then(|()| url.set_password(from.password()));
    }
    Ok(Hop { url, same_server })
}

fn is_link_local(url: &Url) -> bool {
    url.host_str().and_then(link::number).is_some_and(link::is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, location: &str) -> Result<Hop, Refused> {
        next(&from.parse().unwrap(), Some(location), false)
    }

    #[test]
    fn a_relative_location_stays_with_its_server_and_keeps_the_user() {
        let hop = hop("https://u:p@h/a/b?q", "../c?d").unwrap();
        assert_eq!((hop.url.as_str(), hop.same_server), ("https://u:p@h/c?d", true));
    }

    #[test]
    fn another_host_port_or_scheme_is_another_server() {
        for location in ["http://other/a", "http://h:81/a", "https://h/a", "//other/a"] {
            let hop = hop("http://u:p@h/a", location).unwrap();
            assert!(
                !hop.same_server && hop.url.username().is_empty() && hop.url.password().is_none(),
                "{location}"
            );
        }
        assert!(hop("http://h/a", "http://h:80/b").unwrap().same_server);
        assert!(hop("http://h/a", "http://H/b").unwrap().same_server);
    }

    #[test]
    fn a_user_in_the_location_replaces_the_former() {
        assert_eq!(
            hop("http://u:p@h/a", "http://v@h/b").unwrap().url.as_str(),
            "http://v@h/b"
        );
    }

    #[test]
    fn from_https_to_http_is_refused() {
        let error = hop("https://h/a", "http://h/b?secret").unwrap_err();
        assert_eq!(error, Refused::Downgrade("http://h/b?…".into()));
        assert!(hop("http://h/a", "https://h/b").is_ok());
    }

    #[test]
    fn other_schemes_are_refused() {
        for location in ["file:///etc/passwd", "ftp://h/a", "data:,x"] {
            assert!(
                matches!(
                    hop("http://h/a", location),
                    Err(Refused::Address(BadAddress::Scheme { .. }))
                ),
                "{location}"
            );
        }
    }

    #[test]
    fn a_link_local_address_is_refused_unless_it_was_asked_for() {
        for location in [
            "http://169.254.169.254/x",
            "http://[fe80::1]/x",
            "http://[::ffff:169.254.1.1]/x",
            "http://0xa9fea9fe/x",
        ] {
            assert!(
                matches!(hop("http://h/a", location), Err(Refused::LinkLocal(_))),
                "{location}"
            );
        }
        assert!(hop("http://169.254.1.1/a", "http://169.254.1.2/b").is_ok());
        assert!(next(&"http://h/a".parse().unwrap(), Some("http://169.254.1.2/b"), true).is_ok());
        assert!(hop("http://h/a", "http://10.0.0.1/b").is_ok());
    }

    #[test]
    fn a_location_that_is_missing_or_no_address_is_refused() {
        assert_eq!(
            next(&"http://h".parse().unwrap(), None, false),
            Err(Refused::NoLocation)
        );
        assert!(matches!(
            hop("http://h/a", "http://[nonsense"),
            Err(Refused::Address(BadAddress::NoUrl(_)))
        ));
    }
}
