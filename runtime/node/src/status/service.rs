//! How a service is.

use std::collections::BTreeSet;

use aerolith_plan::{Goal, RunId, ServiceId};
use serde::Serialize;

use super::Summary;
use super::chronicle::Subject;
use super::condition::{Aspect, Condition, Reason};
use super::instance::InstanceStatus;
use super::picture::Picture;
use crate::desired::{Desired, lacks_handover};
use crate::driver::Board;
use crate::enforcement::unenforced;
use crate::policy::PackagePolicy;
use crate::rollout::SCHEDULED;
use crate::supervise::{Phase, View};
use crate::workload::engine_kind;

/// How a service is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: Summary,
    /// Why, where something is to be said.
    pub reason: String,
    /// Whether it is prepared and available; of one that is wanted no more the latter alone.
    pub conditions: Vec<Condition>,
    /// Fingerprint of the version wanted; absent when it is wanted no more.
    pub fingerprint: Option<String>,
    /// What is accepted of it though it should be better, and what was found edited on disk.
    pub warnings: Vec<String>,
    /// Instances wanted.
    pub replicas: u32,
    /// Its instances.
    pub instances: Vec<InstanceStatus>,
}

/// What is wanted of a service.
struct Wanted<'a> {
    /// In the newest version of its application.
    goal: Option<&'a Goal>,
    /// In the version that is to run now, which may be the one before.
    to_run: Option<&'a Goal>,
    /// What it waits for.
    waits: Option<&'a str>,
}

impl Wanted<'_> {
    /// How many instances there shall be now, or once it may start; nothing where no version has it.
    fn count(&self) -> Option<usize> {
        self.to_run.or(self.goal).map(|goal| goal.count() as usize)
    }
}

impl ServiceStatus {
    /// The condition about something, where there is one.
    pub(super) fn about(&self, aspect: Aspect) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.aspect == aspect)
    }

    pub(super) fn subjects(&mut self, application: &str) -> impl Iterator<Item = (Subject, &mut [Condition])> {
        let subject = Subject::Service(application.to_owned(), self.name.clone());
        let own = (subject, self.conditions.as_mut_slice());
        std::iter::once(own).chain(self.instances.iter_mut().map(InstanceStatus::subject))
    }
}

impl Picture<'_> {
    pub(super) fn service(&self, id: &ServiceId) -> ServiceStatus {
        let goal = self.goals.get(id).copied();
        let mine = self.instances.get(id).map(Vec::as_slice).unwrap_or_default();
        let instances: Vec<InstanceStatus> = mine.iter().map(|(run, view)| InstanceStatus::of(run, view)).collect();
        let waits = goal.and_then(|goal| self.waits(id, goal));
        let wanted = Wanted {
            goal,
            to_run: self.to_run(id),
            waits: waits.as_deref(),
        };
        let (state, reason) = summary(self.board, id, &wanted, &instances);
        let edited = mine
            .iter()
            .filter_map(|(run, view)| Some(format!("{}: {}", run.instance, view.edited.as_ref()?)));
        let in_vain = goal.and_then(|goal| self.in_vain(goal, mine));
        let mut conditions = conditions(self.board, id, &wanted, &instances);
        conditions.extend(in_vain.as_deref().map(enforced));
        let promised = goal.map(|goal| warnings(self.board.candidate(&id.application), self.policy, goal));
        ServiceStatus {
            name: id.service.to_string(),
            state,
            reason,
            conditions,
            fingerprint: goal.map(|goal| goal.fingerprint.to_string()),
            warnings: promised
                .into_iter()
                .flatten()
                .chain(in_vain.unwrap_or_default())
                .chain(edited)
                .collect(),
            replicas: goal.map_or(0, Goal::count),
            instances,
        }
    }
}

impl Picture<'_> {
    /// What a service asks of its engine in vain, where that is there.
    fn in_vain(&self, goal: &Goal, instances: &[(&RunId, &View)]) -> Option<Vec<String>> {
        let features = self.board.desired.engines.get(&engine_kind(goal))?;
        let running = instances.iter().filter(|(run, _)| run.fingerprint == goal.fingerprint);
        let told: BTreeSet<String> = running.flat_map(|(_, view)| view.unenforced.iter().cloned()).collect();
        let told: Vec<String> = told.into_iter().collect();
        Some(unenforced(&goal.service, &goal.volumes, features, &told))
    }
}

/// Whether the engine keeps to all that a service declares.
fn enforced(in_vain: &[String]) -> Condition {
    match in_vain {
        [] => Condition::is(Aspect::Enforced, Reason::Enforced),
        reasons => Condition::is_not(Aspect::Enforced, Reason::NotEnforced, reasons.join("; ")),
    }
}

fn conditions(board: &Board, id: &ServiceId, wanted: &Wanted<'_>, instances: &[InstanceStatus]) -> Vec<Condition> {
    let prepared = wanted.goal.map(|goal| prepared(board, id, goal));
    let available = match wanted.count() {
        Some(count) => available(count, prepared.as_ref(), wanted.waits, instances),
        None => Condition::is_not(Aspect::Available, Reason::Removing, "it is wanted no more"),
    };
    prepared.into_iter().chain([available]).collect()
}

