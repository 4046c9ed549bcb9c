//! One application: what is wanted of it, what is there, and what follows.

use std::collections::{BTreeMap, BTreeSet};

use aerolith_model::{AppName, Strategy};

use super::Step;
use crate::fingerprint::Fingerprint;
use crate::goals::{Generation, Goal, Goals, Target};
use crate::id::{RunId, ServiceId};
use crate::observed::{Observed, Seen, State, Trial};

static NOTHING: Generation = Generation::new();

type Run<'a> = (&'a RunId, &'a Seen);
type Version<'a> = (&'a ServiceId, Fingerprint);

pub(super) struct Scene<'a> {
    candidate: &'a Generation,
    fallback: Option<&'a Generation>,
    withheld: bool,
    pub(super) known: Known,
    keep: &'a BTreeSet<(ServiceId, Fingerprint)>,
    /// Whether all of the candidate can be started, or has been.
    is_ready: bool,
    runs: BTreeMap<&'a ServiceId, Vec<Run<'a>>>,
    prepared: BTreeSet<Version<'a>>,
}

/// Of how much the fingerprints are known for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    /// Not of what is put back, or of the only version that there is.
    Nothing,
    /// Not of the candidate.
    Fallback,
    All,
}

impl Known {
    /// What is prepared under a fingerprint has it for sure.
    fn of(target: &Target, observed: &Observed) -> Self {
        let is_prepared = |id: &ServiceId, goal: &Goal| observed.prepared.contains(&(id.clone(), goal.fingerprint));
        let is_known = |generation: &Generation| {
            let mut goals = generation.iter();
            goals.all(|(id, goal)| goal.is_resolved || is_prepared(id, goal))
        };
        match (is_known(&target.candidate), target.fallback.as_deref().map(is_known)) {
            (_, Some(false)) | (false, None) => Self::Nothing,
            (false, Some(true)) => Self::Fallback,
            (true, Some(true) | None) => Self::All,
        }
    }
}

/// Every application that is wanted or of which something is there, each with what is of it.
pub(super) fn scenes<'a>(goals: &'a Goals, observed: &'a Observed) -> impl Iterator<Item = Scene<'a>> {
    let mut scenes: BTreeMap<&AppName, Scene<'a>> = BTreeMap::new();
    let unwanted = |_: &&AppName| Scene::of(&NOTHING, goals);
    for (name, target) in &goals.applications {
        let scene = Scene {
            fallback: target.fallback.as_deref(),
            withheld: target.withheld,
            known: Known::of(target, observed),
            ..Scene::of(&target.candidate, goals)
        };
        scenes.insert(name, scene);
    }
    for (run, seen) in &observed.instances {
        let service = &run.instance.service;
        let name = &service.application;
        let scene = scenes.entry(name).or_insert_with_key(unwanted);
        scene.runs.entry(service).or_default().push((run, seen));
    }
    for (service, fingerprint) in &observed.prepared {
        let name = &service.application;
        let scene = scenes.entry(name).or_insert_with_key(unwanted);
        scene.prepared.insert((service, *fingerprint));
    }
    scenes.into_values().map(|mut scene| {
        scene.is_ready = scene.known == Known::All && scene.can_begin();
        scene
    })
}

impl<'a> Scene<'a> {
    fn of(candidate: &'a Generation, goals: &'a Goals) -> Self {
        Self {
            candidate,
            fallback: None,
            withheld: false,
            known: Known::All,
            keep: &goals.keep,
            is_ready: false,
            runs: BTreeMap::new(),
            prepared: BTreeSet::new(),
        }
    }

    /// What is wanted is prepared, and so is what may be wanted again.
    pub(super) fn prepare(&self, steps: &mut Vec<Step>) {
        let candidate = Some(self.candidate).filter(|_| !self.withheld);
        let goals = candidate.into_iter().chain(self.fallback).flatten();
        let missing = goals.filter(|(id, goal)| goal.count() > 0 && !self.is_prepared(id, goal));
        steps.extend(missing.map(|(id, goal)| Step::Prepare {
            service: id.clone(),
            fingerprint: goal.fingerprint,
        }));
    }

