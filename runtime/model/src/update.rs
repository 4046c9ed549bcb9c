//! How a new version of a service takes the place of the old one (ours).

use serde::{Deserialize, Serialize};

use crate::duration::GoDuration;

/// How a service is updated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
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
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The new start beside the old, which stop once the new are healthy.
    Switch,
    /// The old stop before the new start.
    Restart,
    /// As `switch`, and the new take over the sockets of the old.
    Handover,
}
