//! What is waited for, and how far it has come. Pure: a status is judged.

use std::collections::BTreeSet;

use aerolith_api::{Application, Applied, Condition, NodeStatus, Service, Step};

use crate::command::status::with_reason;
use crate::target::named;

/// What is waited for, from a revision of the desired state on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(super) revision: u64,
    pub(super) running: BTreeSet<String>,
    /// Those of `running` for which something is done, so that news of them comes.
    pub(super) moving: BTreeSet<String>,
    gone: BTreeSet<String>,
}

/// How far it has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    NotYet(Vec<String>),
    /// Nothing more is going to be done for it.
    Never(Vec<String>),
}

impl Wanted {
    /// That everything which an apply concerns runs, or has done what it was to do.
    pub(crate) fn run(applied: &Applied) -> Self {
        Self {
            revision: applied.revision,
            running: applied.applications.iter().cloned().collect(),
            moving: applied
                .applications
                .iter()
                .filter(|name| moves(applied, name))
                .cloned()
                .collect(),
            ..Self::default()
        }
    }

    /// That nothing is left of what was deleted.
    pub(crate) fn gone(applied: Applied) -> Self {
        let mut wanted = Self::default();
        wanted.add(applied);
        wanted
    }

    /// One more deletion.
    pub(crate) fn add(&mut self, deleted: Applied) {
        self.revision = self.revision.max(deleted.revision);
        self.gone.extend(deleted.applications);
    }

    pub(super) fn judge(&self, status: &NodeStatus) -> Verdict {
        if status.revision < self.revision {
            return Verdict::NotYet(vec![format!("revision {} is not in force yet", self.revision)]);
        }
        let (mut reasons, mut hopeless) = (Vec::new(), true);
        for application in &status.applications {
            let is_good = application.settled && is_good(application);
            let is_open = self.running.contains(&application.name) && !is_good;
            let is_left = self.gone.contains(&application.name);
            if is_open || is_left {
                reasons.extend(told(application));
                hopeless &= is_open && is_hopeless(application);
            }
        }
        match () {
            () if reasons.is_empty() => Verdict::Done,
            () if hopeless => Verdict::Never(reasons),
            () => Verdict::NotYet(reasons),
        }
    }
}

/// Whether a step is taken for an application.
fn moves(applied: &Applied, name: &str) -> bool {
    let is_ours = |step: &Step| step.target.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    applied.steps.iter().any(is_ours)
}

/// Whether the newest version is in force and does what it is to do.
fn is_good(application: &Application) -> bool {
    let holds = |aspect| Condition::of(&application.conditions, aspect).is_none_or(Condition::holds);
    matches!(&*application.state, "running" | "completed") && holds("Deployed") && holds("Available")
}

/// Whether nothing more is tried for it without a change, whatever is still done for the version before.
fn is_hopeless(application: &Application) -> bool {
    let is_at_rest = match &*application.state {
        "running" | "completed" => false,
        "failed" | "held" => application.settled,
        // Others may wait for what a probe is not content with yet.
        _ => application.settled && !application.services.iter().any(|service| unready(service).is_some()),
    };
    is_at_rest || ended(application).is_some()
}

/// How its newest version came to an end that only a change undoes.
fn ended(application: &Application) -> Option<(&'static str, &Condition)> {
    let deployed = undeployed(application)?;
    let word = match &*deployed.reason {
        "RolledBack" => "was rolled back",
        "Failed" => "has failed",
        "Refused" => "is refused",
        "Held" => "is held",
        "PreparationFailed" if deployed.next_try_ms.is_none() => "cannot be prepared",
        _ => return None,
    };
    Some((word, deployed))
}

fn undeployed(application: &Application) -> Option<&Condition> {
    Condition::of(&application.conditions, "Deployed").filter(|deployed| !deployed.holds())
}

/// What has ended for good; else every service that is not as it should be, or the application.
fn told(application: &Application) -> Vec<String> {
    let name = &application.name;
    if let Some((word, deployed)) = ended(application) {
        return vec![with_reason(&format!("{name} {word}"), &deployed.message)];
    }
    let services: Vec<String> = application
        .services
        .iter()
        .filter_map(|s| of_service(name, s))
        .collect();
    match undeployed(application) {
        _ if !services.is_empty() => services,
        Some(deployed) => vec![with_reason(&format!("{name} is not deployed yet"), &deployed.message)],
        None => vec![with_reason(
            &format!("{name} is {}", application.state),
            &application.reason,
        )],
    }
}

fn of_service(application: &str, service: &Service) -> Option<String> {
    if !matches!(&*service.state, "running" | "completed") {
        let is = format!("{} is {}", named(application, &service.name), service.state);
        return Some(with_reason(&is, &service.reason));
    }
    let (id, ready) = unready(service)?;
    Some(with_reason(&format!("{id} is not ready"), &ready.message))
}

