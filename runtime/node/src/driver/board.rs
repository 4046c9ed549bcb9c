//! What is desired, how far preparing it has come, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aerolith_model::AppName;
use aerolith_plan::{
    Fitness, Generation, Goal, Goals, Observed, RunId, Seen, ServiceId, State, Step, Target, VersionId, is_up, plan,
};
use tokio::time::Instant;

use super::subject;
use crate::admission::claims;
use crate::chance::chance;
use crate::desired::Desired;
use crate::prepare::{PrepareError, Prepared};
use crate::rollout::{Course, Rollout, is_early};
use crate::status::Chronicle;
use crate::supervise::{Phase, Sighting, Supervisor};
use crate::time::{jittered, ms_after, now_ms};

/// Time before a failed preparation is tried again; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest time between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What is desired, and how far preparing it has come.
#[derive(Default)]
pub(crate) struct Board {
    pub(crate) desired: Arc<Desired>,
    /// The revision that is worked towards: that of `desired`, once the histories of its applications have been read too.
    pub(crate) revision: u64,
    /// How each application comes from one version to the next.
    pub(crate) courses: BTreeMap<AppName, Course>,
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
    /// Milliseconds since 1970 of the next try; none where only another policy or other resources help.
    pub(crate) again_at_ms: Option<u64>,
    /// Whether something has changed since that may have put it right.
    pub(crate) is_reconsidered: bool,
    again_at: Option<Instant>,
    tries: u32,
}

/// How everything is at one moment, and what follows from it.
pub(crate) struct Look {
    pub(crate) instances: Vec<Sighting>,
    /// The same, as planning sees them.
    pub(crate) seen: BTreeMap<RunId, Seen>,
    /// The steps that may be taken now.
    pub(crate) steps: Vec<Step>,
}

impl Board {
    /// Looks at everything once, were this desired. Steps of applications that are held are left out.
    pub(crate) fn look(&self, desired: &Desired, supervisor: &Supervisor) -> Look {
        let goals = self.goals(desired);
        // What is desired and refused by a policy become stricter is to be prepared again, which says why it cannot be.
        let admission = supervisor.admission();
        let is_there = |version: &&VersionId| self.context(version).is_none() || admission.admits(version);
        let prepared = self.prepared.keys().filter(is_there).cloned().collect();
        let instances = supervisor.look();
        let seen = instances.iter().map(|one| (one.run().clone(), one.seen()));
        let observed = Observed {
            instances: seen.collect(),
            prepared,
        };
        let mut steps = plan(&goals, &observed);
        steps.retain(|step| !desired.held.contains_key(subject(step).application.as_str()));
        Look {
            instances,
            seen: observed.instances,
            steps,
        }
    }

    /// What is worked towards, were this desired: where it is another version than is known of an application, as if that
    /// came now.
    fn goals(&self, desired: &Desired) -> Goals {
        let now = Instant::now();
        let is_same = |one: &Arc<Generation>, other: &Arc<Generation>| Arc::ptr_eq(one, other) || one == other;
        let is_in_force = Arc::as_ptr(&self.desired) == std::ptr::from_ref(desired);
        let target = |(name, candidate): (&AppName, &Arc<Generation>)| {
            let course = self.courses.get(name);
            let known = course.and_then(|course| course.target(name, now));
            let target = match known {
                Some(known) if is_in_force || is_same(&known.candidate, candidate) => known,
                Some(known) => Target {
                    fallback: Some(known.fallback.unwrap_or(known.candidate)),
                    candidate: candidate.clone(),
                    withheld: is_early(desired, name.as_str()),
                    unproven: false,
                },
                None => Target {
                    candidate: candidate.clone(),
                    withheld: is_early(desired, name.as_str()),
                    ..Target::default()
                },
            };
            (name.clone(), target)
        };
        Goals {
            applications: desired.generations.iter().map(target).collect(),
            keep: self.former(),
        }
    }