    /// Among all instances that may stop, those go first on which no other of them depends; if they depend on each other in
    /// a circle, as instances of different versions can, all go at once.
    pub(super) fn stop(&self, steps: &mut Vec<Step>) {
        let Some(active) = self.active() else { return };
        let mut doomed = Vec::new();
        for (id, runs) in &self.runs {
            let fates = self.fates(active, id);
            doomed.extend(runs.iter().filter(|run| fates.may_stop(run)));
        }
        let needed: BTreeSet<&ServiceId> = doomed.iter().flat_map(|(_, seen)| &seen.depends_on).collect();
        let is_free = |(run, _): &&Run<'_>| !needed.contains(&run.instance.service);
        let all_at_once = !doomed.iter().any(|run| is_free(&run));
        let now = doomed.iter().filter(|run| all_at_once || is_free(run));
        steps.extend(now.map(|(run, _)| Step::Stop { run: (*run).clone() }));
    }

    pub(super) fn start(&self, steps: &mut Vec<Step>) {
        let Some(active) = self.active() else { return };
        if self.is_at_stake() && !self.is_ready {
            return;
        }
        for (id, goal) in active {
            if self.is_prepared(id, goal) && self.is_called_for(active, goal) && !self.is_in_the_way(id, goal) {
                let absent = (1..=goal.count()).filter(|index| !self.has(id, goal, *index));
                steps.extend(absent.take(self.room(id, goal)).map(|index| Step::Start {
                    run: RunId {
                        instance: id.instance(index),
                        fingerprint: goal.fingerprint,
                    },
                }));
            }
        }
    }

