//! `host/1`: what the core does for an instance, within what its manifest asks for and the operator grants.

use crate::payload::Blob;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One reading of a metric, in base units (seconds, bytes, ratios from 0 to 1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metric {
    /// As in Prometheus: `[a-zA-Z_][a-zA-Z0-9_]*`.
    pub name: String,
    /// How readings add up.
    pub kind: MetricKind,
    /// The gauge's value, or what is added to the counter.
    pub value: f64,
    /// What the reading is of.
    pub labels: BTreeMap<String, String>,
}

/// How readings of a metric add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// The last reading counts.
    #[default]
    Gauge,
    /// Readings are added.
    Counter,
    /// Of a later API: taken as a gauge.
    #[serde(other)]
    Unknown,
}

/// Something that happened, on the node's bus: at most once, never stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Levels parted by `/`, as `plugin/fetcher-http/failed`.
    pub topic: String,
    /// Whatever the topic says.
    pub data: serde_json::Value,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscribe {
    /// A topic filter with `+` and `#`, as in MQTT.
    pub filter: String,
}

/// A key of the instance's own key/value space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Key {
    /// 1 to 255 characters of `[A-Za-z0-9._-]`.
    pub key: String,
}

/// A key with its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// As in [`Key`].
    pub key: String,
    /// At most 1 MiB.
    pub value: Blob,
}

/// What a key holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Value {
    /// Absent when the key is not there.
    pub value: Option<Blob>,
}

/// The keys of the space, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keys {
    /// As in [`Key`].
    pub keys: Vec<String>,
}

/// A secret of the node by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretName {
    /// The resource's name.
    pub name: String,
}

/// What a secret holds. Never log it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretData {
    /// By key.
    pub data: BTreeMap<String, Blob>,
}

/// A process that a plugin answers for, so that the core knows whose it is: only the plugin waits for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// 0 with [`ProcessEvent::Spawning`] and [`ProcessEvent::Spawned`].
    pub pid: u32,
    /// What happens to it.
    pub event: ProcessEvent,
}

/// What a plugin says of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessEvent {
    /// A process is about to be started: until `Spawned`, a pid that nobody has registered may be this plugin's.
    Spawning,
    /// The start is over, whether it went well or not.
    Spawned,
    /// The plugin waits for this pid.
    Registered,
    /// The pid has been waited for.
    Released,
    /// Of a later API.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Why an instance can no longer do its work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// For people.
    pub message: String,
    /// Whether a panic was the cause.
    pub panicked: bool,
}

crate::capability! {
    "host/1" stable
    /// The core's services for one instance.
    pub trait HostServices {
        /// Reports a reading.
        send metric(Metric);
        /// Puts an event on the bus, below the topics that the manifest asks for.
        send publish(Event);
        /// Says what happens to a process that the plugin answers for.
        send process(Process);
        /// Says that the instance can no longer do its work: the core restarts it.
        send failed(Failure);
        /// Delivers events until the call is dropped. A slow reader misses events; it never holds anybody up.
        stream subscribe(Subscribe) => Event;
        /// Reads a key of the instance's own space.
        call kv_get(Key) -> Value;
        /// Writes a key durably.
        call kv_put(Entry);
        /// Removes a key; one that is not there is no error.
        call kv_delete(Key);
        /// Lists the keys.
        call kv_list() -> Keys;
        /// Reads a secret that the operator granted.
        call secret(SecretName) -> SecretData;
        /// The configuration in force, JSON.
        call config() -> raw;
    }
}
