//! `link/1`: joins the node to a management plane. Not yet proven by a plugin.

use serde::{Deserialize, Serialize};

/// What the node is and runs, in Baetyl's report form (JSON).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The report's content.
    pub content: serde_json::Value,
}

/// What the plane wants changed: a merge patch (RFC 7396) upon the last desired state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delta {
    /// Nothing when all is as desired.
    pub content: serde_json::Value,
}

/// A request of the node, in Baetyl's envelope.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Such as `desire`.
    pub kind: String,
    /// As HTTP headers on the link that has them.
    pub meta: std::collections::BTreeMap<String, String>,
    /// The body.
    pub content: serde_json::Value,
}

crate::capability! {
    "link/1" unstable
    /// Speaks with a management plane.
    pub trait ManagementLink {
        /// Reports; answers what is desired.
        call report(Report) -> Delta;
        /// Asks the plane.
        call request(Message) -> Message;
        /// What the plane asks of the node.
        stream commands() => Message;
    }
}
