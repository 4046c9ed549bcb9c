//! What the host says of each instance.

use crate::lifecycle::State;
use serde::Serialize;
use std::time::SystemTime;

/// One configured instance, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Its name.
    pub instance: String,
    /// Its plugin's name, once known.
    pub plugin: String,
    /// The plugin's version, once known.
    pub version: String,
    /// Digest of the file in use; empty when linked in.
    pub sha256: String,
    /// Capabilities, once known.
    pub provides: Vec<String>,
    /// Where it is in its life.
    pub state: State,
    /// Why, when it is not running.
    pub message: String,
    /// Seconds since 1970 of the last change of state.
    pub since: u64,
    /// How often it was restarted since the host began.
    pub restarts: u64,
    /// Whether the node's health depends on it.
    pub required: bool,
    /// `library`, `process` or `linked`.
    pub isolation: &'static str,
    /// Process id of its child, with `isolation: process`.
    pub pid: Option<u32>,
}

/// Seconds since 1970, for people; durations are measured on the monotonic clock.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}
