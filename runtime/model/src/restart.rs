//! What happens when an instance ends, as Baetyl v1 writes it: `restart.policy`, `restart.retry.max`,
//! `restart.backoff.min/max/factor`.

use serde::{Deserialize, Serialize};

use crate::duration::GoDuration;

/// When to start an ended instance again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    No,
    /// After every end.
    #[default]
    Always,
    /// After an end that is not a clear success.
    OnFailure,
}

/// How often to try.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Restarts in a row before giving up; 0 means without limit.
    pub max: u32,
}

/// How long to wait before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "RawBackoff")]
pub struct Backoff {
    /// First delay, at least 1 s.
    pub min: GoDuration,
    /// Longest delay, at least `min`.
    pub max: GoDuration,
    /// What a delay is multiplied by to give the next, at least 1.
    pub factor: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            min: GoDuration::from_secs(1),
            max: GoDuration::from_secs(300),
            factor: 2.0,
        }
    }
}

/// Restart behaviour of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Restart {
    /// When to restart; `always` unless said.
    pub policy: RestartPolicy,
    /// How often; without limit unless said.
    pub retry: Retry,
    /// How long to wait; 1 s to 5 min, doubling, unless said.
    pub backoff: Backoff,
}

/// A back-off that Baetyl's rules refuse.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidRestart {
    /// The first delay is under a second.
    #[error("restart.backoff.min is {0}, but must be at least 1s")]
    MinTooShort(GoDuration),
    /// The longest delay is shorter than the first.
    #[error("restart.backoff.max is {max}, but must be at least restart.backoff.min, {min}")]
    MaxBelowMin {
        /// First delay.
        min: GoDuration,
        /// Longest delay.
        max: GoDuration,
    },
    /// Delays would shrink, or the factor is no finite number.
    #[error("restart.backoff.factor is {0}, but must be a finite number of at least 1")]
    Factor(f64),
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawBackoff {
    /// First delay, at least 1 s.
    #[serde(default = "default_min")]
    min: GoDuration,
    /// Longest delay, at least `min`.
    #[serde(default = "default_max")]
    max: GoDuration,
    /// What a delay is multiplied by to give the next, at least 1.
    #[serde(default = "default_factor")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    factor: f64,
}

fn default_min() -> GoDuration {
    Backoff::default().min
}

fn default_max() -> GoDuration {
    Backoff::default().max
}

fn default_factor() -> f64 {
    Backoff::default().factor
}

impl TryFrom<RawBackoff> for Backoff {
    type Error = InvalidRestart;
    fn try_from(RawBackoff { min, max, factor }: RawBackoff) -> Result<Self, InvalidRestart> {
        match () {
            () if min < default_min() => Err(InvalidRestart::MinTooShort(min)),
            () if max < min => Err(InvalidRestart::MaxBelowMin { min, max }),
            () if !factor.is_finite() || factor < 1.0 => Err(InvalidRestart::Factor(factor)),
            () => Ok(Self { min, max, factor }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Restart, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_those_of_baetyl_v1() {
        let restart = read("{}").unwrap();
        assert_eq!(restart.policy, RestartPolicy::Always);
        assert_eq!(restart.retry.max, 0);
        assert_eq!(
            (restart.backoff.min, restart.backoff.max),
            (GoDuration::from_secs(1), GoDuration::from_secs(300))
        );
    }

    #[test]
    fn the_example_of_baetyl_v1_is_read() {
        let text = r#"{"policy":"on-failure","retry":{"max":5},"backoff":{"min":"2s","max":"1m","factor":1.5}}"#;
        let restart = read(text).unwrap();
        assert_eq!(restart.policy, RestartPolicy::OnFailure);
        assert_eq!(restart.retry.max, 5);
        assert_eq!(restart.backoff.factor, 1.5);
    }

    #[test]
    fn a_backoff_outside_the_rules_is_refused() {
        for (backoff, part) in [
            (r#"{"min":"10ms"}"#, "at least 1s"),
            (r#"{"min":"10s","max":"5s"}"#, "restart.backoff.min, 10s"),
            (r#"{"factor":0.5}"#, "at least 1"),
            (r#"{"mni":"1s"}"#, "mni"),
        ] {
            let error = read(&format!(r#"{{"backoff":{backoff}}}"#)).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
