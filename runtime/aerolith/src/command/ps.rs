//! `aerolith ps`: what runs, what waits, and why.

use std::time::SystemTime;

use aerolith_api::{Application, Condition, Failure, Instance, NodeStatus, Service};
use hyper::Method;

use crate::client::Client;
use crate::screen::Screen;
use crate::table::{Cell, Table, maybe, span, state};
use crate::target::{Target, named};

/// Shows every instance, and every service and application that has none with its reason; or those that are meant.
pub(crate) async fn ps(client: &Client, target: Option<&Target>, screen: Screen) -> anyhow::Result<()> {
    let mut answer = client.json(Method::GET, "/v1/status").await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let mut status: NodeStatus = serde_json::from_value(answer.clone())?;
    if let Some(target) = target {
        status.applications = only(status.applications, target);
        if status.applications.is_empty() {
            let missing = Failure::not_found(format!("no application, service or instance `{target}`"));
            return Err(missing.hint("`aerolith ps` shows what runs").into());
        }
        answer["applications"] = serde_json::to_value(&status.applications)?;
    }
    for reason in &status.health.reasons {
        screen.message(&format!("degraded: {reason}"));
    }
    for application in &status.applications {
        for service in &application.services {
            let name = named(&application.name, &service.name);
            for warning in &service.warnings {
                screen.message(&format!("warning: {name}: {warning}"));
            }
        }
    }
    if let Some(told) = undeployed(&status.applications) {
        screen.message(&told);
    }
    screen.show(&answer, || Ok(table(&status, now)))
}

/// What is meant of applications, services and instances.
fn only(applications: Vec<Application>, target: &Target) -> Vec<Application> {
    let all = applications.into_iter().filter_map(|mut application| {
        let name = &application.name;
        let is_whole = target.is_application(name);
        application.services.retain_mut(|service| {
            if !target.takes_service(name, &service.name) {
                service.instances.retain(|instance| target.takes(instance));
                return !service.instances.is_empty();
            }
            true
        });
        (is_whole || !application.services.is_empty()).then_some(application)
    });
    all.collect()
}

/// Which applications are not in force as they are wanted. Why is told by `status`.
fn undeployed(applications: &[Application]) -> Option<String> {
    let is_behind = |application: &&Application| {
        Condition::of(&application.conditions, "Deployed").is_some_and(|deployed| !deployed.holds())
    };
    let behind: Vec<&str> = applications.iter().filter(is_behind).map(|a| a.name.as_str()).collect();
    let names = behind.join(", ");
    (!behind.is_empty()).then(|| format!("not deployed as wanted: {names}; `aerolith status` says why"))
}

fn table(status: &NodeStatus, now: u64) -> Table<6> {
    let rows = status
        .applications
        .iter()
        .flat_map(|application| rows(application, now));
    Table::new(["NAME", "STATE", "PID", "SINCE", "RESTARTS", "REASON"], rows)
}

fn rows(application: &Application, now: u64) -> Vec<[Cell; 6]> {
    let name = &application.name;
    if application.services.is_empty() {
        return vec![waiting(name, &application.state, &application.reason)];
    }
    application
        .services
        .iter()
        .flat_map(|service| of_service(name, service, now))
        .collect()
}

fn of_service(application: &str, service: &Service, now: u64) -> Vec<[Cell; 6]> {
    if service.instances.is_empty() {
        let name = named(application, &service.name);
        return vec![waiting(&name, &service.state, &service.reason)];
    }
    service
        .instances
        .iter()
        .map(|instance| running(instance, now))
        .collect()
}

fn waiting(name: &str, word: &str, reason: &str) -> [Cell; 6] {
    let [pid, since, restarts] = std::array::from_fn(|_| Cell::from("-"));
    [Cell::from(name), state(word), pid, since, restarts, Cell::from(reason)]
}

fn running(instance: &Instance, now: u64) -> [Cell; 6] {
    let since = instance.since.map(|since| span(now.saturating_sub(since)));
    [
        Cell::from(&shown(instance)),
        state(&instance.state),
        maybe(instance.pid),
        maybe(since),
        Cell::from(&instance.restarts),
        Cell::from(&instance.reason),
    ]
}

/// An instance by its name. During an update there are two of one name.
pub(super) fn shown(instance: &Instance) -> String {
    let old = if instance.outdated { " (old)" } else { "" };
    format!("{}{old}", instance.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trouble_of_an_update_is_the_applications_and_not_that_of_the_instance_that_runs_on() {
        let instance = Instance {
            id: "weather.agent.1".into(),
            state: "running".into(),
            outdated: true,
            ..Instance::default()
        };
        let agent = Service {
            name: "agent".into(),
            state: "failed".into(),
            reason: "object `x`: 404".into(),
            instances: vec![instance],
            ..Service::default()
        };
        let deployed = Condition {
            aspect: "Deployed".into(),
            status: "false".into(),
            reason: "PreparationFailed".into(),
            message: "agent: object `x`: 404".into(),
            since_ms: 940_000,
            next_try_ms: Some(1_002_000),
        };
        let weather = Application {
            name: "weather".into(),
            conditions: vec![deployed],
            services: vec![agent],
            ..Application::default()
        };
        let good = Application {
            name: "shop".into(),
            ..Application::default()
        };
        let told = undeployed(&[weather.clone(), good]).unwrap();
        assert_eq!(told, "not deployed as wanted: weather; `aerolith status` says why");
        let status = NodeStatus {
            applications: vec![weather],
            ..NodeStatus::default()
        };
        let shown = table(&status, 1_000).render(false);
        assert!(
            !shown.contains("404") && shown.contains("weather.agent.1 (old)"),
            "{shown}"
        );
    }

    #[test]
    fn only_what_is_meant_is_shown() {
        let instance = |service: &str, index: u32| Instance {
            id: format!("shop.{service}.{index}"),
            application: "shop".into(),
            service: service.into(),
            index,
            ..Instance::default()
        };
        let service = |name: &str| Service {
            name: name.into(),
            instances: vec![instance(name, 1), instance(name, 2)],
            ..Service::default()
        };
        let shop = Application {
            name: "shop".into(),
            services: vec![service("web"), service("db")],
            ..Application::default()
        };
        for (target, expected) in [
            ("shop", 4),
            ("shop/web", 2),
            ("shop.db.2", 1),
            ("shop.x", 0),
            ("sho", 0),
        ] {
            let left = only(vec![shop.clone()], &target.parse().unwrap());
            let instances: usize = left.iter().flat_map(|a| &a.services).map(|s| s.instances.len()).sum();
            assert_eq!((instances, left.is_empty()), (expected, expected == 0), "{target}");
        }
    }

    #[test]
    fn instances_are_shown_and_what_has_none_says_why() {
        let instance = Instance {
            id: "weather.agent.1".into(),
            state: "running".into(),
            pid: Some(7),
            since: Some(940),
            restarts: 2,
            ..Instance::default()
        };
        let service = |name: &str, reason: &str, instances| Service {
            name: name.into(),
            state: "waiting".into(),
            reason: reason.into(),
            instances,
            ..Service::default()
        };
        let services = vec![service("agent", "", vec![instance]), service("db", "no engine", vec![])];
        let weather = Application {
            name: "weather".into(),
            services,
            ..Application::default()
        };
        let status = NodeStatus {
            applications: vec![weather],
            ..NodeStatus::default()
        };
        let expected = "\
NAME             STATE    PID  SINCE  RESTARTS  REASON
weather.agent.1  running  7    1m     2
weather.db       waiting  -    -      -         no engine
";
        assert_eq!(table(&status, 1_000).render(false), expected);
    }
}
