//! `aerolith ps`: what runs, what waits, and why.

use std::time::SystemTime;

use aerolith_api::{Application, Condition, Instance, NodeStatus, Service};
use hyper::Method;

use super::status::told;
use crate::client::Client;
use crate::screen::Screen;
use crate::table::{Cell, Table, maybe, span, state};

/// Shows every instance, and every service and application that has none with its reason.
pub(crate) async fn ps(client: &Client, screen: Screen) -> anyhow::Result<()> {
    let answer = client.json(Method::GET, "/v1/status").await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let status: NodeStatus = serde_json::from_value(answer.clone())?;
    for reason in &status.health.reasons {
        screen.message(&format!("degraded: {reason}"));
    }
    for (application, service) in status
        .applications
        .iter()
        .flat_map(|a| a.services.iter().map(move |s| (a, s)))
    {
        for warning in &service.warnings {
            screen.message(&format!("warning: {}/{}: {warning}", application.name, service.name));
        }
    }
    for application in &status.applications {
        if let Some(told) = undeployed(application, now) {
            screen.message(&told);
        }
    }
    screen.show(&answer, || Ok(table(&status, now)))
}

/// Why the newest version of an application is not in force. What runs of it is another matter.
fn undeployed(application: &Application, now: u64) -> Option<String> {
    let deployed = Condition::of(&application.conditions, "Deployed").filter(|deployed| !deployed.holds())?;
    let since = span(now.saturating_sub(deployed.since_ms / 1_000));
    let told = told(deployed, now.saturating_mul(1_000));
    let why = if told.is_empty() {
        String::new()
    } else {
        format!(": {told}")
    };
    Some(format!(
        "not deployed: {}, {} for {since}{why}",
        application.name, deployed.reason
    ))
}

fn table(status: &NodeStatus, now: u64) -> Table<7> {
    let rows = status
        .applications
        .iter()
        .flat_map(|application| rows(application, now));
    Table::new(
        ["APPLICATION", "SERVICE", "STATE", "PID", "SINCE", "RESTARTS", "REASON"],
        rows,
    )
}

fn rows(application: &Application, now: u64) -> Vec<[Cell; 7]> {
    let name = &application.name;
    if application.services.is_empty() {
        return vec![waiting(name, "-", &application.state, &application.reason)];
    }
    application
        .services
        .iter()
        .flat_map(|service| of_service(name, service, now))
        .collect()
}

fn of_service(application: &str, service: &Service, now: u64) -> Vec<[Cell; 7]> {
    if service.instances.is_empty() {
        return vec![waiting(application, &service.name, &service.state, &service.reason)];
    }
    service
        .instances
        .iter()
        .map(|instance| running(application, service, instance, now))
        .collect()
}

fn waiting(application: &str, service: &str, word: &str, reason: &str) -> [Cell; 7] {
    let [pid, since, restarts] = std::array::from_fn(|_| Cell::from("-"));
    [
        Cell::from(application),
        Cell::from(service),
        state(word),
        pid,
        since,
        restarts,
        Cell::from(reason),
    ]
}

fn running(application: &str, service: &Service, instance: &Instance, now: u64) -> [Cell; 7] {
    let since = instance.since.map(|since| span(now.saturating_sub(since)));
    [
        Cell::from(application),
        Cell::from(&format!("{}/{}", service.name, instance.index)),
        state(&instance.state),
        maybe(instance.pid),
        maybe(since),
        Cell::from(&instance.restarts),
        Cell::from(&instance.reason),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trouble_of_an_update_is_the_applications_and_not_that_of_the_instance_that_runs_on() {
        let instance = Instance {
            index: 1,
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
        let told = undeployed(&weather, 1_000).unwrap();
        assert_eq!(
            told,
            "not deployed: weather, PreparationFailed for 1m: agent: object `x`: 404; next try in 2s"
        );
        let status = NodeStatus {
            applications: vec![weather],
            ..NodeStatus::default()
        };
        assert!(!table(&status, 1_000).render(false).contains("404"));
    }

    #[test]
    fn instances_are_shown_and_what_has_none_says_why() {
        let instance = Instance {
            index: 1,
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
APPLICATION  SERVICE  STATE    PID  SINCE  RESTARTS  REASON
weather      agent/1  running  7    1m     2
weather      db       waiting  -    -      -         no engine
";
        assert_eq!(table(&status, 1_000).render(false), expected);
    }
}
