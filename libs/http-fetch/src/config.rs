//! What an operator may set.

use crate::pace::Floor;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// The configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// How long a connection may take to come about, TLS included. Default 10 s.
    pub connect_timeout_seconds: Seconds,
    /// How long a server may send nothing. Default 30 s. A fetch as a whole may take as long as it likes.
    pub stall_timeout_seconds: Seconds,
    /// How slow a server may be on average over [`Config::low_speed_seconds`], in bytes per second. Default 1024; 0 for as
    /// slow as it likes.
    pub low_speed_bytes_per_second: u64,
    /// Default 60 s.
    pub low_speed_seconds: Seconds,
    /// Whether a redirect or a name may lead to a link-local address. Default no.
    pub allow_link_local: bool,
    /// A PEM file of certificate authorities to trust besides those of the system.
    pub ca: Option<PathBuf>,
    /// A PEM file with the certificate, and those between it and its authority, that servers are shown on request.
    pub client_certificate: Option<PathBuf>,
    /// A PEM file with the key of that certificate.
    pub client_key: Option<PathBuf>,
}

impl Config {
    /// How slow a server may be.
    pub(crate) const fn floor(&self) -> Floor {
        Floor {
            bytes_per_second: self.low_speed_bytes_per_second,
            over: self.low_speed_seconds.0,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout_seconds: Seconds(Duration::from_secs(10)),
            stall_timeout_seconds: Seconds(Duration::from_secs(30)),
            low_speed_bytes_per_second: 1024,
            low_speed_seconds: Seconds(Duration::from_secs(60)),
            allow_link_local: false,
            ca: None,
            client_certificate: None,
            client_key: None,
        }
    }
}

/// A time above zero, written as a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Seconds(pub(crate) Duration);

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
        time.map(Self)
            .ok_or_else(|| format!("{seconds} is no time in seconds: expected a number above 0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_plugin::wire::payload::decode;

    #[test]
    fn everything_has_a_default() {
        let config: Config = decode(b"").unwrap();
        assert_eq!(config.connect_timeout_seconds.0, Duration::from_secs(10));
        assert_eq!(config.stall_timeout_seconds.0, Duration::from_secs(30));
        assert_eq!(
            config.floor(),
            Floor {
                bytes_per_second: 1024,
                over: Duration::from_secs(60)
            }
        );
        assert_eq!((config.ca, config.allow_link_local), (None, false));
    }

    #[test]
    fn fractions_of_seconds_are_times() {
        let config: Config =
            decode(br#"{"stallTimeoutSeconds":0.25,"connectTimeoutSeconds":3,"ca":"/etc/ca.pem"}"#).unwrap();
        assert_eq!(config.stall_timeout_seconds.0, Duration::from_millis(250));
        assert_eq!(config.connect_timeout_seconds.0, Duration::from_secs(3));
    }

    #[test]
    fn what_is_no_time_and_what_is_not_known_is_refused() {
        for wrong in ["0", "-1", "1e300"] {
            let error = decode::<Config>(format!(r#"{{"stallTimeoutSeconds":{wrong}}}"#).as_bytes()).unwrap_err();
            assert!(error.message.contains("above 0"), "{error}");
        }
        let error = decode::<Config>(br#"{"timeout":1}"#).unwrap_err();
        assert!(
            error.message.contains("timeout") && error.message.contains("stallTimeoutSeconds"),
            "{error}"
        );
    }
}
