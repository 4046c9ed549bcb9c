//! Addresses: which are served, and what of them may be shown.

use reqwest::Url;
use std::fmt;

/// The schemes served.
pub const SCHEMES: [&str; 2] = ["http", "https"];

/// A text that is no address of ours. The text itself may hold a secret, so it is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// No URL at all.
    #[error("the address is no URL ({0}): expected http://HOST/PATH or https://HOST/PATH")]
    NoUrl(String),
    /// Of another scheme.
    #[error("`{shown}` is of the scheme `{scheme}`: expected http or https")]
    Scheme {
        /// The address as it may be shown.
        shown: String,
        /// Its scheme.
        scheme: String,
    },
}

/// Reads an address.
///
/// # Errors
/// [`BadAddress`].
pub fn read(text: &str) -> Result<Url, BadAddress> {
    let url = Url::parse(text).map_err(|e| BadAddress::NoUrl(e.to_string()))?;
    if SCHEMES.contains(&url.scheme()) {
        return Ok(url);
    }
    Err(BadAddress::Scheme {
        shown: Shown(&url).to_string(),
        scheme: url.scheme().to_owned(),
    })
}

/// An address without what may be secret in it: user, password, query and fragment. A signed download address carries
/// its signature in the query.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a Url);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0;
        let Some(host) = url.host_str() else {
            return write!(f, "{}:…", url.scheme());
        };
        write!(f, "{}://{host}", url.scheme())?;
        url.port().map_or(Ok(()), |port| write!(f, ":{port}"))?;
        f.write_str(url.path())?;
        f.write_str(if url.query().is_some() { "?…" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn http_and_https_are_served() {
        for text in ["http://h/a", "https://h:8443/a?b=c", "HTTP://h"] {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn other_schemes_and_no_urls_are_refused_without_repeating_a_secret() {
        for text in [
            "ftp://user:secret@h/a?secret",
            "file:///a?secret",
            "data:secret",
            "secret",
            "http://",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("expected http") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let url = read("https://user:pass@h.example:8443/a/b.zip?sign=x#frag").unwrap();
        assert_eq!(Shown(&url).to_string(), "https://h.example:8443/a/b.zip?…");
        assert_eq!(Shown(&read("http://[::1]/a").unwrap()).to_string(), "http://[::1]/a");
    }

    proptest! {
        #[test]
        fn no_password_and_no_query_is_ever_shown(secret in "[A-Z]{8}", path in "[a-z/]{0,12}") {
            let url = read(&format!("http://{secret}:{secret}@host/{path}?k={secret}#{secret}")).unwrap();
            prop_assert!(!Shown(&url).to_string().contains(&secret));
        }
    }
}
