//! From goals and observations to the steps that may be taken now.

mod scene;

use crate::fingerprint::Fingerprint;
use crate::goals::Goals;
use crate::id::{RunId, ServiceId};
use crate::observed::Observed;
use scene::{Known, scenes};

/// One thing to do. Steps of one plan do not wait for each other and may be taken in any order or at once; plan again
/// when one of them has come out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Fetch, verify, unpack and publish all that the service needs; whatever runs is not touched.
    Prepare {
        /// The service.
        service: ServiceId,
        /// Which version of it.
        fingerprint: Fingerprint,
    },
    /// End an instance, if it still runs, and forget it.
    Stop {
        /// Which, and in which version.
        run: RunId,
    },
    /// Start an instance that is not there.
    Start {
        /// Which, and in which version; it is prepared.
        run: RunId,
    },
    /// Delete what was prepared and is used no more.
    Remove {
        /// The service.
        service: ServiceId,
        /// Which version of it.
        fingerprint: Fingerprint,
    },
}

/// The steps that may be taken now towards the goals; none when there is nothing to do.
///
/// Of each application one version is worked towards: the candidate, once all of it is prepared, and else the fallback,
/// with everything. So what cannot be had, or has failed, leaves what was good running, or starts it again. An instance
/// that is as wanted is never stopped, whatever its state: restarting it is supervision's business. A service starts when
/// all that it waits for is as far as it asks, and stops before them.
///
/// The old instances of a service stop when *all* of its new ones have proven themselves, not one by one: until then
/// nothing of the old is given up, so that a version of which some instances fail is left without a start. A service
/// that the candidate has no more stops when the candidate has been found good.
///
/// While fingerprints are not known for sure, what is there may be what is wanted: nothing prepared is removed, and where
/// that is so of what is to run now, nothing is started or stopped either.
#[must_use]
pub fn plan(goals: &Goals, observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    for scene in scenes(goals, observed) {
        scene.prepare(&mut steps);
        if scene.known >= Known::Fallback {
            scene.stop(&mut steps);
            scene.start(&mut steps);
        }
        if scene.known == Known::All {
            scene.remove(&mut steps);
        }
    }
    steps.sort_unstable();
    steps.dedup();
    steps
}

#[cfg(test)]
mod tests;
