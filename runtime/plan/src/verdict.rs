//! What comes of an update.

use std::collections::BTreeMap;

use crate::goals::{Generation, Goal, Target};
use crate::id::{RunId, ServiceId};
use crate::observed::{Fitness, Seen, State, Trial};

/// What comes of the candidate of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not yet known.
    Ongoing,
    /// All of it that is new has proven itself.
    Good,
    /// It is no good.
    Failed {
        /// The instance that shows it.
        run: RunId,
    },
}

/// Judges the candidate of an application by what is new in it: an instance that the fallback has in the same version, and
/// asks the same of, is taken as it is, or waited for where the fallback is unproven. Without a fallback nothing is lost by waiting, so there one
/// that failed and is healthy now is good.
#[must_use]
pub fn verdict(target: &Target, instances: &BTreeMap<RunId, Seen>) -> Verdict {
    if target.withheld || !target.is_resolved() {
        return Verdict::Ongoing;
    }
    let mut verdict = Verdict::Good;
    for (id, goal) in &*target.candidate {
        for index in 1..=goal.count() {
            let run = RunId {
                instance: id.instance(index),
                fingerprint: goal.fingerprint,
            };
            let is_as_before = target.before(id, &run).is_some_and(|before| before.asks_the_same(goal));
            if is_as_before && !target.unproven {
                continue;
            }
            let is_irreplaceable = is_as_before || target.fallback.is_none();
            match instances.get(&run) {
                Some(seen) if seen.stands() || is_irreplaceable && is_healthy(seen) => {}
                Some(seen) if seen.has_failed() && !is_as_before => return Verdict::Failed { run },
                _ => verdict = Verdict::Ongoing,
            }
        }
    }
    verdict
}

/// Whether all of a version is up, and nothing speaks against it so far. What had proven itself counts as up while it is being
/// found again.
#[must_use]
pub fn is_up(generation: &Generation, instances: &BTreeMap<RunId, Seen>) -> bool {
    let is_up = |seen: &Seen| match seen.state {
        State::Running(_) | State::Ended { success: true } => true,
        State::Starting => seen.trial == Trial::Passed,
        _ => false,
    };
    generation.iter().all(|(id, goal)| {
        let runs = (1..=goal.count()).map(|index| RunId {
            instance: id.instance(index),
            fingerprint: goal.fingerprint,
        });
        let mut seen = runs.map(|run| instances.get(&run));
        seen.all(|seen| seen.is_some_and(|seen| is_up(seen) && !seen.has_failed()))
    })
}

fn is_healthy(seen: &Seen) -> bool {
    matches!(
        seen.state,
        State::Running(Fitness::Healthy) | State::Ended { success: true }
    )
}

impl Target {
    /// What the fallback says of this run, if it has it too.
    fn before(&self, id: &ServiceId, run: &RunId) -> Option<&Goal> {
        let before = self.fallback.as_ref().and_then(|fallback| fallback.get(id));
        before.filter(|goal| goal.wants(run))
    }
}
