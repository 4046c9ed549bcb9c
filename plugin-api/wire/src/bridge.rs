//! `bridge/1`: joins the hub to another broker. Not yet proven by a plugin.

use serde::{Deserialize, Serialize};

/// The remote brokers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Links {
    /// In the order of the configuration.
    pub links: Vec<Link>,
}

/// One remote broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Whether it is connected now.
    pub connected: bool,
    /// Why not.
    pub error: Option<String>,
}

/// What crosses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// In the order of the configuration.
    pub rules: Vec<Rule>,
}

/// One direction of traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// Which link.
    pub link: String,
    /// The filter at the source.
    pub filter: String,
    /// From the hub to the remote, else the other way.
    pub outward: bool,
    /// Messages that crossed since the start.
    pub crossed: u64,
}

/// What waits on disk for a remote that is away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spool {
    /// Messages.
    pub messages: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Messages dropped for want of room.
    pub dropped: u64,
}

crate::capability! {
    "bridge/1" unstable
    /// Joins the hub to other brokers.
    pub trait Bridge {
        /// The remotes and how they are.
        call links() -> Links;
        /// What crosses.
        call rules() -> Rules;
        /// What waits.
        call spool() -> Spool;
        /// Answers when nothing waits any more.
        open flush();
    }
}
