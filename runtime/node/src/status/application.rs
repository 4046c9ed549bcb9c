//! How an application is.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Summary;
use super::chronicle::Subject;
use super::condition::{Aspect, Condition, Reason};
use super::picture::Picture;
use super::service::ServiceStatus;
use crate::rollout::{MOST_ATTEMPTS, Rollout, Stage};

/// How an application is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// Its name.
    pub name: String,
    /// Its version text; empty where nobody gave one.
    pub version: String,
    /// That of its service that is worst off.
    pub state: Summary,
    /// Why, where something is to be said.
    pub reason: String,
    /// Whether its newest version is deployed, and whether it is available, in whichever version.
    pub conditions: Vec<Condition>,
    /// Whether it stays so until something happens: nothing is being done for it, and nothing waits for its time.
    pub settled: bool,
    /// Its services.
    pub services: Vec<ServiceStatus>,
}

impl ApplicationStatus {
    pub(super) fn subjects(&mut self) -> impl Iterator<Item = (Subject, &mut [Condition])> {
        let own = (Subject::Application(self.name.clone()), self.conditions.as_mut_slice());
        let name = &self.name;
        let services = self.services.iter_mut().flat_map(move |service| service.subjects(name));
        std::iter::once(own).chain(services)
    }
}

impl Picture<'_> {
    pub(super) fn application(&self, name: &str) -> ApplicationStatus {
        let ids = self.services.get(name).into_iter().flatten();
        let to_run = ids.clone().filter(|id| self.to_run(id).is_some());
        let to_run: BTreeSet<&str> = to_run.map(|id| id.service.as_str()).collect();
        let services: Vec<ServiceStatus> = ids.map(|id| self.service(id)).collect();
        let held = self.board.desired.held.get(name);
        let worst = services.iter().max_by_key(|service| service.state);
        let (state, reason) = match (held, worst) {
            (Some(held), _) => (Summary::Held, held.reason.clone()),
            (None, Some(worst)) if worst.reason.is_empty() => (worst.state, String::new()),
            (None, Some(worst)) => (worst.state, format!("{}: {}", worst.name, worst.reason)),
            (None, None) => (Summary::Running, String::new()),
        };
        let given = self.board.desired.application(name);
        ApplicationStatus {
            name: name.to_owned(),
            version: given.map_or_else(String::new, |a| a.version.clone()),
            state,
            reason,
            conditions: vec![self.deployed(name, &services), available(&services, &to_run)],
            settled: !self.busy.contains(name),
            services,
        }
    }

    /// Whether the newest version is in force, and good.
    fn deployed(&self, name: &str, services: &[ServiceStatus]) -> Condition {
        let desired = &self.board.desired;
        if let Some(held) = desired.held.get(name) {
            let reason = if held.is_refused { Reason::Refused } else { Reason::Held };
            return Condition::is_not(Aspect::Deployed, reason, &held.reason);
        }
        if desired.application(name).is_none() {
            return Condition::is_not(Aspect::Deployed, Reason::Removing, "it is wanted no more");
        }
        let rollout = name.parse().ok().and_then(|name| self.board.rollout(&name));
        let of_update = rollout.as_ref().and_then(of_rollout);
        let standing = of_update.unwrap_or_else(|| standing_of(services));
        match (rollout.map(|rollout| rollout.stage), standing.reason) {
            // It is good once it is found so, and not in the moment in which all of it runs.
            (Some(Stage::Trying), _) if standing.holds() => {
                let message = "all of it runs, and has not proven itself yet";
                Condition::is_not(Aspect::Deployed, Reason::Progressing, message)
            }
            (_, Reason::RolledBack | Reason::Failed) => Condition {
                message: format!("{}; `aerolith retry {name}` tries it again", standing.message),
                ..standing
            },
            _ => standing,
        }
    }
}

