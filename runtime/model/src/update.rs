//! How a new version of a service takes the place of the old one (ours).

use serde::{Deserialize, Serialize};

use crate::duration::GoDuration;

/// How a service is updated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "RawUpdate")]
pub struct Update {
    /// In which order; `switch` unless said, `restart` where a port of the host is declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// How long a new instance must be ready without interruption to be taken for healthy; the node's unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<GoDuration>,
    /// How long it may take until it is healthy; the node's unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<GoDuration>,
}

/// In which order old and new instances stop and start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The new start beside the old, which stop once the new are healthy.
    Switch,
    /// The old stop before the new start.
    Restart,
    /// As `switch`, and the new take over the sockets of the old.
    Handover,
}

/// An update that could never succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "update.deadline is {deadline}, but must be at least update.window, {window}: nothing could be healthy in time"
)]
pub struct InvalidUpdate {
    /// How long an instance must be ready.
    pub window: GoDuration,
    /// How long that may take.
    pub deadline: GoDuration,
}

#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
struct RawUpdate {
    /// In which order; `switch` unless said, `restart` where a port of the host is declared.
    strategy: Option<Strategy>,
    /// How long a new instance must be ready without interruption to be taken for healthy; the node's unless said.
    window: Option<GoDuration>,
    /// How long it may take until it is healthy; the node's unless said.
    deadline: Option<GoDuration>,
}

impl TryFrom<RawUpdate> for Update {
    type Error = InvalidUpdate;

    fn try_from(raw: RawUpdate) -> Result<Self, InvalidUpdate> {
        let RawUpdate {
            strategy,
            window,
            deadline,
        } = raw;
        match (window, deadline) {
            (Some(window), Some(deadline)) if deadline < window => Err(InvalidUpdate { window, deadline }),
            _ => Ok(Self {
                strategy,
                window,
                deadline,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_written_as_it_is_read() {
        for json in [
            "{}",
            r#"{"strategy":"handover","window":"5s","deadline":"5s"}"#,
            r#"{"deadline":"1s"}"#,
        ] {
            let update: Update = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&update).unwrap(), json);
        }
    }

    #[test]
    fn a_deadline_before_the_end_of_the_window_is_refused() {
        let error = serde_json::from_str::<Update>(r#"{"window":"10s","deadline":"9s"}"#).unwrap_err();
        assert!(error.to_string().contains("at least update.window, 10s"), "{error}");
    }
}