/// An instance with whose version, the one that is wanted, a probe is not content. The old one may run well beside it.
fn unready(service: &Service) -> Option<(&str, &Condition)> {
    let mut new = service.instances.iter().filter(|instance| !instance.outdated);
    new.find_map(|instance| {
        let ready = Condition::of(&instance.conditions, "Ready").filter(|ready| ready.reason == "NotReady")?;
        Some((instance.id.as_str(), ready))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Unsettled;
    use super::*;
    use aerolith_api::Instance;

    fn application(name: &str, state: &str, settled: bool) -> Application {
        Application {
            name: name.into(),
            state: state.into(),
            settled,
            ..Application::default()
        }
    }

    fn status(revision: u64, applications: &[Application]) -> NodeStatus {
        NodeStatus {
            revision,
            applications: applications.to_vec(),
            ..NodeStatus::default()
        }
    }

    fn applied(revision: u64, application: &str) -> Applied {
        Applied {
            revision,
            applications: vec![application.into()],
            ..Applied::default()
        }
    }

    #[test]
    fn what_runs_and_has_come_to_rest_is_done_whatever_others_do() {
        let wanted = Wanted::run(&applied(2, "a"));
        let other = application("b", "failed", true);
        let judge = |revision, state, settled| {
            wanted.judge(&status(revision, &[application("a", state, settled), other.clone()]))
        };
        assert_eq!(judge(2, "running", true), Verdict::Done);
        assert_eq!(judge(3, "completed", true), Verdict::Done);
        assert!(
            matches!(judge(1, "running", true), Verdict::NotYet(_)),
            "an older revision"
        );
        assert_eq!(judge(2, "running", false), Verdict::NotYet(vec!["a is running".into()]));
        assert_eq!(judge(2, "failed", true), Verdict::Never(vec!["a is failed".into()]));
    }

    #[test]
    fn what_cannot_come_by_itself_ends_the_wait_though_the_version_before_is_still_at_work() {
        let wanted = Wanted::run(&applied(2, "shop"));
        let judge = |reason: &str, next_try_ms: Option<u64>| {
            let deployed = Condition {
                next_try_ms,
                aspect: "Deployed".into(),
                status: "false".into(),
                reason: reason.into(),
                message: "web: ended with code 3".into(),
                ..Condition::default()
            };
            // What is stopped of the attempt that failed says nothing of the end.
            let stopping = Service {
                name: "web".into(),
                state: "stopping".into(),
                ..Service::default()
            };
            let shop = Application {
                conditions: vec![deployed],
                services: vec![stopping],
                ..application("shop", "stopping", false)
            };
            wanted.judge(&status(2, &[shop]))
        };
        for (reason, word) in [
            ("RolledBack", "was rolled back"),
            ("Failed", "has failed"),
            ("Refused", "is refused"),
            ("Held", "is held"),
            ("PreparationFailed", "cannot be prepared"),
        ] {
            let told = format!("shop {word}: web: ended with code 3");
            assert_eq!(judge(reason, None), Verdict::Never(vec![told]));
        }
        for reason in ["Preparing", "PreparationFailed", "Progressing", "Scheduled"] {
            assert!(matches!(judge(reason, Some(7)), Verdict::NotYet(_)), "{reason}");
        }
    }

    #[test]
    fn news_is_awaited_of_applications_for_which_something_is_done() {
        let step = |target: &str| Step {
            action: "start".into(),
            target: target.into(),
        };
        let applied = Applied {
            applications: ["shop", "shop-two", "idle"].map(str::to_owned).into(),
            steps: vec![step("shop.web.1"), step("shop-two.web")],
            ..Applied::default()
        };
        let moving: Vec<String> = Wanted::run(&applied).moving.into_iter().collect();
        assert_eq!(moving, ["shop", "shop-two"]);
    }

    #[test]
    fn what_is_deleted_is_done_when_nothing_is_left() {
        let wanted = Wanted::gone(applied(2, "a"));
        let left = status(2, &[application("a", "stopping", true)]);
        assert_eq!(wanted.judge(&left), Verdict::NotYet(vec!["a is stopping".into()]));
        assert_eq!(
            wanted.judge(&status(2, &[application("b", "failed", true)])),
            Verdict::Done
        );
    }

    #[test]
    fn the_services_at_fault_are_named_with_their_reasons() {
        let service = |name: &str, state: &str, reason: &str| Service {
            name: name.into(),
            state: state.into(),
            reason: reason.into(),
            ..Service::default()
        };
        let services = vec![
            service("web", "running", ""),
            service("db", "failed", "ended with code 1"),
        ];
        let shop = Application {
            services,
            ..application("shop", "failed", true)
        };
        let error = Unsettled::Never(told(&shop)).to_string();
        assert_eq!(
            error,
            "not done, and nothing more is tried: shop.db is failed: ended with code 1"
        );
    }

    #[test]
    fn what_is_not_ready_may_become_so_and_says_what_its_probe_found() {
        let not_so = |aspect: &str, reason: &str, message: &str| Condition {
            aspect: aspect.into(),
            status: "false".into(),
            reason: reason.into(),
            message: message.into(),
            ..Condition::default()
        };
        let instance = |index, outdated, message| Instance {
            id: format!("shop.web.{index}"),
            outdated,
            conditions: vec![not_so("Ready", "NotReady", message)],
            ..Instance::default()
        };
        let web = Service {
            name: "web".into(),
            state: "running".into(),
            instances: vec![instance(1, true, "old"), instance(1, false, "readiness probe: 404")],
            ..Service::default()
        };
        let waits = Service {
            name: "front".into(),
            state: "waiting".into(),
            reason: "starts when web is ready".into(),
            ..Service::default()
        };
        let judge = |state: &str, services: &[&Service]| {
            let shop = Application {
                conditions: vec![not_so(
                    "Deployed",
                    "Progressing",
                    "web: 0 of 2 of the new version ready",
                )],
                services: services.iter().copied().cloned().collect(),
                ..application("shop", state, true)
            };
            Wanted::run(&applied(2, "shop")).judge(&status(2, &[shop]))
        };
        let told = "shop.web.1 is not ready: readiness probe: 404".to_owned();
        assert_eq!(judge("running", &[&web]), Verdict::NotYet(vec![told.clone()]));
        let front = "shop.front is waiting: starts when web is ready".to_owned();
        assert_eq!(
            judge("waiting", &[&web, &waits]),
            Verdict::NotYet(vec![told, front.clone()])
        );
        assert_eq!(judge("waiting", &[&waits]), Verdict::Never(vec![front]));
    }
}
