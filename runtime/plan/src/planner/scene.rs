//! One application: what is wanted of it, what is there, and what follows.

mod part;

use std::collections::{BTreeMap, BTreeSet};

use aerolith_model::{AppName, ServiceName};

use super::Step;
use crate::fingerprint::Fingerprint;
use crate::goals::{Generation, Goal, Goals, Target};
use crate::id::{RunId, ServiceId};
use crate::observed::{Observed, Trial};
use part::{Part, Run, Side};

pub(super) struct Scene<'a> {
    has_fallback: bool,
    withheld: bool,
    pub(super) known: Known,
    keep: &'a BTreeSet<(ServiceId, Fingerprint)>,
    /// Whether all of the candidate can be started, or has been.
    is_ready: bool,
    parts: BTreeMap<&'a ServiceName, Part<'a>>,
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
    for (name, target) in &goals.applications {
        let mut scene = Scene::of(goals);
        scene.withheld = target.withheld;
        scene.has_fallback = target.fallback.is_some();
        scene.known = Known::of(target, observed);
        scene.wants(&target.candidate, |part, goal| part.candidate = Some(goal));
        if let Some(fallback) = &target.fallback {
            scene.wants(fallback, |part, goal| part.fallback = Some(goal));
        }
        scenes.insert(name, scene);
    }
    // All of an application stands together.
    let runs: Vec<Run<'a>> = observed.instances.iter().collect();
    for mine in runs.chunk_by(|(a, _), (b, _)| a.instance.service.application == b.instance.service.application) {
        let scene = scene_of(&mut scenes, goals, &mine[0].0.instance.service);
        for (run, seen) in mine {
            scene.part(&run.instance.service).runs.push((run, seen));
        }
    }
    let prepared: Vec<&'a (ServiceId, Fingerprint)> = observed.prepared.iter().collect();
    for mine in prepared.chunk_by(|a, b| a.0.application == b.0.application) {
        let scene = scene_of(&mut scenes, goals, &mine[0].0);
        for (service, fingerprint) in mine {
            scene.part(service).prepared.push(*fingerprint);
        }
    }
    scenes.into_values().map(|mut scene| {
        scene.is_ready = scene.known == Known::All && scene.can_begin();
        scene
    })
}

fn scene_of<'a, 's>(
    scenes: &'s mut BTreeMap<&'a AppName, Scene<'a>>,
    goals: &'a Goals,
    service: &'a ServiceId,
) -> &'s mut Scene<'a> {
    scenes.entry(&service.application).or_insert_with(|| Scene::of(goals))
}

impl<'a> Scene<'a> {
    fn of(goals: &'a Goals) -> Self {
        Self {
            has_fallback: false,
            withheld: false,
            known: Known::All,
            keep: &goals.keep,
            is_ready: false,
            parts: BTreeMap::new(),
        }
    }

    fn wants(&mut self, generation: &'a Generation, want: fn(&mut Part<'a>, &'a Goal)) {
        for (id, goal) in generation {
            want(self.part(id), goal);
        }
    }

