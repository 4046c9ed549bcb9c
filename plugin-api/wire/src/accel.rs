//! `accel/1`: what accelerators there are, how they are, and what a process needs to use one.
//!
//! A reading that a card cannot give is absent, never zero. Base units: ratios from 0 to 1, bytes, degrees Celsius, watts.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The cards of one monitor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cards {
    /// In the order of their index.
    pub cards: Vec<Card>,
    /// Why there are none, or fewer than there should be.
    pub message: String,
}

/// One card, by what does not change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Card {
    /// Permanent id with its scheme: `uuid:…`, `sn:…`, `pci:…`, `path:…`.
    pub id: String,
    /// `nvidia`, `jetson`, `ascend`, `cambricon`, `kunlun`, `bitmain` (Baetyl's words), or a vendor's own.
    pub kind: String,
    /// Position within the kind, from 0.
    pub index: u32,
    /// What the vendor calls it.
    pub model: String,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Whether it can be used.
    pub healthy: bool,
    /// Facts by name.
    pub attributes: BTreeMap<String, String>,
}

/// Which cards are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Select {
    /// Card ids; none means all.
    pub ids: Vec<String>,
}

/// Readings of several cards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Samples {
    /// One for each card that was asked for.
    pub samples: Vec<Sample>,
}

/// The readings of one card at one time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Whose.
    pub id: String,
    /// Share of time in which it computed.
    pub utilization: Option<f64>,
    /// Memory in use, bytes.
    pub memory_used_bytes: Option<u64>,
    /// Chip temperature, degrees Celsius.
    pub temperature_celsius: Option<f64>,
    /// Board power, watts.
    pub power_watts: Option<f64>,
    /// Why readings are absent, by reading.
    pub absent: BTreeMap<String, String>,
}

/// Cards to reserve for one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reserve {
    /// For whom: the instance's id.
    pub instance: String,
    /// Which.
    pub ids: Vec<String>,
}

/// What a process needs to use the cards that were reserved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reservation {
    /// Variables to set.
    pub environment: BTreeMap<String, String>,
    /// Host path to path inside.
    pub mounts: BTreeMap<String, String>,
    /// Device nodes.
    pub devices: Vec<String>,
}

/// Whose cards are free again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Release {
    /// The instance's id.
    pub instance: String,
}

crate::capability! {
    "accel/1" unstable
    /// Watches the accelerators of one vendor.
    pub trait AcceleratorMonitor {
        /// The cards that are there.
        call fingerprint() -> Cards;
        /// Their readings. `NotFound` names an id that is none.
        call stats(Select) -> Samples;
        /// Reserves cards. `NotFound` names an id that is none.
        call reserve(Reserve) -> Reservation;
        /// Gives cards back; an instance that has none is no error.
        call release(Release);
    }
}