    /// What a version of a service is made of, if it is to run or may be put back.
    pub(crate) fn context(&self, version: &VersionId) -> Option<Arc<Desired>> {
        context(&self.courses, version).cloned()
    }

    /// Everything that something may be made of.
    pub(crate) fn contexts(&self) -> Vec<Arc<Desired>> {
        let mut all = vec![self.desired.clone()];
        for course in self.courses.values() {
            let before = course.before.iter().map(|before| &before.desired);
            let others = before
                .chain([&course.candidate])
                .filter(|it| !Arc::ptr_eq(it, &self.desired));
            all.extend(others.cloned());
        }
        all
    }

    /// What waits for a time of day may have to wait no more.
    pub(super) fn look_at_the_clock(&mut self) {
        let now_ms = now_ms();
        self.courses
            .values_mut()
            .for_each(|course| course.look_at_the_clock(now_ms));
    }

    /// The applications of which what was good before is in the place of the newest.
    pub(super) fn withdrawn(&self, now: Instant) -> BTreeSet<AppName> {
        let withdrawn = self.courses.iter().filter(|(_, course)| course.is_withdrawn(now));
        withdrawn.map(|(name, _)| name.clone()).collect()
    }

    /// When time alone may change what is to be done.
    pub(super) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let troubles = self
            .troubles
            .values()
            .filter_map(|trouble| trouble.again_at)
            .filter(|at| *at > now);
        let courses = self.courses.values().filter_map(|course| course.wakes_at(now));
        troubles.chain(courses).min()
    }

    /// The version of an application that is worked towards: that of its newest deployment, which need not be made of what
    /// is in force.
    pub(crate) fn candidate(&self, name: &AppName) -> &Desired {
        let candidate = self.courses.get(name).map(|course| &*course.candidate);
        candidate
            .filter(|it| it.generations.contains_key(name))
            .unwrap_or(&self.desired)
    }

    /// What is worked towards of every service.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = (&ServiceId, &Goal)> {
        let names = self.desired.generations.keys();
        names
            .filter_map(|name| self.candidate(name).generations.get(name))
            .flat_map(|all| all.iter())
    }

    /// What would be worked towards, were this in force and these applications left at the deployments of these revisions.
    pub(crate) fn preserving(&self, mut desired: Desired, preserved: &BTreeMap<AppName, u64>) -> Desired {
        for (name, revision) in preserved {
            let course = self.courses.get(name).filter(|course| course.revision == *revision);
            let deployed = course.and_then(|course| course.candidate.generations.get(name));
            desired
                .generations
                .extend(deployed.map(|deployed| (name.clone(), deployed.clone())));
        }
        desired
    }

    /// How the update of an application stands.
    pub(crate) fn rollout(&self, name: &AppName) -> Option<Rollout> {
        let course = self.courses.get(name)?;
        let is_prepared = self.is_prepared(course.candidate.generations.get(name)?);
        Some(course.rollout(Instant::now(), is_prepared))
    }

    /// What runs in the place of the newest version of an application: until all of that is prepared and its time has come, and
    /// after it has failed.
    pub(crate) fn in_place(&self, name: &AppName) -> Option<&Arc<Generation>> {
        let course = self.courses.get(name)?;
        let fallback = course.fallback(name)?;
        let begins = !course.is_withheld(Instant::now()) && self.is_prepared(course.candidate.generations.get(name)?);
        (!begins).then_some(fallback)
    }

    /// Whether all of a version is prepared, as far as it must be.
    fn is_prepared(&self, generation: &Generation) -> bool {
        let is_prepared = |id: &ServiceId, goal: &Goal| self.prepared.contains_key(&(id.clone(), goal.fingerprint));
        let mut goals = generation.iter();
        goals.all(|(id, goal)| goal.count() == 0 || is_prepared(id, goal))
    }

    /// Whether all of an application's deployment of a revision is up, and nothing speaks against it.
    pub(crate) fn is_up(&self, application: &str, revision: u64, supervisor: &Supervisor) -> bool {
        let course = self
            .courses
            .get(application)
            .filter(|course| course.revision == revision);
        let generation = course.and_then(|course| course.candidate.generations.get(application));
        let seen = || {
            let all = supervisor.look();
            all.iter().map(|one| (one.run().clone(), as_it_was(one))).collect()
        };
        generation.is_some_and(|generation| is_up(generation, &seen()))
    }

    /// Lets what may have been put right be tried at once.
    pub(super) fn reconsider(&mut self, desired: &Desired) {
        for ((id, _), trouble) in &mut self.troubles {
            let goal = desired.goal(id);
            if goal.is_some_and(|goal| desired.differs(&self.desired, goal)) {
                trouble.hurry();
            }
        }
    }

    /// What the good deployment before was made of, so that going back is quick. Where nobody can say what that is, it may be
    /// anything of the application.
    fn former(&self) -> BTreeSet<VersionId> {
        let mut kept = BTreeSet::new();
        for (name, course) in &self.courses {
            let before = course.before.as_ref().map(|before| &before.desired);
            if before.is_some_and(|before| !before.is_resolved(name)) {
                let is_of = |version: &&VersionId| version.0.application == *name;
                kept.extend(self.prepared.keys().filter(is_of).cloned());
            }
            let goals = before.and_then(|before| before.generations.get(name));
            let goals = goals.into_iter().flat_map(|generation| generation.iter());
            kept.extend(goals.map(|(id, goal)| (id.clone(), goal.fingerprint)));
        }
        kept
    }

    /// Takes up what speaks for a version now, and answers what is to be kept of it if that is something else than before.
    pub(super) fn renew_claims(&mut self, version: &VersionId) -> Option<Prepared> {
        let desired = self.context(version)?;
        let goal = desired.goal(&version.0)?;
        let prepared = self.prepared.get_mut(version)?;
        prepared.renew_claims(claims(&desired, goal)).then(|| prepared.clone())
    }
}