/// Of what is not to run nothing is fetched.
fn prepared(board: &Board, id: &ServiceId, goal: &Goal) -> Condition {
    if goal.count() == 0 {
        return Condition::is(Aspect::Prepared, Reason::NoneWanted);
    }
    let version = (id.clone(), goal.fingerprint);
    let trouble = board.troubles.get(&version);
    if let Some(trouble) = trouble.filter(|trouble| !trouble.is_reconsidered) {
        let reason = match trouble.refused {
            true => Reason::Refused,
            false => Reason::PreparationFailed,
        };
        return Condition::is_not(Aspect::Prepared, reason, &trouble.reason).tried_at(trouble.again_at_ms);
    }
    let is_prepared = board.prepared.contains_key(&version) && !board.preparing.contains(&version);
    match (is_prepared, scheduled_ms(board, id)) {
        (true, _) => Condition::is(Aspect::Prepared, Reason::Prepared),
        _ if goal.count() == 0 => Condition::is(Aspect::Prepared, Reason::NoneWanted),
        (false, Some(at)) => Condition::is_not(Aspect::Prepared, Reason::Scheduled, SCHEDULED).tried_at(Some(at)),
        (false, None) => {
            let why = trouble.map_or("", |trouble| trouble.reason.as_str());
            Condition::is_not(Aspect::Prepared, Reason::Preparing, why)
        }
    }
}

/// Milliseconds since 1970 of the time that the version of a service waits for.
fn scheduled_ms(board: &Board, id: &ServiceId) -> Option<u64> {
    board.courses.get(&id.application)?.scheduled_ms()
}

fn available(
    wanted: usize,
    prepared: Option<&Condition>,
    waits: Option<&str>,
    instances: &[InstanceStatus],
) -> Condition {
    let serving = instances.iter().filter(|instance| instance.serves()).count();
    if serving >= wanted {
        let done = |instance: &InstanceStatus| instance.state == Phase::Completed;
        let reason = match wanted {
            0 => Reason::NoneWanted,
            _ if instances.iter().all(done) => Reason::Completed,
            _ => Reason::Available,
        };
        return Condition::is(Aspect::Available, reason);
    }
    let count = format!("{serving} of {wanted} ready");
    let unready = instances.iter().filter(|instance| !instance.serves());
    let worst = unready.max_by_key(|instance| of_phase(instance.state));
    if let Some((instance, ready)) = worst.and_then(|instance| Some((instance, instance.ready()?))) {
        let message = match ready.message.as_str() {
            "" => count,
            why => format!("{count}; {}: {why}", instance.id),
        };
        return Condition::is_not(Aspect::Available, ready.reason, message).tried_at(ready.next_try_ms);
    }
    match (prepared.filter(|prepared| !prepared.holds()), waits) {
        (Some(prepared), _) => {
            Condition::is_not(Aspect::Available, prepared.reason, &prepared.message).tried_at(prepared.next_try_ms)
        }
        (None, Some(waits)) => Condition::is_not(Aspect::Available, Reason::Waiting, waits),
        (None, None) => Condition::is_not(Aspect::Available, Reason::Starting, count),
    }
}

/// The objects that a service is made of and of which nothing is promised, or whose signature nobody checks.
fn warnings(desired: &Desired, policy: &PackagePolicy, goal: &Goal) -> Vec<String> {
    let used = desired.used_by(goal);
    let objects = used.flat_map(|(c, _)| c.objects().map(move |(key, object)| (&c.name, key, object)));
    let mut warnings = Vec::new();
    if lacks_handover(goal) {
        warnings
            .push("its engine cannot hand sockets over: a new version is started once the old one has stopped".into());
    }
    for (name, key, object) in objects {
        if !object.has_digest() {
            warnings.push(format!(
                "object `{key}` of `{name}` has no digest: whatever came first is taken for it; add its sha256"
            ));
        }
        if policy.leaves_unchecked(object) {
            warnings.push(format!(
                "the signature of object `{key}` of `{name}` is not checked: no key is trusted; name a folder of keys by \
                 `packages.trust` in aerolith.yml"
            ));
        }
    }
    warnings
}

fn summary(board: &Board, id: &ServiceId, wanted: &Wanted<'_>, instances: &[InstanceStatus]) -> (Summary, String) {
    let worst = instances
        .iter()
        .map(|i| (of_phase(i.state), &i.reason))
        .max_by_key(|(state, _)| *state);
    let observed = worst.map(|(state, reason)| (state, reason.clone()));
    let Some(goal) = wanted.goal else {
        let observed = observed.unwrap_or((Summary::Starting, String::new()));
        return match wanted.to_run {
            Some(_) => observed,
            // Whatever its instances do, or did before, what becomes of it is its end.
            None => (Summary::Stopping, observed.1),
        };
    };
    let version = (id.clone(), goal.fingerprint);
    let trouble = board.troubles.get(&version);
    if let Some(trouble) = trouble.filter(|trouble| !trouble.is_reconsidered) {
        return (Summary::Failed, trouble.reason.clone());
    }
    let is_prepared = board.prepared.contains_key(&version) && !board.preparing.contains(&version);
    if goal.count() > 0 && !is_prepared {
        return match scheduled_ms(board, id) {
            Some(_) => observed.unwrap_or((Summary::Waiting, SCHEDULED.into())),
            None => (Summary::Preparing, String::new()),
        };
    }
    match observed {
        Some(observed) if instances.len() >= goal.count() as usize => observed,
        None if goal.count() == 0 => (Summary::Running, "no instance is wanted".into()),
        _ => wanted.waits.map_or((Summary::Starting, String::new()), |waits| {
            (Summary::Waiting, waits.to_owned())
        }),
    }
}

const fn of_phase(phase: Phase) -> Summary {
    match phase {
        Phase::Completed => Summary::Completed,
        Phase::Running => Summary::Running,
        Phase::Recovering | Phase::Starting => Summary::Starting,
        Phase::Stopping => Summary::Stopping,
        Phase::Waiting => Summary::Waiting,
        Phase::Restarting => Summary::Restarting,
        Phase::Failed => Summary::Failed,
    }
}
