//! A small world that takes steps as a node would, watching every promise while it does.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aerolith_model::{Application, Strategy};

use super::super::{Step, plan};
use crate::fingerprint::Fingerprints;
use crate::goals::{Generation, Goal, Goals, Library, Target, Updates};
use crate::id::{RunId, ServiceId};
use crate::observed::{Fitness, Observed, Seen, State, Trial};
use crate::verdict::{Verdict, is_up, verdict};

/// Versions of a service that end badly whenever they are started, and that cannot be had.
pub(super) const BAD: u8 = 3;
pub(super) const ABSENT: u8 = 4;
const MOST: u32 = 2;

pub(super) fn generation(application: &serde_json::Value) -> Arc<Generation> {
    let application: Application = serde_json::from_value(application.clone()).unwrap();
    let fingerprints = Fingerprints::default();
    let library = Library::new([], [], &fingerprints);
    Arc::new(library.generation(&application, Updates::default()).unwrap())
}

pub(super) fn is_version(goal: &Goal, version: u8) -> bool {
    let image = goal.service.image.as_deref();
    image.is_some_and(|image| image.ends_with(&format!(":{version}")))
}

pub(super) fn wanted(generation: &Generation) -> BTreeSet<RunId> {
    let of = |(id, goal): (&ServiceId, &Goal)| {
        let (id, fingerprint) = (id.clone(), goal.fingerprint);
        (1..=goal.count()).map(move |index| RunId {
            instance: id.instance(index),
            fingerprint,
        })
    };
    generation.iter().flat_map(of).collect()
}

/// As it looks while nobody can say which objects of its packages are for this machine: every fingerprint is a false one.
fn blurred(generation: &Arc<Generation>) -> Arc<Generation> {
    let mut blurred = Generation::clone(generation);
    for goal in blurred.values_mut() {
        let reversed: String = goal.fingerprint.to_string().chars().rev().collect();
        (goal.fingerprint, goal.is_resolved) = (reversed.parse().unwrap(), false);
    }
    Arc::new(blurred)
}

/// Whether a version of an application has something that the one before does not have.
pub(super) fn has_new(generation: &Generation, before: Option<&Generation>, version: u8) -> bool {
    let is_new = |(id, goal): (&ServiceId, &Goal)| {
        let before = before.and_then(|before| before.get(id));
        let is_new = before.is_none_or(|it| it.fingerprint != goal.fingerprint || it.count() == 0);
        goal.count() > 0 && is_version(goal, version) && is_new
    };
    generation.iter().any(is_new)
}

