//! What is desired, how far preparing it has come, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aerolith_plan::{Fingerprint, Goals, Observed, ServiceId, Step, plan};
use tokio::time::Instant;

use super::subject;
use crate::admission::claims;
use crate::chance::chance;
use crate::desired::Desired;
use crate::fetch::jittered;
use crate::prepare::{self, PrepareError, Prepared, VersionId};
use crate::status::Chronicle;
use crate::supervise::Supervisor;

/// Time before a failed preparation is tried again; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest time between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What is desired, and how far preparing it has come.
#[derive(Default)]
pub(crate) struct Board {
    pub(crate) desired: Arc<Desired>,
    pub(crate) prepared: BTreeMap<VersionId, Prepared>,
    pub(crate) preparing: BTreeSet<VersionId>,
    pub(crate) troubles: BTreeMap<VersionId, Trouble>,
    /// Why what nobody needs could not be removed the last time.
    pub(crate) unclean: Option<String>,
    /// Since when everything is as it is.
    pub(crate) chronicle: Chronicle,
}

/// Why a version is not prepared.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) reason: String,
    pub(crate) since_ms: u64,
    /// Whether it is this node's own disk that refuses.
    pub(crate) disk: bool,
    /// Whether the node's policy does not take it.
    pub(crate) refused: bool,
    /// Milliseconds since 1970 of the next try.
    pub(crate) again_at_ms: u64,
    pub(super) again_at: Instant,
    tries: u32,
}

impl Board {
    /// The steps that may be taken now, without those of applications that are held.
    pub(crate) fn steps(&self, desired: &Desired, supervisor: &Supervisor) -> Vec<Step> {
        let goals = Goals {
            keep: self.former(&desired.goals),
            ..desired.goals.clone()
        };
        // What is desired and refused by a policy become stricter is to be prepared again, which says why it cannot be.
        let admission = supervisor.admission();
        let is_there = |version: &&VersionId| !desired.wants(version) || admission.admits(version);
        let prepared = self.prepared.keys().filter(is_there).cloned().collect();
        let observed = Observed {
            instances: supervisor.seen(),
            prepared,
        };
        let mut steps = plan(&goals, &observed);
        steps.retain(|step| !desired.held.contains_key(subject(step).application.as_str()));
        steps
    }

    /// Lets what may have been put right be tried at once.
    pub(super) fn reconsider(&mut self, desired: &Desired) {
        for ((id, _), trouble) in &mut self.troubles {
            let goal = desired.goals.services.get(id);
            if goal.is_some_and(|goal| desired.differs(&self.desired, goal)) {
                trouble.hurry();
            }
        }
    }

    /// Of each desired service the version before, so that going back is quick.
    fn former(&self, goals: &Goals) -> BTreeSet<VersionId> {
        let mut latest: BTreeMap<&ServiceId, (u64, Fingerprint)> = BTreeMap::new();
        for ((service, fingerprint), prepared) in &self.prepared {
            let is_former = goals
                .services
                .get(service)
                .is_some_and(|goal| goal.fingerprint != *fingerprint);
            let is_later = latest.get(service).is_none_or(|(at, _)| *at < prepared.at_ms);
            if is_former && is_later {
                latest.insert(service, (prepared.at_ms, *fingerprint));
            }
        }
        latest
            .into_iter()
            .map(|(service, (_, fingerprint))| (service.clone(), fingerprint))
            .collect()
    }

    /// Takes up what speaks for a version now, and answers what is to be kept of it if that is something else than before.
    pub(super) fn renew_claims(&mut self, version: &VersionId) -> Option<Prepared> {
        let desired = self.desired.clone();
        let goal = desired
            .goals
            .services
            .get(&version.0)
            .filter(|_| desired.wants(version))?;
        let prepared = self.prepared.get_mut(version)?;
        prepared.renew_claims(claims(&desired, goal)).then(|| prepared.clone())
    }
}

impl Trouble {
    /// Lets it be tried again at once.
    pub(super) fn hurry(&mut self) {
        (self.again_at, self.again_at_ms) = (Instant::now(), prepare::now_ms());
    }

    /// After another try that failed. A place that asks to be left alone is, as long as nobody would rather wait less; and
    /// one that has other bytes than are promised is not soon asked for all of them again.
    pub(super) fn after(before: Option<&Self>, reason: String, error: &PrepareError) -> Self {
        let tries = before.map_or(0, |before| before.tries);
        let pause = match error.is_of_the_package() {
            true => LONGEST_PAUSE,
            false => FIRST_PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE),
        };
        let pause = jittered(pause, chance()).max(error.wait().unwrap_or_default().min(LONGEST_PAUSE));
        let since_ms = before
            .filter(|b| b.reason == reason)
            .map_or_else(prepare::now_ms, |before| before.since_ms);
        Self {
            reason,
            since_ms,
            disk: error.is_of_the_disk(),
            refused: error.is_of_the_policy(),
            again_at_ms: prepare::now_ms().saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
            tries: tries.saturating_add(1),
            again_at: Instant::now() + pause,
        }
    }
}
