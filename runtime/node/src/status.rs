//! How the node is, for people and programs.

use std::collections::BTreeSet;
use std::sync::Arc;

use aerolith_plan::{Goal, InstanceId, ServiceId};
use aerolith_plugin_wire::engine::Exit;
use serde::Serialize;

use crate::desired::{Desired, lacks_handover};
use crate::driver::{Board, Works, subject};
use crate::policy::PackagePolicy;
use crate::state::Damaged;
use crate::supervise::{Phase, Watched};

/// How the node is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// Revision of the desired state in force.
    pub revision: u64,
    /// Every application that is desired, or of which something is left still.
    pub applications: Vec<ApplicationStatus>,
    /// Files of the state that could not be read.
    pub damaged: Vec<Damaged>,
    /// What the disk refuses. What runs goes on running.
    pub disk: Vec<String>,
}

/// How an application is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// Its name.
    pub name: String,
    /// Its version text; empty where nobody gave one.
    pub version: String,
    /// That of its service that is worst off.
    pub state: Condition,
    /// Why, where something is to be said.
    pub reason: String,
    /// Whether it stays so until something happens: nothing is being done for it, and nothing waits for its time.
    pub settled: bool,
    /// Its services.
    pub services: Vec<ServiceStatus>,
}

/// How a service is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: Condition,
    /// Why, where something is to be said.
    pub reason: String,
    /// Fingerprint of the version wanted; absent when it is wanted no more.
    pub fingerprint: Option<String>,
    /// What is accepted of it though it should be better, and what was found edited on disk.
    pub warnings: Vec<String>,
    /// Instances wanted.
    pub replicas: u32,
    /// Its instances.
    pub instances: Vec<InstanceStatus>,
}

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// `application.service.index`.
    pub id: String,
    /// What it does.
    pub state: Phase,
    /// Why, where something is to be said.
    pub reason: String,
    /// Milliseconds since 1970 of the last change of state.
    pub since_ms: u64,
    /// Its first process, where known.
    pub pid: Option<u32>,
    /// Restarts since it was first started.
    pub restarts: u64,
    /// How it ended last.
    pub exit: Option<Exit>,
    /// Fingerprint of the version that it runs.
    pub fingerprint: String,
}

/// What a service or an application does; the later, the more it wants attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Condition {
    /// Did what it was to do.
    Completed,
    /// Runs as wanted; so does a service of which nothing is wanted.
    Running,
    /// Is being started.
    Starting,
    /// Is being stopped.
    Stopping,
    /// Is being fetched and unpacked.
    Preparing,
    /// Waits for another service.
    Waiting,
    /// Ended, and is started again in a moment.
    Restarting,
    /// Cannot be prepared, or ended and is not started again. What ran before runs still.
    Failed,
    /// Is left as it is, because its description cannot be used.
    Held,
}

pub(crate) fn status(works: &Works) -> NodeStatus {
    let damaged = works.foundation.state().damaged().to_vec();
    let watched = works.supervisor.all();
    let board = works.board();
    let mut names: Vec<String> = board
        .desired
        .wanted()
        .map(|(id, _)| id)
        .map(|id| id.application.to_string())
        .collect();
    names.extend(board.desired.held.keys().cloned());
    names.extend(watched.iter().map(|w| w.run.instance.service.application.to_string()));
    names.extend(board.prepared.keys().map(|(id, _)| id.application.to_string()));
    let of_kind = |id: &&crate::state::ResourceId| id.kind == aerolith_model::ResourceKind::Application;
    names.extend(board.desired.resources.keys().filter(of_kind).map(|id| id.name.clone()));
    names.sort();
    names.dedup();
    let node = works.foundation.0.settings.node.clone();
    let disk = board
        .troubles
        .values()
        .filter(|trouble| trouble.disk)
        .map(|trouble| trouble.reason.clone());
    let disk = disk.chain(board.unclean.clone()).collect();
    let busy = busy(works, &board, &watched);
    let policy = works.preparer.downloads.policy();
    let applications = names
        .iter()
        .map(|name| application(&board, policy, &watched, &busy, name))
        .collect();
    NodeStatus {
        node,
        revision: board.desired.revision,
        applications,
        damaged,
        disk,
    }
}

/// The applications for which something is being done, or will be by itself.
fn busy(works: &Works, board: &Board, watched: &[Arc<Watched>]) -> BTreeSet<String> {
    let steps = board.steps(&board.desired, &works.supervisor);
    let moving = watched
        .iter()
        .filter(|w| !matches!(w.view().phase, Phase::Running | Phase::Completed | Phase::Failed));
    let ids = steps
        .iter()
        .map(subject)
        .chain(board.preparing.iter().map(|(id, _)| id));
    let ids = ids.chain(moving.map(|w| &w.run.instance.service));
    let open = board.courses.iter().filter(|(_, course)| course.is_open());
    ids.map(|id| id.application.to_string())
        .chain(open.map(|(name, _)| name.to_string()))
        .collect()
}

