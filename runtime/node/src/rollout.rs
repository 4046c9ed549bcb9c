//! How an application comes from one version to the next, as far as its history and the clock say.

use std::sync::Arc;
use std::time::Duration;

use aerolith_model::{AppName, Timestamp};
use aerolith_plan::{Generation, Target};
use serde::Serialize;
use tokio::time::Instant;

use crate::desired::Desired;
use crate::prepare::VersionId;
use crate::state::{Deployment, Outcome};
use crate::time::{ms_after, now_ms};

/// So often a version is tried.
pub(crate) const MOST_ATTEMPTS: u32 = 2;
/// Time between two attempts.
pub(crate) const PAUSE: Duration = Duration::from_secs(10);
/// What is said of a version whose time is to come.
pub(crate) const SCHEDULED: &str = "it waits for the time of its startAt";
/// The clock may be put right at any time, so nobody waits for a time of day longer than this without looking at it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How far the newest deployment of an application has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) outcome: Outcome,
    pub(crate) attempts: u32,
    pub(crate) reason: String,
    /// The boot in which it is being tried.
    pub(crate) tried_in: Option<String>,
}

impl Progress {
    pub(crate) fn of(deployment: &Deployment) -> Self {
        Self {
            outcome: deployment.outcome,
            attempts: deployment.attempts,
            reason: deployment.reason.clone(),
            tried_in: deployment.tried_in.clone(),
        }
    }

    /// Of one that is remembered no more.
    pub(crate) fn superseded() -> Self {
        Self {
            outcome: Outcome::Superseded,
            attempts: 0,
            reason: String::new(),
            tried_in: None,
        }
    }
}

/// The newest deployment of an application, and the good one before it.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(crate) revision: u64,
    pub(crate) progress: Progress,
    pub(crate) candidate: Arc<Desired>,
    /// What is put back while the newest is not good; then what is kept so that going back is quick.
    pub(crate) before: Option<Earlier>,
    /// No attempt is made earlier.
    pub(crate) again_at: Option<Instant>,
    /// Milliseconds since 1970 before which it is not deployed.
    start_at_ms: Option<u64>,
    /// Whether that was to come when somebody last looked at the clock. All that follows from one look agrees.
    is_early: bool,
}

/// An earlier deployment that was good.
#[derive(Debug, Clone)]
pub(crate) struct Earlier {
    pub(crate) revision: u64,
    pub(crate) desired: Arc<Desired>,
}

/// How an update stands, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The revision that made the newest deployment.
    pub revision: u64,
    /// How far it has come.
    pub stage: Stage,
    /// Why the last attempt failed, or what it waits for.
    pub reason: String,
    /// How often it was tried and failed.
    pub attempts: u32,
    /// The revision of the good deployment that runs in its place, or until it is good.
    pub fallback: Option<u64>,
    /// Milliseconds since 1970 of the next attempt, while it waits for one.
    pub next_try_ms: Option<u64>,
}

/// How far an update has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// It waits for its time.
    Scheduled,
    /// What it needs is being fetched; what was good runs.
    Preparing,
    /// Its instances are started and watched.
    Trying,
    /// All of it has proven itself.
    Good,
    /// It has failed, and is tried again in a moment. What was good runs.
    Pausing,
    /// It has failed as often as it may. What was good runs.
    RolledBack,
}

/// Milliseconds since 1970 before which a version of an application is not deployed.
fn start_at_ms(candidate: &Desired, name: &str) -> Option<u64> {
    let start_at = candidate.application(name)?.start_at.as_ref();
    start_at.map(Timestamp::ms)
}

/// Whether the time of a version is to come.
pub(crate) fn is_early(candidate: &Desired, name: &str) -> bool {
    start_at_ms(candidate, name).is_some_and(|at| at > now_ms())
}

impl Course {
    pub(crate) fn new(
        name: &str,
        revision: u64,
        progress: Progress,
        candidate: Arc<Desired>,
        before: Option<Earlier>,
    ) -> Self {
        let start_at_ms = start_at_ms(&candidate, name);
        let mut course = Self {
            revision,
            progress,
            candidate,
            before,
            again_at: None,
            start_at_ms,
            is_early: false,
        };
        course.look_at_the_clock();
        course
    }

