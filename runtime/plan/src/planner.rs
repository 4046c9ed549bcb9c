//! From goals and observations to the steps that may be taken now.

use std::collections::{BTreeMap, BTreeSet};

use aerolith_model::AppName;
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::goals::{Goal, Goals};
use crate::id::{InstanceId, RunId, ServiceId};

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
/// Everything is prepared while the old runs: in an application, nothing is replaced before all of its services are
/// prepared, so a preparation that fails leaves the old application running. An instance that is as desired is never
/// stopped, whatever its state: restarting it is supervision's business. A service starts when all that it depends on
/// run (or have finished with success), and stops before them.
#[must_use]
pub fn plan(goals: &Goals, observed: &Observed) -> Vec<Step> {
    let stops = stops(goals, observed);
    let mut steps: Vec<Step> = goals
        .services
        .iter()
        .filter(|(id, goal)| !is_prepared(id, goal, observed))
        .map(|(id, goal)| Step::Prepare {
            service: id.clone(),
            fingerprint: goal.fingerprint,
        })
        .collect();
    steps.extend(stops.iter().map(|id| Step::Stop { run: (*id).clone() }));
    steps.extend(starts(goals, observed, &stops));
    steps.extend(removals(goals, observed));
    steps
}

/// A service without instances needs no preparation.
fn is_prepared(id: &ServiceId, goal: &Goal, observed: &Observed) -> bool {
    goal.service.replica == 0 || observed.prepared.contains(&(id.clone(), goal.fingerprint))
}

/// Instances to stop now. Among all that may stop, those go first on which no other of them depends; if they depend
/// on each other in a circle, as instances of different versions can, all go at once.
fn stops<'a>(goals: &Goals, observed: &'a Observed) -> BTreeSet<&'a RunId> {
    let pending: BTreeSet<&AppName> = goals
        .services
        .iter()
        .filter(|(id, goal)| !is_prepared(id, goal, observed))
        .map(|(id, _)| &id.application)
        .collect();
    let may_stop = |(RunId { instance, fingerprint }, _): &(&RunId, &Seen)| match goals.services.get(&instance.service)
    {
        Some(goal) if goal.fingerprint == *fingerprint => instance.index == 0 || instance.index > goal.service.replica,
        _ => !pending.contains(&instance.service.application),
    };
    let doomed: BTreeMap<&RunId, &Seen> = observed.instances.iter().filter(may_stop).collect();
    let needed: BTreeSet<&ServiceId> = doomed.values().flat_map(|seen| &seen.depends_on).collect();
    let free: BTreeSet<_> = doomed
        .keys()
        .copied()
        .filter(|id| !needed.contains(&id.instance.service))
        .collect();
    if free.is_empty() {
        doomed.into_keys().collect()
    } else {
        free
    }
}

fn starts(goals: &Goals, observed: &Observed, stops: &BTreeSet<&RunId>) -> Vec<Step> {
    let is_up = |id: &ServiceId| {
        goals
            .services
            .get(id)
            .is_none_or(|goal| is_up(id, goal, observed, stops))
    };
    let there: BTreeSet<&InstanceId> = observed.instances.keys().map(|run| &run.instance).collect();
    let mut steps = Vec::new();
    for (id, goal) in &goals.services {
        if !is_prepared(id, goal, observed) || !goal.depends_on.iter().all(is_up) {
            continue;
        }
        let absent = (1..=goal.service.replica).map(|index| id.instance(index));
        let absent = absent.filter(|instance| !there.contains(instance));
        steps.extend(absent.map(|instance| Step::Start {
            run: RunId {
                instance,
                fingerprint: goal.fingerprint,
            },
        }));
    }
    steps
}

/// Whether all desired instances of a service run, and go on running, or have done their work.
fn is_up(id: &ServiceId, goal: &Goal, observed: &Observed, stops: &BTreeSet<&RunId>) -> bool {
    (1..=goal.service.replica)
        .map(|index| RunId {
            instance: id.instance(index),
            fingerprint: goal.fingerprint,
        })
        .all(|run| {
            let state = observed.instances.get(&run).map(|seen| seen.state);
            matches!(state, Some(State::Running(_) | State::Ended { success: true })) && !stops.contains(&run)
        })
}

fn removals(goals: &Goals, observed: &Observed) -> Vec<Step> {
    let used: BTreeSet<(&ServiceId, Fingerprint)> = observed
        .instances
        .keys()
        .map(|run| (&run.instance.service, run.fingerprint))
        .collect();
    let is_desired = |id: &ServiceId, fingerprint| {
        goals
            .services
            .get(id)
            .is_some_and(|goal| goal.fingerprint == fingerprint)
    };
    observed
        .prepared
        .iter()
        .filter(|prepared| !goals.keep.contains(*prepared))
        .filter(|(id, fingerprint)| !used.contains(&(id, *fingerprint)) && !is_desired(id, *fingerprint))
        .map(|(id, fingerprint)| Step::Remove {
            service: id.clone(),
            fingerprint: *fingerprint,
        })
        .collect()
}
