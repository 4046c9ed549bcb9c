//! How an application comes from one version to the next, as far as its history and the clock say.

mod start_at;
mod unkept;

use std::sync::Arc;
use std::time::Duration;

use aerolith_model::{AppName, Timestamp};
use aerolith_plan::{Generation, Target, VersionId};
use serde::Serialize;
use tokio::time::Instant;

use crate::desired::Desired;
use crate::state::{Deployment, Outcome};
use crate::time::{ms_after, now_ms};
use start_at::StartAt;
pub(crate) use unkept::{Attempt, Unkept};

/// So often a version is tried.
pub(crate) const MOST_ATTEMPTS: u32 = 2;
/// Time between two attempts.
pub(crate) const PAUSE: Duration = Duration::from_secs(10);
/// What is said of a version whose time is to come.
pub(crate) const SCHEDULED: &str = "it waits for the time of its startAt";
/// Longest time between two attempts for which something was missing: each of them may stop what runs.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

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

    fn is_of(&self, deployment: &Deployment) -> bool {
        let Self {
            outcome,
            attempts,
            reason,
            tried_in,
        } = self;
        (*outcome, *attempts) == (deployment.outcome, deployment.attempts)
            && (reason, tried_in) == (&deployment.reason, &deployment.tried_in)
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

/// The newest deployment of an application, and what is put back where that fails.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(crate) revision: u64,
    pub(crate) progress: Progress,
    pub(crate) candidate: Arc<Desired>,
    /// What is put back while the newest is not good; then what is kept so that going back is quick.
    pub(crate) before: Option<Earlier>,
    /// No attempt is made earlier.
    pub(crate) again_at: Option<Instant>,
    start_at: StartAt,
    /// How often something was missing since it was last likely that it had come.
    hindered: u32,
    /// What came of it and is not on disk yet.
    pub(crate) unkept: Option<Unkept>,
}