    pub(crate) fn is_good(&self) -> bool {
        self.progress.outcome == Outcome::Good
    }

    /// Whether something is put back when it fails, and nobody knows yet if it does.
    pub(crate) fn is_open(&self) -> bool {
        self.before.is_some() && self.progress.outcome == Outcome::Pending
    }

    /// What is put back when it fails.
    pub(crate) fn fallback(&self, name: &AppName) -> Option<Arc<Generation>> {
        self.put_back()?.desired.generations.get(name).cloned()
    }

    /// The deployment before, while it is put back if the newest fails.
    fn put_back(&self) -> Option<&Earlier> {
        self.before.as_ref().filter(|_| !self.is_good())
    }

    pub(crate) fn target(&self, name: &AppName, now: Instant) -> Option<Target> {
        Some(Target {
            candidate: self.candidate.generations.get(name)?.clone(),
            fallback: self.fallback(name),
            withheld: self.is_withheld(now),
        })
    }

    fn is_withheld(&self, now: Instant) -> bool {
        match self.progress.outcome {
            Outcome::Good => false,
            Outcome::Failed => true,
            Outcome::Pending | Outcome::Superseded => self.is_pausing(now) || self.is_early,
        }
    }

    /// Milliseconds since 1970 of its time, while it waits for that and for nothing else.
    pub(crate) fn scheduled_ms(&self) -> Option<u64> {
        let is_open = matches!(self.progress.outcome, Outcome::Pending | Outcome::Superseded);
        self.start_at_ms.filter(|_| is_open && self.is_early)
    }

    fn is_pausing(&self, now: Instant) -> bool {
        self.again_at.is_some_and(|at| at > now)
    }

    fn next_try_ms(&self, now: Instant) -> Option<u64> {
        let pause = self.again_at.and_then(|at| at.checked_duration_since(now));
        let pause = pause.filter(|pause| !pause.is_zero() && self.progress.outcome == Outcome::Pending);
        let pause = pause.map(ms_after);
        pause.max(self.start_at_ms.filter(|_| self.is_early))
    }

    /// The time of day may have come, or gone back.
    pub(crate) fn look_at_the_clock(&mut self) {
        self.is_early = self.start_at_ms.is_some_and(|at| at > now_ms());
    }

    /// When time alone may change what is to be done.
    pub(crate) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        if self.is_good() {
            return None;
        }
        let start_at = self.start_at_ms.filter(|_| self.is_early);
        let start_at = start_at.map(|at| now + Duration::from_millis(at.saturating_sub(now_ms())).min(LOOK_AGAIN));
        let again_at = self.again_at.filter(|at| *at > now);
        start_at.into_iter().chain(again_at).min()
    }

    /// What a version of a service belongs to, first what runs now.
    pub(crate) fn context(&self, version: &VersionId) -> Option<&Arc<Desired>> {
        let before = self.put_back().map(|before| &before.desired);
        let mut both = [Some(&self.candidate), before];
        if self.progress.outcome == Outcome::Failed {
            both.reverse();
        }
        both.into_iter().flatten().find(|desired| desired.wants(version))
    }

    pub(crate) fn rollout(&self, now: Instant, is_prepared: bool) -> Rollout {
        let (stage, reason) = match self.progress.outcome {
            Outcome::Good => (Stage::Good, String::new()),
            Outcome::Failed => (Stage::RolledBack, self.progress.reason.clone()),
            _ if self.is_pausing(now) => (Stage::Pausing, self.progress.reason.clone()),
            _ if self.is_early => (Stage::Scheduled, SCHEDULED.into()),
            _ if is_prepared => (Stage::Trying, self.progress.reason.clone()),
            _ => (Stage::Preparing, self.progress.reason.clone()),
        };
        Rollout {
            revision: self.revision,
            stage,
            reason,
            attempts: self.progress.attempts,
            next_try_ms: self.next_try_ms(now),
            fallback: self.put_back().map(|before| before.revision),
        }
    }
}
