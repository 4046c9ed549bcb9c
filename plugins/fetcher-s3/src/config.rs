//! What an operator may set.

use crate::place::{self, Addressing, BadPlace};
use serde::Deserialize;
use url::Url;

/// The region of a store that has none, as most that are not Amazon's.
const REGION: &str = "us-east-1";

/// The configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// Where the store answers, `http://HOST:PORT` or `https://HOST`. Default Amazon's of the region.
    pub endpoint: Option<String>,
    /// The region that a signature names. Default `us-east-1`.
    pub region: String,
    /// Where the name of the bucket stands. Default `path`.
    pub addressing: Addressing,
    /// Whether nothing is signed. Default no.
    pub anonymous: bool,
    /// How HTTP is spoken, with the keys of `fetcher-http`.
    pub http: http_fetch::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: REGION.into(),
            addressing: Addressing::Path,
            anonymous: false,
            http: http_fetch::Config::default(),
        }
    }
}

/// What a URL need not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// Nothing for Amazon's.
    pub endpoint: Option<Url>,
    /// The region that a signature names.
    pub region: String,
    /// Where the name of the bucket stands.
    pub addressing: Addressing,
    /// Whether nothing is signed.
    pub anonymous: bool,
}

impl Config {
    /// What of it a URL may say otherwise.
    ///
    /// # Errors
    /// An endpoint or a region that is none.
    pub fn defaults(&self) -> Result<Defaults, BadPlace> {
        Ok(Defaults {
            endpoint: self.endpoint.as_deref().map(place::endpoint).transpose()?,
            region: place::region(&self.region)?,
            addressing: self.addressing,
            anonymous: self.anonymous,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_plugin::wire::payload::decode;

    #[test]
    fn everything_has_a_default() {
        let defaults = decode::<Config>(b"").unwrap().defaults().unwrap();
        assert_eq!(defaults, Config::default().defaults().unwrap());
        assert_eq!((defaults.region.as_str(), defaults.anonymous), ("us-east-1", false));
    }

    #[test]
    fn what_is_wrong_or_not_known_is_refused_by_name() {
        let wrong = br#"{"endpoint":"store.example"}"#;
        let error = decode::<Config>(wrong).unwrap().defaults().unwrap_err().to_string();
        assert!(error.contains("endpoint=store.example"), "{error}");
        let error = decode::<Config>(br#"{"adressing":"path"}"#).unwrap_err();
        assert!(error.message.contains("adressing"), "{error}");
        let error = decode::<Config>(br#"{"http":{"cA":"x"}}"#).unwrap_err();
        assert!(error.message.contains("cA"), "{error}");
    }
}
