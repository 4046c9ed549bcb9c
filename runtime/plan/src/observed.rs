//! What planning observes.

use std::collections::{BTreeMap, BTreeSet};

use aerolith_model::StartCondition;
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::id::{RunId, ServiceId};

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Every instance that was started and not stopped, ended ones too.
    pub instances: BTreeMap<RunId, Seen>,
    /// What is fetched, verified, unpacked and published, so that a start needs nothing more.
    pub prepared: BTreeSet<(ServiceId, Fingerprint)>,
}

/// What is known of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What it does.
    pub state: State,
    /// Whether it has proven that its version is any good.
    pub trial: Trial,
    /// The services it depended on when it was started; they stop after it.
    pub depends_on: BTreeSet<ServiceId>,
}

/// What an instance does, as far as planning cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Started, not yet known to run.
    Starting,
    /// Runs.
    Running(Fitness),
    /// Ended, and supervision will start it again.
    Restarting,
    /// Being stopped, and gone soon.
    Stopping,
    /// Ended for good.
    Ended {
        /// Whether it did what it was to do, as a finished job has.
        success: bool,
    },
}

/// How far a running instance has proven itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fitness {
    /// It runs.
    Started,
    /// What asks whether it is ready is content, or nothing asks.
    Ready,
    /// It has been ready without interruption for the health window of its service.
    Healthy,
}

/// Whether a run has proven that its version is any good. Once over, a trial stays as it came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trial {
    /// Not yet.
    #[default]
    Ongoing,
    /// It was healthy once, or did what it was to do.
    Passed,
    /// It ended badly before, or was not healthy in time.
    Failed,
}

impl State {
    /// Whether whoever waits for this condition may start.
    #[must_use]
    pub fn meets(self, condition: StartCondition) -> bool {
        match (self, condition) {
            (Self::Ended { success }, _) => success,
            (Self::Running(_), StartCondition::Started) => true,
            (Self::Running(fitness), StartCondition::Ready) => fitness >= Fitness::Ready,
            _ => false,
        }
    }
}

impl Seen {
    /// Whether it has proven itself, and is up or has done its work.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.trial == Trial::Passed && matches!(self.state, State::Running(_) | State::Ended { success: true })
    }

    /// Whether it is no good: it has ended badly, also after it had proven itself. One that is being stopped is not judged.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        match self.state {
            State::Ended { success: false } => true,
            State::Stopping => false,
            State::Restarting => self.trial != Trial::Ongoing,
            State::Starting | State::Running(_) | State::Ended { success: true } => self.trial == Trial::Failed,
        }
    }
}