    fn part(&mut self, id: &'a ServiceId) -> &mut Part<'a> {
        self.parts.entry(&id.service).or_insert_with(|| Part::of(id))
    }

    /// What is wanted is prepared, and so is what may be wanted again.
    pub(super) fn prepare(&self, steps: &mut Vec<Step>) {
        for part in self.parts.values() {
            let candidate = part.candidate.filter(|_| !self.withheld);
            let goals = candidate.into_iter().chain(part.fallback);
            let missing = goals.filter(|goal| !part.is_prepared(goal));
            steps.extend(missing.map(|goal| Step::Prepare {
                service: part.id.clone(),
                fingerprint: goal.fingerprint,
            }));
        }
    }

    /// Among all instances that may stop, those go first on which no other of them depends; if they depend on each other in
    /// a circle, as instances of different versions can, all go at once.
    pub(super) fn stop(&self, steps: &mut Vec<Step>) {
        let Some(side) = self.active() else { return };
        let mut doomed = Vec::new();
        for part in self.parts.values().filter(|part| !part.runs.is_empty()) {
            let fates = self.fates(side, part);
            doomed.extend(part.runs.iter().filter(|run| fates.may_stop(run)));
        }
        let needed: BTreeSet<&ServiceId> = doomed.iter().flat_map(|(_, seen)| &seen.depends_on).collect();
        let is_free = |(run, _): &&Run<'_>| !needed.contains(&run.instance.service);
        let all_at_once = !doomed.iter().any(|run| is_free(&run));
        let now = doomed.iter().filter(|run| all_at_once || is_free(run));
        steps.extend(now.map(|(run, _)| Step::Stop { run: (*run).clone() }));
    }

    pub(super) fn start(&self, steps: &mut Vec<Step>) {
        let Some(side) = self.active() else { return };
        if !self.is_ready && self.is_at_stake() {
            return;
        }
        for part in self.parts.values() {
            let Some(goal) = part.of_side(side).filter(|goal| !part.is_whole(goal)) else {
                continue;
            };
            if part.is_prepared(goal) && self.is_called_for(side, goal) && !part.is_in_the_way(goal) {
                let absent = (1..=goal.count()).filter(|index| !part.has(goal, *index));
                steps.extend(absent.take(part.room(goal)).map(|index| Step::Start {
                    run: RunId {
                        instance: part.id.instance(index),
                        fingerprint: goal.fingerprint,
                    },
                }));
            }
        }
    }

    pub(super) fn remove(&self, steps: &mut Vec<Step>) {
        for part in self.parts.values() {
            for fingerprint in part.prepared.iter().copied().filter(|one| part.is_spent(*one)) {
                let service = part.id.clone();
                if !self.keep.contains(&(service.clone(), fingerprint)) {
                    steps.push(Step::Remove { service, fingerprint });
                }
            }
        }
    }

    /// The version that is worked towards. There is none while a first one waits for its time: then nothing is touched.
    fn active(&self) -> Option<Side> {
        match self.has_fallback {
            true if self.withheld || !self.is_ready => Some(Side::Fallback),
            false if self.withheld => None,
            _ => Some(Side::Candidate),
        }
    }

    /// Whether all of the candidate is prepared, as far as it does not run already.
    fn can_begin(&self) -> bool {
        let mut parts = self.parts.values();
        parts.all(|part| {
            part.candidate
                .is_none_or(|goal| part.is_prepared(goal) || part.is_whole(goal))
        })
    }

    /// Whether there are instances that take the place of nothing, and nothing may take theirs before all of it is prepared.
    fn is_at_stake(&self) -> bool {
        let mut parts = self.parts.values();
        !self.has_fallback && parts.any(Part::has_others)
    }

    fn fates(&self, side: Side, part: &Part<'a>) -> Fates<'a> {
        let goal = part.of_side(side);
        let is_replaced = goal.is_some_and(|goal| match part.is_exclusive(goal) {
            true => self.is_called_for(side, goal),
            false => part.stands(goal),
        });
        // Where nothing else would be put back, who is wanted need not be any good.
        let is_last = !self.has_fallback || side == Side::Fallback;
        let is_decided = |goal| part.all(goal, |seen| seen.trial != Trial::Ongoing);
        let is_covered = goal.is_some_and(|goal| is_last && is_decided(goal))
            || goal.into_iter().chain(part.fallback).any(|goal| part.stands(goal));
        Fates {
            goal,
            of_fallback: part.fallback,
            is_replaced,
            others_go: self.has_fallback || self.is_ready,
            others_are_spent: goal.is_none_or(|goal| part.is_exclusive(goal)) || is_covered,
        }
    }

    /// Whether all that a service waits for is as far as it asks.
    fn is_called_for(&self, side: Side, goal: &Goal) -> bool {
        goal.depends_on.iter().all(|(id, condition)| {
            let part = self.parts.get(&id.service);
            let awaited = part.and_then(|part| Some((part, part.of_side(side)?)));
            awaited.is_none_or(|(part, goal)| part.all(goal, |seen| seen.state.meets(*condition)))
        })
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
