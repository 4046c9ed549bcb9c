//! `aerolith ps`: what runs, what waits, and why.

use std::time::SystemTime;

use aerolith_api::{Application, Instance, NodeStatus, Service};
use hyper::Method;

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
    screen.show(&answer, || Ok(table(&status, now)))
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
    // An instance of the old version runs on while the new one cannot be had: the service knows why.
    let reason = if instance.reason.is_empty() {
        &service.reason
    } else {
        &instance.reason
    };
    let since = instance.since.map(|since| span(now.saturating_sub(since)));
    [
        Cell::from(application),
        Cell::from(&format!("{}/{}", service.name, instance.index)),
        state(&instance.state),
        maybe(instance.pid),
        maybe(since),
        Cell::from(&instance.restarts),
        Cell::from(reason),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

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