fn application(
    board: &Board,
    policy: &PackagePolicy,
    watched: &[Arc<Watched>],
    busy: &BTreeSet<String>,
    name: &str,
) -> ApplicationStatus {
    let known = watched.iter().map(|w| &w.run.instance.service);
    let known = known.chain(board.prepared.keys().map(|(id, _)| id));
    let mut ids: Vec<&ServiceId> = board.desired.wanted().map(|(id, _)| id).chain(known).collect();
    ids.retain(|id| id.application.as_str() == name);
    ids.sort();
    ids.dedup();
    let services: Vec<ServiceStatus> = ids.into_iter().map(|id| service(board, policy, watched, id)).collect();
    let worst = services.iter().max_by_key(|service| service.state);
    let (state, reason) = match (board.desired.held.get(name), worst) {
        (Some(reason), _) => (Condition::Held, reason.clone()),
        (None, Some(worst)) if worst.reason.is_empty() => (worst.state, String::new()),
        (None, Some(worst)) => (worst.state, format!("{}: {}", worst.name, worst.reason)),
        (None, None) => (Condition::Running, String::new()),
    };
    let version = board
        .desired
        .application(name)
        .map_or_else(String::new, |a| a.version.clone());
    ApplicationStatus {
        name: name.to_owned(),
        version,
        state,
        reason,
        settled: !busy.contains(name),
        services,
    }
}

fn service(board: &Board, policy: &PackagePolicy, watched: &[Arc<Watched>], id: &ServiceId) -> ServiceStatus {
    let goal = board.desired.goal(id);
    let mine = watched.iter().filter(|w| w.run.instance.service == *id);
    let mut instances: Vec<InstanceStatus> = mine.map(|w| instance(w)).collect();
    instances.sort_by_key(|instance| instance.id.parse::<InstanceId>().map_or(0, |id| id.index));
    let (state, reason) = condition(board, id, goal, &instances);
    let edited = watched.iter().filter(|w| w.run.instance.service == *id);
    let edited = edited.filter_map(|w| Some(format!("{}: {}", w.run.instance, w.view().edited?)));
    let promised = goal
        .map(|goal| warnings(&board.desired, policy, goal))
        .unwrap_or_default();
    ServiceStatus {
        name: id.service.to_string(),
        state,
        reason,
        fingerprint: goal.map(|goal| goal.fingerprint.to_string()),
        warnings: promised.into_iter().chain(edited).collect(),
        replicas: goal.map_or(0, Goal::count),
        instances,
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

fn condition(board: &Board, id: &ServiceId, goal: Option<&Goal>, instances: &[InstanceStatus]) -> (Condition, String) {
    let worst = instances
        .iter()
        .map(|i| (of_phase(i.state), &i.reason))
        .max_by_key(|(state, _)| *state);
    let observed = worst.map(|(state, reason)| (state, reason.clone()));
    let Some(goal) = goal else {
        return observed.unwrap_or((Condition::Stopping, String::new()));
    };
    let version = (id.clone(), goal.fingerprint);
    if let Some(trouble) = board.troubles.get(&version) {
        return (Condition::Failed, trouble.reason.clone());
    }
    if board.preparing.contains(&version) {
        return (Condition::Preparing, String::new());
    }
    match observed {
        Some(observed) if instances.len() >= goal.count() as usize => observed,
        None if goal.count() == 0 => (Condition::Running, "no instance is wanted".into()),
        _ if goal.depends_on.is_empty() => (Condition::Starting, String::new()),
        _ => {
            let names: Vec<String> = goal.depends_on.keys().map(|id| id.service.to_string()).collect();
            (
                Condition::Waiting,
                format!("starts when these run: {}", names.join(", ")),
            )
        }
    }
}

const fn of_phase(phase: Phase) -> Condition {
    match phase {
        Phase::Completed => Condition::Completed,
        Phase::Running => Condition::Running,
        Phase::Recovering | Phase::Starting => Condition::Starting,
        Phase::Stopping => Condition::Stopping,
        Phase::Restarting => Condition::Restarting,
        Phase::Failed => Condition::Failed,
    }
}

fn instance(watched: &Watched) -> InstanceStatus {
    let view = watched.view();
    InstanceStatus {
        id: watched.run.instance.to_string(),
        state: view.phase,
        reason: view.reason,
        since_ms: view.since_ms,
        pid: view.pid,
        restarts: view.restarts,
        exit: view.exit,
        fingerprint: watched.run.fingerprint.to_string(),
    }
}