/// One application on one node, and what its state on disk says of it.
#[derive(Clone, Default)]
pub(super) struct World {
    pub(super) observed: Observed,
    pub(super) candidate: Option<Arc<Generation>>,
    pub(super) fallback: Option<Arc<Generation>>,
    /// The fallback was never good: it ran when the candidate came.
    unproven: bool,
    pub(super) good: bool,
    pub(super) attempts: u32,
    pub(super) pausing: bool,
    pub(super) keep: BTreeSet<(ServiceId, crate::Fingerprint)>,
    /// Left alone, as while a policy refuses it.
    pub(super) is_left_alone: bool,
    /// The disk takes nothing: what comes of attempts is known as long as nothing crashes.
    is_full: bool,
    unkept: u32,
    /// Nobody can say which objects are for this machine.
    pub(super) is_away: bool,
    /// Of which nobody could say it when it came, or when the node was started.
    blurs_candidate: bool,
    blurs_fallback: bool,
    /// Something new of the candidate was started in this attempt.
    begun: bool,
    /// Versions of applications that came, for what is known of each run.
    known: Vec<Arc<Generation>>,
    /// Services that had a healthy instance since the last crash.
    served: BTreeSet<ServiceId>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.observed.instances.iter();
        let runs = runs.map(|(run, seen)| format!("{run} {:?} {:?}", seen.state, seen.trial));
        let shown = |it: &Arc<Generation>| wanted(it).iter().map(ToString::to_string).collect::<Vec<_>>();
        f.debug_struct("World")
            .field("good", &self.good)
            .field("attempts", &self.attempts)
            .field("candidate", &self.candidate.as_ref().map(shown))
            .field("fallback", &self.fallback.as_ref().map(shown))
            .field("runs", &runs.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl World {
    pub(super) fn failed(&self) -> bool {
        self.attempts + self.unkept >= MOST
    }

    pub(super) fn fill(&mut self, is_full: bool) {
        self.is_full = is_full;
        if !is_full {
            self.attempts += std::mem::take(&mut self.unkept);
        }
    }

    /// Whether the fingerprints of what is to run now are not known.
    pub(super) fn is_held(&self) -> bool {
        match self.fallback {
            Some(_) => self.blurs_fallback,
            None => self.blurs_candidate,
        }
    }

    /// Somebody can say it again.
    pub(super) fn come_back(&mut self) {
        (self.is_away, self.blurs_candidate, self.blurs_fallback) = (false, false, false);
    }

    fn target(&self) -> Option<Target> {
        let seen = |it: &Arc<Generation>, blurs| if blurs { blurred(it) } else { it.clone() };
        Some(Target {
            candidate: seen(self.candidate.as_ref()?, self.blurs_candidate),
            fallback: self.fallback.as_ref().map(|it| seen(it, self.blurs_fallback)),
            unproven: self.unproven,
            withheld: self.pausing || self.failed(),
        })
    }

    fn goals(&self) -> Goals {
        let target = self.target().map(|target| ("app1".parse().unwrap(), target));
        Goals {
            applications: target.into_iter().collect(),
            keep: self.keep.clone(),
        }
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        if self.is_left_alone {
            return Vec::new();
        }
        let mut steps = plan(&self.goals(), &self.observed);
        steps.retain(|step| match step {
            Step::Prepare { service, fingerprint } => {
                let goal = self.known(service, *fingerprint);
                goal.is_some_and(|goal| !is_version(goal, ABSENT))
            }
            _ => true,
        });
        steps
    }

    fn goal(&self, id: &ServiceId, fingerprint: crate::Fingerprint) -> &Goal {
        self.known(id, fingerprint).unwrap()
    }

    fn known(&self, id: &ServiceId, fingerprint: crate::Fingerprint) -> Option<&Goal> {
        let mut goals = self.known.iter().rev().filter_map(|known| known.get(id));
        goals.find(|goal| goal.fingerprint == fingerprint)
    }

    pub(super) fn apply(&mut self, generation: Arc<Generation>) {
        let (candidate, blurs) = (self.candidate.take(), self.blurs_candidate);
        let has_run = |it: &Arc<Generation>| is_up(it, &self.observed.instances);
        if self.good || self.fallback.is_none() && candidate.as_ref().is_some_and(has_run) {
            (self.fallback, self.unproven, self.blurs_fallback) = (candidate, !self.good, blurs);
        }
        self.blurs_candidate = self.is_away;
        self.known.push(generation.clone());
        self.candidate = Some(generation);
        (self.good, self.attempts, self.unkept) = (false, 0, 0);
        (self.pausing, self.begun) = (false, false);
    }

    pub(super) fn delete(&mut self) {
        let known = std::mem::take(&mut self.known);
        let observed = std::mem::take(&mut self.observed);
        *self = Self {
            known,
            observed,
            is_away: self.is_away,
            is_full: self.is_full,
            ..Self::default()
        };
    }

    /// A power cut: nothing runs, and what was prepared is there still, or not.
    pub(super) fn crash(&mut self, loses_prepared: bool) {
        self.end_all();
        (self.blurs_candidate, self.blurs_fallback) = (self.is_away, self.is_away);
        self.unkept = 0;
        if loses_prepared {
            self.observed.prepared.clear();
        }
        if self.begun {
            self.attempt_failed();
        }
    }

    /// Nothing runs any more, and what is known is known still.
    pub(super) fn end_all(&mut self) {
        self.observed.instances.clear();
        self.served.clear();
    }

    fn attempt_failed(&mut self) {
        self.begun = false;
        if self.fallback.is_some() {
            match self.is_full {
                true => self.unkept += 1,
                false => self.attempts += 1,
            }
            self.pausing = !self.failed();
        }
    }

    pub(super) fn judge(&mut self) {
        let Some(target) = self.target().filter(|_| !self.good && !self.is_left_alone) else {
            return;
        };
        match verdict(&target, &self.observed.instances) {
            Verdict::Ongoing => {}
            // Until it is kept, nobody goes by it.
            Verdict::Good if self.is_full => {}
            Verdict::Good => (self.good, self.begun, self.fallback) = (true, false, None),
            Verdict::Failed { .. } => self.attempt_failed(),
        }
    }

    /// Takes up to so many of the steps of one plan, in the order that `shuffle` draws.
    pub(super) fn round(&mut self, shuffle: u64, take: usize) {
        let mut steps = self.steps();
        steps.sort_by_key(|step| mixed(step, shuffle));
        let before = self.observed.clone();
        for step in steps.iter().take(take) {
            self.take(step, &before);
            self.watch();
        }
    }

    fn take(&mut self, step: &Step, before: &Observed) {
        match step {
            Step::Prepare { service, fingerprint } => {
                let is_new = self.observed.prepared.insert((service.clone(), *fingerprint));
                assert!(is_new, "prepared twice: {service}");
            }
            Step::Stop { run } => {
                self.may_stop(run);
                self.observed.instances.remove(run).expect("stops only what is there");
            }
            Step::Start { run } => self.start(run, before),
            Step::Remove { service, fingerprint } => {
                let is_used = |run: &RunId| run.instance.service == *service && run.fingerprint == *fingerprint;
                assert!(
                    !self.observed.instances.keys().any(is_used),
                    "removes what an instance uses"
                );
                let mut wanted = self
                    .candidate
                    .iter()
                    .chain(&self.fallback)
                    .filter_map(|it| it.get(service));
                assert!(
                    !wanted.any(|goal| goal.fingerprint == *fingerprint),
                    "removes what is wanted"
                );
                assert!(self.observed.prepared.remove(&(service.clone(), *fingerprint)));
            }
        }
    }

    fn may_stop(&self, run: &RunId) {
        let is_of = |generation: &Option<Arc<Generation>>| {
            let goal = generation.as_ref().and_then(|it| it.get(&run.instance.service));
            goal.is_some_and(|goal| goal.wants(run))
        };
        let of_both = is_of(&self.candidate) && (self.fallback.is_none() || is_of(&self.fallback));
        assert!(!of_both, "stops {run}, which is as wanted");
        assert!(!self.is_held(), "stops {run}, which may be wanted");
        assert!(
            !(self.blurs_candidate && is_of(&self.fallback)),
            "stops {run} for nobody knows what"
        );
    }

    fn start(&mut self, run: &RunId, before: &Observed) {
        let id = &run.instance.service;
        let goal = self.goal(id, run.fingerprint).clone();
        assert!(
            before.prepared.contains(&(id.clone(), run.fingerprint)),
            "{run} is not prepared"
        );
        let of = [&self.candidate, &self.fallback].into_iter().flatten();
        let mut of = of.filter(|generation| generation.get(id).is_some_and(|goal| goal.wants(run)));
        let is_called_for = |generation: &Arc<Generation>| {
            generation[id].depends_on.iter().all(|(on, condition)| {
                let runs = wanted(generation).into_iter().filter(|run| run.instance.service == *on);
                runs.map(|run| before.instances.get(&run))
                    .all(|seen| seen.is_some_and(|seen| seen.state.meets(*condition)))
            })
        };
        assert!(of.any(is_called_for), "{run} too early");
        let seen = Seen {
            state: State::Starting,
            trial: Trial::Ongoing,
            depends_on: goal.depends_on.keys().cloned().collect(),
        };
        assert!(
            self.observed.instances.insert(run.clone(), seen).is_none(),
            "{run} is there already"
        );
        let is_before = self
            .fallback
            .as_ref()
            .and_then(|it| it.get(id))
            .is_some_and(|goal| goal.wants(run));
        let ended = |seen: &Seen| matches!(seen.state, State::Ended { .. });
        let mine = self
            .observed
            .instances
            .iter()
            .filter(|(it, _)| id.runs(run.fingerprint, it));
        let busy = mine.filter(|(_, seen)| !ended(seen)).count();
        let of = [&self.candidate, &self.fallback].into_iter().flatten();
        let goals = of.filter_map(|it| it.get(id)).filter(|goal| goal.wants(run));
        let most = goals.map(|goal| goal.job.map_or(u32::MAX, |job| job.parallelism)).max();
        assert!(busy <= most.unwrap_or(0) as usize, "too many of {id} run at once");
        self.begun |= !self.good && !is_before && !self.is_full;
    }

    /// What supervision does to one run in a moment.
    pub(super) fn grow(&mut self, nth: usize) {
        let Some(run) = self.observed.instances.keys().nth(nth).cloned() else {
            return;
        };
        let goal = self.goal(&run.instance.service, run.fingerprint).clone();
        let is_init = run.instance.service.service.as_str() == "init";
        let completes = goal.job.is_some() || is_init;
        let seen = self.observed.instances.get_mut(&run).unwrap();
        seen.state = match seen.state {
            State::Starting if is_version(&goal, BAD) => State::Restarting,
            State::Starting => State::Running(Fitness::Started),
            State::Running(Fitness::Started) => State::Running(Fitness::Ready),
            State::Running(Fitness::Ready | Fitness::Healthy) if completes => State::Ended { success: true },
            State::Running(Fitness::Ready) => State::Running(Fitness::Healthy),
            state => state,
        };
        seen.trial = match seen.state {
            State::Restarting => Trial::Failed,
            State::Running(Fitness::Healthy) | State::Ended { .. } => Trial::Passed,
            _ => seen.trial,
        };
        self.watch();
    }

    /// What holds at every moment.
    fn watch(&mut self) {
        let healthy = |seen: &Seen| {
            matches!(
                seen.state,
                State::Running(Fitness::Healthy) | State::Ended { success: true }
            )
        };
        let runs = &self.observed.instances;
        let serving: BTreeSet<ServiceId> = runs
            .iter()
            .filter(|(_, seen)| healthy(seen))
            .map(|(run, _)| run.instance.service.clone())
            .collect();
        for (id, goal) in self.candidate.iter().flat_map(|candidate| candidate.iter()) {
            let mine = || runs.iter().filter(|(run, _)| run.instance.service == *id);
            let before = self.fallback.as_ref().and_then(|fallback| fallback.get(id));
            if goal.strategy == Strategy::Restart {
                let versions: BTreeSet<_> = mine().map(|(run, _)| run.fingerprint).collect();
                let ours = |it: &crate::Fingerprint| {
                    *it == goal.fingerprint || before.is_some_and(|goal| goal.fingerprint == *it)
                };
                assert!(
                    versions.iter().filter(|it| ours(it)).count() < 2,
                    "two versions of {id} are beside each other"
                );
            }
            let is_of_both = before.is_some_and(|before| {
                before.strategy != Strategy::Restart && before.count() > 0 && before.job == goal.job
            });
            if is_of_both && goal.strategy != Strategy::Restart && goal.count() > 0 && goal.job.is_none() {
                assert!(
                    !self.served.contains(id) || serving.contains(id),
                    "nothing of {id} is healthy any more"
                );
            }
        }
        // What was to run no more owes nothing, though it is wanted again later.
        let wanted = |id: &ServiceId| self.candidate.as_ref()?.get(id);
        let is_kept = |id: &ServiceId| wanted(id).is_some_and(|goal| goal.count() > 0);
        self.served.retain(is_kept);
        self.served.extend(serving);
    }

    /// Goes on until nothing happens any more.
    pub(super) fn settle(&mut self, shuffle: u64) {
        for round in 0..400_u64 {
            let before = (self.observed.clone(), self.good, self.failed());
            self.pausing = false;
            self.round(shuffle.wrapping_add(round), usize::MAX);
            (0..self.observed.instances.len()).for_each(|nth| self.grow(nth));
            self.judge();
            if !self.pausing && before == (self.observed.clone(), self.good, self.failed()) {
                return;
            }
        }
        panic!("does not settle: {:?} in {self:?}", self.steps());
    }
}

fn mixed(step: &Step, shuffle: u64) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (step, shuffle).hash(&mut hasher);
    hasher.finish()
}
