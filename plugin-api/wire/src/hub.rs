//! `hub/1`: the node's MQTT broker, for other plugins without a socket. Not yet proven by a plugin.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where clients connect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    /// As `tcp://127.0.0.1:1883`.
    pub addresses: Vec<String>,
}

/// A session to open, in the name of the calling instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// Client id; one that is in use is taken over.
    pub client: String,
    /// Forget what an earlier session of this id left.
    pub clean: bool,
    /// Seconds for which the session outlives its connection.
    pub expiry_s: u64,
}

/// An open session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Opened {
    /// Names the session in other calls.
    pub session: u64,
    /// Whether an earlier one went on.
    pub present: bool,
}

/// What a session wants to hear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscribe {
    /// Which session.
    pub session: u64,
    /// Filter to QoS.
    pub filters: BTreeMap<String, u8>,
    /// Unacknowledged deliveries at most.
    pub window: u32,
}

/// Deliveries that have been dealt with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acknowledge {
    /// Which session.
    pub session: u64,
    /// Their numbers.
    pub deliveries: Vec<u64>,
}

/// The clients that are connected or have a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clients {
    /// By client id.
    pub clients: BTreeMap<String, ClientInfo>,
}

/// One client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientInfo {
    /// Whether it is connected now.
    pub connected: bool,
    /// From where.
    pub address: Option<String>,
    /// Messages waiting for it.
    pub queued: u64,
}

/// Figures of the hub since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Messages taken.
    pub received: u64,
    /// Messages delivered.
    pub sent: u64,
    /// Messages dropped, for whatever reason.
    pub dropped: u64,
}

crate::capability! {
    "hub/1" unstable
    /// The node's message hub.
    pub trait Hub {
        /// Where clients connect.
        call endpoints() -> Endpoints;
        /// Opens a session.
        call open(Session) -> Opened;
        /// Publishes a [`crate::frame::Frame`] at QoS 0.
        send publish(raw);
        /// Publishes a [`crate::frame::Frame`]; answered when the hub has taken responsibility.
        call deliver(raw);
        /// Delivers frames, each behind its delivery number (8 bytes, little endian).
        stream subscribe(Subscribe) => raw;
        /// Acknowledges deliveries.
        call ack(Acknowledge);
        /// Who is connected.
        call clients() -> Clients;
        /// How much went through.
        call stats() -> Stats;
    }
}