/// What the course of an update says of it; nothing where its services say more.
fn of_rollout(rollout: &Rollout) -> Option<Condition> {
    let Rollout {
        revision,
        stage,
        reason,
        attempts,
        fallback,
        next_try_ms,
    } = rollout;
    let runs = fallback.map_or_else(String::new, |fallback| {
        format!("; revision {fallback} runs in its place")
    });
    let reason_word = match stage {
        Stage::RolledBack => Reason::RolledBack,
        Stage::Pausing => Reason::Progressing,
        Stage::Scheduled => Reason::Scheduled,
        Stage::Preparing | Stage::Trying | Stage::Good => return None,
    };
    let message = match stage {
        Stage::Pausing if *attempts == 0 => format!("revision {revision} was hindered: {reason}{runs}"),
        Stage::Scheduled => format!("revision {revision}: {reason}{runs}"),
        _ => format!("revision {revision} failed {attempts} of {MOST_ATTEMPTS} times: {reason}{runs}"),
    };
    Some(Condition::is_not(Aspect::Deployed, reason_word, message).tried_at(*next_try_ms))
}

/// How far the wanted versions of all services are.
fn standing_of(services: &[ServiceStatus]) -> Condition {
    let standing = services.iter().map(|service| (service, standing(service)));
    let behind = standing.filter(|(_, standing)| !standing.holds());
    // What is tried again says less than what is not.
    let worst = behind.max_by_key(|(_, standing)| (severity(standing.reason), standing.next_try_ms.is_none()));
    match worst {
        Some((service, standing)) => of_service(service, &standing),
        None => Condition::is(Aspect::Deployed, Reason::Deployed),
    }
}

/// How far the wanted version of a service is.
fn standing(service: &ServiceStatus) -> Condition {
    let Some(wanted) = &service.fingerprint else {
        return Condition::is_not(
            Aspect::Deployed,
            Reason::Progressing,
            "the old version is being stopped",
        );
    };
    if let Some(prepared) = service.about(Aspect::Prepared).filter(|prepared| !prepared.holds()) {
        return Condition {
            aspect: Aspect::Deployed,
            ..prepared.clone()
        };
    }
    let (new, old): (Vec<_>, Vec<_>) = service.instances.iter().partition(|i| i.fingerprint == *wanted);
    let failed = new
        .iter()
        .find(|instance| instance.state == crate::supervise::Phase::Failed);
    if let Some(failed) = failed {
        return Condition::is_not(Aspect::Deployed, Reason::Failed, &failed.reason);
    }
    let serving = new.iter().filter(|instance| instance.serves()).count();
    match serving >= service.replicas as usize && old.is_empty() {
        true => Condition::is(Aspect::Deployed, Reason::Deployed),
        false => {
            let message = format!("{serving} of {} of the new version ready", service.replicas);
            Condition::is_not(Aspect::Deployed, Reason::Progressing, message)
        }
    }
}

/// How much a reason wants attention.
const fn severity(reason: Reason) -> u8 {
    match reason {
        Reason::Failed => 4,
        Reason::Refused => 3,
        Reason::PreparationFailed => 2,
        Reason::Preparing => 1,
        _ => 0,
    }
}

/// Whether all that is to run of it is ready, in whichever version.
fn available(services: &[ServiceStatus], to_run: &BTreeSet<&str>) -> Condition {
    let all = services
        .iter()
        .filter_map(|service| Some((service, service.about(Aspect::Available)?)));
    let wanted = all.filter(|(service, _)| to_run.contains(service.name.as_str()));
    let missing = wanted
        .filter(|(_, available)| !available.holds())
        .max_by_key(|(service, _)| service.state);
    match missing {
        Some((service, available)) => of_service(service, available),
        None => Condition::is(Aspect::Available, Reason::Available),
    }
}

/// What is so of a service, said of its application.
fn of_service(service: &ServiceStatus, condition: &Condition) -> Condition {
    let message = match condition.message.as_str() {
        "" => service.name.clone(),
        message => format!("{}: {message}", service.name),
    };
    Condition {
        message,
        ..condition.clone()
    }
}
