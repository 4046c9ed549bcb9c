//! `plugin/1`: what every instance answers, whatever else it offers.

use serde::{Deserialize, Serialize};

/// How an instance is, by its own account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Whether it does its work as it should.
    pub state: HealthState,
    /// Why not.
    pub reason: String,
}

/// Whether an instance does its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// It does.
    #[default]
    Healthy,
    /// It does, but not as it should.
    Degraded,
    /// Of a later API: taken as degraded.
    #[serde(other)]
    Unknown,
}

crate::capability! {
    "plugin/1" stable
    /// The life of an instance, from the core's point of view.
    pub trait Lifecycle {
        /// Begins the work. Calls of other capabilities come only afterwards.
        call start();
        /// Takes a new configuration (JSON) while running; `Unimplemented` makes the core replace the instance.
        call reload(raw);
        /// Stops taking work and finishes what is under way; answers the state that a successor needs. Descriptors are
        /// left in the descriptor store.
        call drain() -> raw;
        /// Takes everything back after a drain whose successor failed.
        call resume(raw);
        /// API 0.2: how the instance is. An older one is taken for healthy.
        call health() -> Health = Health::default();
        /// Ends the work. Nothing of the instance runs afterwards.
        call stop();
    }
}
