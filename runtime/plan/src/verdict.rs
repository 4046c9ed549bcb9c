//! What comes of an update.

use std::collections::BTreeMap;

use crate::goals::{Goal, Target};
use crate::id::{RunId, ServiceId};
use crate::observed::{Fitness, Seen, State};

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

/// Judges the candidate of an application by what is new in it: an instance that the fallback has in the same version is
/// taken as it is. Without a fallback nothing is lost by waiting, so there one that failed and is healthy now is good.
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
            if target.has_before(id, &run) {
                continue;
            }
            match instances.get(&run) {
                Some(seen) if seen.stands() || target.fallback.is_none() && is_healthy(seen) => {}
                Some(seen) if seen.has_failed() => return Verdict::Failed { run },
                _ => verdict = Verdict::Ongoing,
            }
        }
    }
    verdict
}

fn is_healthy(seen: &Seen) -> bool {
    matches!(
        seen.state,
        State::Running(Fitness::Healthy) | State::Ended { success: true }
    )
}

impl Target {
    /// Whether the fallback has this run too.
    fn has_before(&self, id: &ServiceId, run: &RunId) -> bool {
        let before = self.fallback.as_ref().and_then(|fallback| fallback.get(id));
        before.is_some_and(|goal: &Goal| goal.wants(run))
    }
}
