//! The configuration: which cards, what to say, and where to misbehave.

use serde::Deserialize;

/// Configuration of the probe; everything is optional.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Ids of the imagined cards.
    pub cards: Vec<String>,
    /// Panics there.
    pub panic_in: Option<Place>,
    /// Never comes back from there: for ever pending where it is asynchronous, for ever blocking where it is not.
    pub hang_in: Option<Place>,
    /// Writes to address 0 there.
    pub crash_in: Option<Place>,
    /// Ends the process there, with status 77.
    pub exit_in: Option<Place>,
    /// Each fingerprint takes so many bytes and keeps them.
    pub allocate: usize,
    /// Each `stats` first calls this method of another capability, such as `arch/1.platform`, and fails as it fails.
    pub call_other: Option<String>,
    /// `start` puts an event with this topic on the bus.
    pub publish: Option<String>,
    /// From `start` on every event of this filter is answered by an event `probe/heard`, with its topic and data.
    pub subscribe: Option<String>,
    /// From `start` on an event `probe/tick`, numbered, every so many milliseconds, by a task that is never aborted here.
    pub tick_ms: Option<u64>,
    /// `start` writes this text to the log, once at each level.
    pub log: Option<String>,
    /// `start` counts the starts of this instance under this key, and says the number as gauge `probe_starts`.
    pub kv: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cards: vec!["sn:probe-0".into(), "sn:probe-1".into()],
            panic_in: None,
            hang_in: None,
            crash_in: None,
            exit_in: None,
            allocate: 0,
            call_other: None,
            publish: None,
            subscribe: None,
            tick_ms: None,
            log: None,
            kv: None,
        }
    }
}

/// Where the probe can misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// While it is made.
    Create,
    /// In `plugin/1.start`.
    Start,
    /// In `accel/1.fingerprint`.
    Fingerprint,
    /// In a task that `start` leaves on the core's executor.
    Task,
    /// In `plugin/1.drain`.
    Drain,
    /// In `plugin/1.stop`.
    Stop,
    /// While it is dropped.
    Drop,
}