/// What is looked for after a restart of the daemon counts as what it was when that ended.
fn as_it_was(one: &Sighting) -> Seen {
    let seen = one.seen();
    match one.view.phase {
        Phase::Recovering => Seen {
            state: State::Running(Fitness::Started),
            ..seen
        },
        _ => seen,
    }
}

/// What a version of a service is made of, if it is to run or may be put back.
pub(super) fn context<'a>(courses: &'a BTreeMap<AppName, Course>, version: &VersionId) -> Option<&'a Arc<Desired>> {
    courses.get(&version.0.application)?.context(version)
}

impl Trouble {
    /// Whether it is not the time to try again.
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.again_at.is_none_or(|at| at > now)
    }

    /// Lets it be tried again at once.
    pub(super) fn hurry(&mut self) {
        (self.again_at, self.again_at_ms) = (Some(Instant::now()), Some(now_ms()));
        self.is_reconsidered = true;
    }

    /// After another try that failed. A place that asks to be left alone is, as long as nobody would rather wait less; and
    /// one that has other bytes than are promised is not soon asked for all of them again.
    pub(super) fn after(before: Option<&Self>, reason: String, error: &PrepareError) -> Self {
        let tries = before.map_or(0, |before| before.tries);
        let pause = match error.is_of_the_package() || error.is_of_the_policy() {
            true => LONGEST_PAUSE,
            false => FIRST_PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE),
        };
        let pause = jittered(pause, chance()).max(error.wait().unwrap_or_default().min(LONGEST_PAUSE));
        let since_ms = before
            .filter(|b| b.reason == reason)
            .map_or_else(now_ms, |before| before.since_ms);
        Self {
            reason,
            since_ms,
            disk: error.is_of_the_disk(),
            refused: error.is_of_the_policy(),
            is_reconsidered: false,
            again_at_ms: (!error.is_lasting()).then(|| ms_after(pause)),
            tries: tries.saturating_add(1),
            again_at: (!error.is_lasting()).then(|| Instant::now() + pause),
        }
    }
}