/// An earlier deployment that was good, or where none was, that was up.
#[derive(Debug, Clone)]
pub(crate) struct Earlier {
    pub(crate) revision: u64,
    pub(crate) is_good: bool,
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
    /// The revision of the deployment that runs in its place, or until it is good.
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
        let start_at = StartAt::new(start_at_ms(&candidate, name));
        let mut course = Self {
            revision,
            progress,
            candidate,
            before,
            again_at: None,
            start_at,
            hindered: 0,
            unkept: None,
        };
        course.look_at_the_clock(now_ms());
        course
    }

    /// Whether it is that of this deployment, as it is now.
    pub(crate) fn is_of(&self, deployment: &Deployment) -> bool {
        self.revision == deployment.revision && self.progress.is_of(deployment)
    }

    pub(crate) fn is_good(&self) -> bool {
        self.progress.outcome == Outcome::Good
    }

    /// Takes up what came of an attempt. It counts whether the disk takes it or not.
    pub(crate) fn add(&mut self, attempt: Attempt, now: Instant) {
        self.again_at = match &attempt {
            Attempt::Good => None,
            Attempt::Failed(_) => Some(now + PAUSE),
            Attempt::Hindered(_) => {
                let pause = PAUSE.saturating_mul(1 << self.hindered.min(16)).min(LONGEST_PAUSE);
                self.hindered = self.hindered.saturating_add(1);
                Some(now + pause)
            }
        };
        self.unkept.get_or_insert_with(|| Unkept::new(now)).add(attempt);
    }

    /// What was missing may be there now.
    pub(crate) fn hurry(&mut self) {
        if std::mem::take(&mut self.hindered) > 0 {
            self.again_at = None;
        }
    }

    /// How often it was tried and failed.
    pub(crate) fn attempts(&self) -> u32 {
        let unkept = self.unkept.as_ref().map_or(0, |unkept| unkept.failures.len());
        let unkept = u32::try_from(unkept).unwrap_or(u32::MAX);
        self.progress.attempts.saturating_add(unkept)
    }

    /// Whether it has failed as often as it may.
    pub(crate) fn is_rolled_back(&self) -> bool {
        let is_spent = self.is_open() && self.attempts() >= MOST_ATTEMPTS;
        self.progress.outcome == Outcome::Failed || is_spent
    }

    /// Why the last attempt failed.
    fn reason(&self) -> &str {
        let unkept = self.unkept.as_ref().and_then(Unkept::reason);
        unkept.unwrap_or(&self.progress.reason)
    }

    /// Whether something is put back when it fails, and nobody knows yet if it does.
    pub(crate) fn is_open(&self) -> bool {
        self.before.is_some() && self.progress.outcome == Outcome::Pending
    }

    /// Goes on where it was known already.
    pub(crate) fn go_on(&mut self, known: &Self) {
        (self.again_at, self.hindered) = (known.again_at, known.hindered);
        self.unkept.clone_from(&known.unkept);
    }

    /// What is put back when it fails.
    pub(crate) fn fallback(&self, name: &AppName) -> Option<&Arc<Generation>> {
        self.put_back()?.desired.generations.get(name)
    }

    /// The deployment before, while it is put back if the newest fails.
    fn put_back(&self) -> Option<&Earlier> {
        self.before.as_ref().filter(|_| !self.is_good())
    }

    pub(crate) fn target(&self, name: &AppName, now: Instant) -> Option<Target> {
        Some(Target {
            candidate: self.candidate.generations.get(name)?.clone(),
            fallback: self.fallback(name).cloned(),
            unproven: self.put_back().is_some_and(|before| !before.is_good),
            withheld: self.is_withheld(now),
        })
    }

    /// Whether the newest is left alone now: it has failed, or its time has not come.
    pub(crate) fn is_withheld(&self, now: Instant) -> bool {
        match self.progress.outcome {
            Outcome::Good => false,
            Outcome::Failed => true,
            Outcome::Pending | Outcome::Superseded => {
                self.is_rolled_back() || self.is_pausing(now) || self.start_at.is_early()
            }
        }
    }

    /// Milliseconds since 1970 of its time, while it waits for that and for nothing else.
    pub(crate) fn scheduled_ms(&self) -> Option<u64> {
        let is_open = matches!(self.progress.outcome, Outcome::Pending | Outcome::Superseded);
        self.start_at.awaited_ms().filter(|_| is_open)
    }

    /// Whether it has failed and what was good before is in its place, for now or for good.
    pub(crate) fn is_withdrawn(&self, now: Instant) -> bool {
        self.is_rolled_back() || self.is_pausing(now)
    }

    fn is_pausing(&self, now: Instant) -> bool {
        self.again_at.is_some_and(|at| at > now)
    }

    fn next_try_ms(&self, now: Instant) -> Option<u64> {
        let pause = self.again_at.and_then(|at| at.checked_duration_since(now));
        let pause = pause.filter(|pause| !pause.is_zero() && self.progress.outcome == Outcome::Pending);
        let pause = pause.map(ms_after);
        pause.max(self.start_at.awaited_ms())
    }

    /// The time of day may have come, or gone back before anything was begun.
    pub(crate) fn look_at_the_clock(&mut self, now_ms: u64) {
        let has_begun = self.progress.tried_in.is_some() || self.progress.attempts > 0;
        self.start_at.look(now_ms, has_begun);
    }

    /// When time alone may change what is to be done.
    pub(crate) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        if self.is_good() {
            return None;
        }
        let start_at = self.start_at.look_again().map(|again| now + again);
        let again_at = self.again_at.filter(|at| *at > now);
        let unkept = self.unkept.as_ref().map(Unkept::again_at);
        start_at.into_iter().chain(again_at).chain(unkept).min()
    }

    /// What a version of a service belongs to, first what runs now.
    pub(crate) fn context(&self, version: &VersionId) -> Option<&Arc<Desired>> {
        let before = self.put_back().map(|before| &before.desired);
        let mut both = [Some(&self.candidate), before];
        if self.is_withdrawn(Instant::now()) {
            both.reverse();
        }
        both.into_iter().flatten().find(|desired| desired.wants(version))
    }

    pub(crate) fn rollout(&self, now: Instant, is_prepared: bool) -> Rollout {
        let why = || self.reason().to_owned();
        let (stage, reason) = match self.progress.outcome {
            Outcome::Good => (Stage::Good, String::new()),
            _ if self.is_rolled_back() => (Stage::RolledBack, why()),
            _ if self.is_pausing(now) => (Stage::Pausing, why()),
            _ if self.start_at.is_early() => (Stage::Scheduled, SCHEDULED.into()),
            _ if is_prepared => (Stage::Trying, why()),
            _ => (Stage::Preparing, why()),
        };
        Rollout {
            revision: self.revision,
            stage,
            reason,
            attempts: self.attempts(),
            next_try_ms: self.next_try_ms(now),
            fallback: self.put_back().map(|before| before.revision),
        }
    }
}
