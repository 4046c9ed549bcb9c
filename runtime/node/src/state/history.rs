//! What was deployed of an application, and what came of it. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ResourceId, Version};

/// How many deployments of an application are kept.
const KEPT: usize = 10;

/// One version of an application with everything that it uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployment {
    /// The revision that made it.
    pub(crate) revision: u64,
    /// Milliseconds since 1970 at which it was made.
    pub(crate) at_ms: u64,
    /// The application, and the configurations and secrets that it uses, each in its exact version.
    pub(crate) parts: BTreeMap<ResourceId, Version>,
    /// How often it was tried and failed.
    pub(crate) attempts: u32,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// Why the last attempt failed; empty where none did.
    pub(crate) reason: String,
    /// The boot of the machine in which an attempt was begun of which nothing has come yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tried_in: Option<String>,
    /// All of it was up when the next one superseded it, and nothing spoke against it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) was_up: bool,
}

/// What came of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Nobody knows yet.
    Pending,
    /// All of it was healthy.
    Good,
    /// It failed as often as it may; it is not tried again.
    Failed,
    /// The next one came before anything came of it.
    Superseded,
}

/// The deployments of one application, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    deployments: Vec<Deployment>,
}

impl Deployment {
    pub(super) fn new(revision: u64, at_ms: u64, parts: BTreeMap<ResourceId, Version>) -> Self {
        Self {
            revision,
            at_ms,
            parts,
            attempts: 0,
            outcome: Outcome::Pending,
            reason: String::new(),
            tried_in: None,
            was_up: false,
        }
    }

    pub(super) fn good(self) -> Self {
        Self {
            outcome: Outcome::Good,
            ..self
        }
    }
}

impl History {
    pub(super) fn all(&self) -> &[Deployment] {
        &self.deployments
    }

    pub(super) fn newest(&self) -> Option<&Deployment> {
        self.deployments.first()
    }

    pub(super) fn candidate(&self) -> Option<&Deployment> {
        self.newest().filter(|newest| newest.outcome == Outcome::Pending)
    }

    /// What is put back: the newest good one, or where none was, the newest that was up.
    pub(super) fn fallback(&self) -> Option<&Deployment> {
        best(&self.deployments)
    }

    #[cfg(test)]
    pub(super) fn wanted(&self) -> Option<&Deployment> {
        match self.newest() {
            Some(newest) if newest.outcome == Outcome::Failed => self.fallback().or(Some(newest)),
            newest => newest,
        }
    }

    /// Whether its newest deployment is of this version of an application.
    pub(super) fn is_at(&self, application: &ResourceId, version: Option<&Version>) -> bool {
        version.is_some() && self.newest().and_then(|newest| newest.parts.get(application)) == version
    }

    /// What a rollback puts back in force unless it is told.
    pub(super) fn before(&self) -> Option<&Deployment> {
        best(self.deployments.get(1..)?)
    }

    pub(super) fn at(&self, revision: u64) -> Option<&Deployment> {
        self.deployments.iter().find(|one| one.revision == revision)
    }

    fn at_mut(&mut self, revision: u64) -> Option<&mut Deployment> {
        self.deployments.iter_mut().find(|one| one.revision == revision)
    }

    /// Puts a new one before the others. None is forgotten before it is committed. `is_up` tells of the candidate so far
    /// whether all of it is up.
    pub(super) fn deploy(&mut self, deployment: Deployment, is_up: impl FnOnce(u64) -> bool) {
        if let Some(newest) = self.deployments.first_mut()
            && newest.outcome == Outcome::Pending
        {
            (newest.outcome, newest.was_up) = (Outcome::Superseded, is_up(newest.revision));
        }
        self.deployments.insert(0, deployment);
    }

    /// Forgets the oldest where there are too many, but never what is put back.
    pub(super) fn trim(&mut self) {
        while self.deployments.len() > KEPT {
            let oldest = self.deployments.len() - 1;
            let is_needed = self.fallback() == self.deployments.last();
            let forgotten = if is_needed { oldest - 1 } else { oldest };
            self.deployments.remove(forgotten);
        }
    }

    /// Forgets what was never committed, and answers whether there was something.
    pub(super) fn keep_until(&mut self, revision: u64) -> bool {
        let before = self.deployments.len();
        self.deployments.retain(|one| one.revision <= revision);
        if let Some(newest) = self.deployments.first_mut()
            && newest.outcome == Outcome::Superseded
        {
            (newest.outcome, newest.was_up) = (Outcome::Pending, false);
        }
        self.deployments.len() < before
    }

    /// An attempt of the candidate begins; one of another changes nothing.
    pub(super) fn attempt_begins(&mut self, revision: u64, boot: &str) -> bool {
        let newest = self.deployments.first_mut();
        let candidate = newest.filter(|one| one.revision == revision && one.outcome == Outcome::Pending);
        candidate.map(|one| one.tried_in = Some(boot.to_owned())).is_some()
    }

    /// Counts a failed attempt of the candidate; one of another changes nothing.
    pub(super) fn attempt_failed(&mut self, revision: u64, reason: String, most: u32) -> Outcome {
        let has_fallback = self.fallback().is_some();
        match self.deployments.first_mut() {
            Some(newest) if newest.revision == revision && newest.outcome == Outcome::Pending => {
                newest.attempts = newest.attempts.saturating_add(1);
                newest.reason = reason;
                newest.tried_in = None;
                if has_fallback && newest.attempts >= most {
                    newest.outcome = Outcome::Failed;
                }
                newest.outcome
            }
            _ => self.at(revision).map_or(Outcome::Superseded, |one| one.outcome),
        }
    }

    /// Ends an attempt of the candidate that costs nothing, since something of this machine was missing.
    pub(super) fn attempt_hindered(&mut self, revision: u64, reason: String) {
        let newest = self.deployments.first_mut();
        let candidate = newest.filter(|one| one.revision == revision && one.outcome == Outcome::Pending);
        if let Some(candidate) = candidate {
            (candidate.reason, candidate.tried_in) = (reason, None);
        }
    }

    /// Whether it is good only since now. One that was superseded a moment before it was known to be good is good too.
    pub(super) fn succeeded(&mut self, revision: u64) -> bool {
        let known = self.at_mut(revision);
        let open = known.filter(|one| matches!(one.outcome, Outcome::Pending | Outcome::Superseded));
        open.map(|one| (one.outcome, one.tried_in) = (Outcome::Good, None))
            .is_some()
    }

    /// Gives the newest all of its attempts back, and answers whether it had lost some.
    pub(super) fn retry(&mut self) -> bool {
        let lost = |one: &&mut Deployment| match one.outcome {
            Outcome::Failed => true,
            Outcome::Pending => one.attempts > 0,
            Outcome::Good | Outcome::Superseded => false,
        };
        match self.deployments.first_mut().filter(lost) {
            Some(newest) => {
                (newest.outcome, newest.attempts) = (Outcome::Pending, 0);
                newest.reason.clear();
                newest.tried_in = None;
                true
            }
            None => false,
        }
    }
}

/// The newest that was good; or where none was, the newest that was up, though nobody waited until it was known to be good.
fn best(deployments: &[Deployment]) -> Option<&Deployment> {
    let newest = |is_it: fn(&&Deployment) -> bool| deployments.iter().find(is_it);
    newest(|one| one.outcome == Outcome::Good).or_else(|| newest(|one| one.was_up))
}

#[cfg(test)]
mod tests;
