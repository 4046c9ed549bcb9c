//! What an object's secret holds for a server to believe who asks.

use crate::tls::Identity;
use aerolith_plugin::{Error, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderValue;
use std::collections::BTreeMap;

/// The entries of a secret that are understood; others are left alone, for one secret may serve several purposes.
pub const ENTRIES: [&str; 5] = ["username", "password", "token", "clientCertificate", "clientKey"];

/// What goes to the server of the address, and to no other.
#[derive(Debug, Default)]
pub struct Credentials {
    /// The value of `Authorization`, marked as secret.
    pub(crate) authorization: Option<HeaderValue>,
    /// What is shown while the connection is sealed.
    pub(crate) identity: Option<Identity>,
}

/// Reads the entries: `username` and `password` (RFC 7617), or `token` (RFC 6750); `clientCertificate` and `clientKey` as
/// PEM.
///
/// # Errors
/// Entries of which none is understood, halves of a pair, and values that no header can hold. No value is repeated.
pub fn read(entries: &BTreeMap<String, String>) -> Result<Credentials> {
    let entry = |name: &str| entries.get(name).map(String::as_str);
    if !entries.is_empty() && !ENTRIES.iter().any(|name| entries.contains_key(*name)) {
        let found: Vec<&str> = entries.keys().map(String::as_str).collect();
        return Err(Error::invalid(format!(
            "the secret has the entries {found:?}: expected some of {ENTRIES:?}"
        )));
    }
    let authorization = match (entry("username"), entry("password"), entry("token")) {
        (None, None, None) => None,
        (Some(username), Some(password), None) => Some(basic(username, password)?),
        (None, None, Some(token)) => Some(secret(format!("Bearer {token}"), "token")?),
        (_, _, Some(_)) => {
            return Err(Error::invalid(
                "the secret has both `token` and `username` or `password`: expected one way",
            ));
        }
        _ => {
            return Err(Error::invalid(
                "the secret has one of `username` and `password`: expected both",
            ));
        }
    };
    let identity = match (entry("clientCertificate"), entry("clientKey")) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(Identity::read(certificate.as_bytes(), key.as_bytes())?),
        _ => {
            return Err(Error::invalid(
                "the secret has one of `clientCertificate` and `clientKey`: expected both",
            ));
        }
    };
    Ok(Credentials {
        authorization,
        identity,
    })
}

fn basic(username: &str, password: &str) -> Result<HeaderValue> {
    if username.contains(':') {
        return Err(Error::invalid(
            "the secret's `username` holds a colon, which ends a name (RFC 7617)",
        ));
    }
    let pair = BASE64_STANDARD.encode(format!("{username}:{password}"));
    secret(format!("Basic {pair}"), "password")
}

fn secret(value: String, entry: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        Error::invalid(format!(
            "the secret's `{entry}` holds a sign that no header can; is a line break at its end?"
        ))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[(&str, &str)]) -> Result<Credentials> {
        read(
            &entries
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn a_name_and_a_password_or_a_token_authorize() {
        let basic = of(&[("username", "Aladdin"), ("password", "open sesame"), ("address", "x")]).unwrap();
        assert_eq!(basic.authorization.unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let bearer = of(&[("token", "t0ken")]).unwrap();
        assert_eq!(bearer.authorization.as_ref().unwrap(), "Bearer t0ken");
        assert!(!format!("{bearer:?}").contains("t0ken"));
        assert!(of(&[]).unwrap().authorization.is_none());
    }

    #[test]
    fn what_is_half_double_or_unknown_is_refused_without_a_value() {
        for entries in [
            &[("username", "canary")][..],
            &[("password", "canary")],
            &[("token", "canary"), ("username", "canary"), ("password", "canary")],
            &[("token", "canary\n")],
            &[("username", "can:ary"), ("password", "canary")],
            &[("clientKey", "canary")],
            &[("clientKey", "canary"), ("clientCertificate", "canary")],
            &[("tokn", "canary")],
        ] {
            let error = of(entries).unwrap_err();
            assert!(!error.retryable && !error.message.contains("canary"), "{error}");
        }
        assert!(of(&[("tokn", "x")]).unwrap_err().message.contains("tokn"));
    }
}