    pub(super) fn remove(&self, steps: &mut Vec<Step>) {
        let is_used = |(id, fingerprint): Version<'_>| self.runs_of(id).any(|(run, _)| run.fingerprint == fingerprint);
        let is_of = |generation: &Generation, (id, fingerprint): Version<'_>| {
            generation.get(id).is_some_and(|goal| goal.fingerprint == fingerprint)
        };
        let is_wanted = |version| is_of(self.candidate, version) || self.fallback.is_some_and(|it| is_of(it, version));
        for version in self.prepared.iter().copied().filter(|v| !is_wanted(*v) && !is_used(*v)) {
            let (service, fingerprint) = (version.0.clone(), version.1);
            if !self.keep.contains(&(service.clone(), fingerprint)) {
                steps.push(Step::Remove { service, fingerprint });
            }
        }
    }

    /// The version that is worked towards. There is none while a first one waits for its time: then nothing is touched.
    fn active(&self) -> Option<&'a Generation> {
        match self.fallback {
            Some(fallback) if self.withheld || !self.is_ready => Some(fallback),
            None if self.withheld => None,
            _ => Some(self.candidate),
        }
    }

    /// Whether all of the candidate is prepared, as far as it does not run already.
    fn can_begin(&self) -> bool {
        let mut goals = self.candidate.iter();
        goals.all(|(id, goal)| self.is_prepared(id, goal) || self.wanted(id, goal).count() == goal.count() as usize)
    }

    /// Whether there are instances that take the place of nothing, and nothing may take theirs before all of it is prepared.
    fn is_at_stake(&self) -> bool {
        let is_other = |id: &ServiceId, run: &RunId| {
            self.candidate
                .get(id)
                .is_none_or(|goal| run.fingerprint != goal.fingerprint)
        };
        let mut runs = self
            .runs
            .iter()
            .flat_map(|(id, runs)| runs.iter().map(move |(run, _)| (*id, *run)));
        self.fallback.is_none() && runs.any(|(id, run)| is_other(id, run))
    }

    fn fates(&self, active: &'a Generation, id: &ServiceId) -> Fates<'a> {
        let of_fallback = self.fallback.and_then(|fallback| fallback.get(id));
        let goal = active.get(id);
        let is_replaced = goal.is_some_and(|goal| match self.is_exclusive(id, goal) {
            true => self.is_called_for(active, goal),
            false => self.stand(id, goal),
        });
        // Where nothing else would be put back, who is wanted need not be any good.
        let is_last = self.fallback.is_none_or(|fallback| std::ptr::eq(fallback, active));
        let is_covered = goal.is_some_and(|goal| is_last && self.is_decided(id, goal))
            || goal.into_iter().chain(of_fallback).any(|goal| self.stand(id, goal));
        Fates {
            goal,
            of_fallback,
            is_replaced,
            others_go: self.fallback.is_some() || self.is_ready,
            others_are_spent: goal.is_none_or(|goal| self.is_exclusive(id, goal)) || is_covered,
        }
    }

    /// Whether no two versions of a service may run together, on the way there or back.
    fn is_exclusive(&self, id: &ServiceId, goal: &Goal) -> bool {
        let candidate = self.candidate.get(id);
        goal.strategy == Strategy::Restart || candidate.is_some_and(|goal| goal.strategy == Strategy::Restart)
    }

    /// Whether another version must be gone first.
    fn is_in_the_way(&self, id: &ServiceId, goal: &Goal) -> bool {
        self.is_exclusive(id, goal) && self.runs_of(id).any(|(run, _)| run.fingerprint != goal.fingerprint)
    }

    /// Whether all that a service waits for is as far as it asks.
    fn is_called_for(&self, generation: &Generation, goal: &Goal) -> bool {
        goal.depends_on.iter().all(|(id, condition)| {
            generation
                .get(id)
                .is_none_or(|goal| self.all(id, goal, |seen| seen.state.meets(*condition)))
        })
    }

    /// Whether all instances have proven themselves, and are up.
    fn stand(&self, id: &ServiceId, goal: &Goal) -> bool {
        self.all(id, goal, Seen::stands)
    }

    /// Whether it is known of all instances if they are any good.
    fn is_decided(&self, id: &ServiceId, goal: &Goal) -> bool {
        self.all(id, goal, |seen| seen.trial != Trial::Ongoing)
    }

    fn all(&self, id: &ServiceId, goal: &Goal, is_so: impl Fn(&Seen) -> bool) -> bool {
        self.wanted(id, goal).filter(|(_, seen)| is_so(seen)).count() == goal.count() as usize
    }

    /// How many more instances may run at once.
    fn room(&self, id: &ServiceId, goal: &Goal) -> usize {
        let ended = |(_, seen): &Run<'_>| matches!(seen.state, State::Ended { .. });
        let busy = self.wanted(id, goal).filter(|run| !ended(run)).count();
        let at_once = goal.job.map_or(usize::MAX, |job| job.parallelism as usize);
        at_once.saturating_sub(busy)
    }

    fn is_prepared(&self, id: &ServiceId, goal: &Goal) -> bool {
        goal.count() == 0 || self.prepared.contains(&(id, goal.fingerprint))
    }

    fn has(&self, id: &ServiceId, goal: &Goal, index: u32) -> bool {
        self.wanted(id, goal).any(|(run, _)| run.instance.index == index)
    }

    /// The runs of a service that shall be.
    fn wanted(&self, id: &ServiceId, goal: &Goal) -> impl Iterator<Item = Run<'a>> {
        self.runs_of(id).filter(move |(run, _)| goal.wants(run))
    }

    fn runs_of(&self, id: &ServiceId) -> impl Iterator<Item = Run<'a>> {
        self.runs.get(id).into_iter().flatten().copied()
    }
}

/// What becomes of the runs of one service.
struct Fates<'a> {
    /// What is worked towards.
    goal: Option<&'a Goal>,
    of_fallback: Option<&'a Goal>,
    /// Whether the fallback's may go, where something takes their place.
    is_replaced: bool,
    /// Whether those of neither version may go at all.
    others_go: bool,
    /// And whether nobody needs them.
    others_are_spent: bool,
}

impl Fates<'_> {
    fn may_stop(&self, (run, seen): &Run<'_>) -> bool {
        let is_of = |goal: Option<&Goal>| goal.is_some_and(|goal| goal.fingerprint == run.fingerprint);
        match self.goal {
            Some(goal) if is_of(Some(goal)) => !goal.wants(run),
            goal if is_of(self.of_fallback) => goal.is_some() && self.is_replaced,
            _ => self.others_go && (self.others_are_spent || seen.has_failed()),
        }
    }
}
