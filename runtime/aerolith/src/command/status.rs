//! `aerolith status`: what is so and what is not, why, and since when.

use std::time::SystemTime;

use aerolith_api::{Application, Condition, Failure, NodeStatus, Plugin, Service};
use anyhow::Context as _;
use hyper::Method;
use serde_json::Value;

use super::ps::shown;
use crate::client::Client;
use crate::screen::Screen;
use crate::table::{Cell, Table, maybe, span, state};
use crate::target::named;

/// Shows how the node and its applications are, with the first thing that is wrong; or every condition of everything, or of
/// one application and all of its parts.
pub(crate) async fn status(
    client: &Client,
    application: Option<&str>,
    all: bool,
    screen: Screen,
) -> anyhow::Result<()> {
    let answer = client.json(Method::GET, "/v1/status").await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let now_ms = u64::try_from(now.as_millis())?;
    let Some(name) = application else {
        let status: NodeStatus =
            serde_json::from_value(answer.clone()).context("the daemon's status cannot be read")?;
        return match all {
            true => screen.show(&answer, || Ok(table(&of_node(&status), now_ms))),
            false => screen.show(&answer, || Ok(summary(&status, now_ms))),
        };
    };
    let one = one(&answer, name)?;
    let application: Application = serde_json::from_value(one.clone()).context("the daemon's status cannot be read")?;
    screen.show(one, || Ok(table(&[of_application(&application)], now_ms)))
}

fn one<'a>(status: &'a Value, name: &str) -> anyhow::Result<&'a Value> {
    let mut all = status["applications"].as_array().into_iter().flatten();
    let missing = || Failure::not_found(format!("no application `{name}`")).hint("`aerolith status` shows all of them");
    Ok(all
        .find(|application| application["name"] == name)
        .ok_or_else(missing)?)
}

/// A line for the node, for each plugin that is not as it should be, and for each application.
fn summary(status: &NodeStatus, now_ms: u64) -> Table<4> {
    let is_ill = |plugin: &&Plugin| !plugin.conditions.iter().all(Condition::holds);
    let ready = Condition::of(&status.conditions, "Ready");
    let node = ready.map(|ready| line("node", &ready.reason.to_lowercase(), &[], &status.conditions, now_ms));
    let plugins = status.plugins.iter().filter(is_ill).map(|plugin| {
        let name = format!("plugin {}", plugin.instance);
        line(&name, &plugin.state, &[], &plugin.conditions, now_ms)
    });
    let applications = status.applications.iter().map(|application| {
        let services: Vec<(&str, &Condition)> = application.services.iter().flat_map(of_service).collect();
        line(
            &application.name,
            &application.state,
            &services,
            &application.conditions,
            now_ms,
        )
    });
    let rows: Vec<[Cell; 4]> = node.into_iter().chain(plugins).chain(applications).collect();
    Table::new(["PART", "STATE", "SINCE", "FIRST TROUBLE"], rows)
}

fn of_service(service: &Service) -> impl Iterator<Item = (&str, &Condition)> {
    service
        .conditions
        .iter()
        .map(|condition| (service.name.as_str(), condition))
}

/// A part in one line. Where its own conditions are so, those of its services may not be.
fn line(part: &str, word: &str, services: &[(&str, &Condition)], own: &[Condition], now_ms: u64) -> [Cell; 4] {
    let below = services.iter().find(|(_, condition)| !condition.holds());
    let (trouble, wrong) = match (first_wrong(own), below) {
        (Some(wrong), _) => (Some(wrong), with_reason(&wrong.reason, &told(wrong, now_ms))),
        (None, Some((name, wrong))) => {
            let what = with_reason(&wrong.reason, &told(wrong, now_ms));
            (Some(*wrong), format!("{name}: {what}"))
        }
        (None, None) => (None, String::new()),
    };
    let since = trouble.or_else(|| own.first()).map(|condition| age(condition, now_ms));
    [Cell::from(part), state(word), maybe(since), Cell::from(&wrong)]
}

/// What is wrong first. Of what is under way it is what that waits for.
fn first_wrong(conditions: &[Condition]) -> Option<&Condition> {
    let mut wrong = conditions.iter().filter(|condition| !condition.holds());
    let first = wrong.next()?;
    let is_on_its_way = first.reason == "Progressing";
    Some(wrong.next().filter(|_| is_on_its_way).unwrap_or(first))
}

/// What is so, with why where that is known.
pub(super) fn with_reason(what: &str, reason: &str) -> String {
    match reason {
        "" => what.to_owned(),
        reason => format!("{what}: {reason}"),
    }
}

/// A part of the node, and its conditions.
type Part<'a> = (String, &'a [Condition]);

/// The node, its plugins and each application, each with its parts.
fn of_node(status: &NodeStatus) -> Vec<Vec<Part<'_>>> {
    let node = vec![("node".to_owned(), status.conditions.as_slice())];
    let plugins = status
        .plugins
        .iter()
        .map(|p| vec![(format!("plugin {}", p.instance), p.conditions.as_slice())]);
    let applications = status.applications.iter().map(of_application);
    std::iter::once(node).chain(plugins).chain(applications).collect()
}

fn of_application(application: &Application) -> Vec<Part<'_>> {
    let mut parts = vec![(application.name.clone(), application.conditions.as_slice())];
    for service in &application.services {
        parts.push((named(&application.name, &service.name), &service.conditions));
        let instances = service.instances.iter();
        parts.extend(instances.map(|instance| (shown(instance), instance.conditions.as_slice())));
    }
    parts
}

fn table(all: &[Vec<Part<'_>>], now_ms: u64) -> Table<6> {
    let headings = ["PART", "CONDITION", "IS", "REASON", "SINCE", "MESSAGE"];
    Table::new(headings, all.iter().flat_map(|parts| rows(parts, now_ms)))
}

/// A whole and its parts, from which it is gone up: a message is said where it arises.
fn rows(parts: &[Part<'_>], now_ms: u64) -> Vec<[Cell; 6]> {
    let (mut rows, mut said) = (Vec::new(), Vec::new());
    for (part, conditions) in parts.iter().rev() {
        let messages = news(conditions, &said, now_ms);
        let of_part = conditions.iter().zip(messages);
        rows.push(
            of_part
                .map(|(one, message)| row(part, one, &message, now_ms))
                .collect::<Vec<_>>(),
        );
        said.extend(conditions.iter().map(|one| one.message.as_str()));
    }
    rows.into_iter().rev().flatten().collect()
}

/// What each condition of a part says that neither one before it nor a part of it has said.
fn news(conditions: &[Condition], said: &[&str], now_ms: u64) -> Vec<String> {
    let of = |(index, condition): (usize, &Condition)| {
        let message = condition.message.as_str();
        let known = said
            .iter()
            .filter(|known| !known.is_empty() && message.contains(**known));
        match known.max_by_key(|known| known.len()) {
            Some(known) => {
                let (before, after) = message.split_once(known).unwrap_or_default();
                format!("{}{after}", before.trim_end_matches(": "))
            }
            None if conditions[..index].iter().any(|before| before.message == message) && !message.is_empty() => {
                String::new()
            }
            None => told(condition, now_ms),
        }
    };
    conditions.iter().enumerate().map(of).collect()
}

fn row(part: &str, condition: &Condition, message: &str, now_ms: u64) -> [Cell; 6] {
    [
        Cell::from(part),
        Cell::from(&condition.aspect),
        state(&condition.status),
        Cell::from(&condition.reason),
        Cell::from(&age(condition, now_ms)),
        Cell::from(message),
    ]
}

/// For how long a condition is as it is.
fn age(condition: &Condition, now_ms: u64) -> String {
    span(now_ms.saturating_sub(condition.since_ms) / 1_000)
}

/// What is said of a condition, with the time until the next try.
fn told(condition: &Condition, now_ms: u64) -> String {
    let next = condition
        .next_try_ms
        .map(|next| match next.saturating_sub(now_ms).div_ceil(1_000) {
            0 => "next try now".to_owned(),
            seconds => format!("next try in {}", span(seconds)),
        });
    let message = Some(condition.message.clone()).filter(|message| !message.is_empty());
    message.into_iter().chain(next).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_api::Instance;

    fn condition(aspect: &str, status: &str, reason: &str, since_ms: u64, message: &str) -> Condition {
        Condition {
            aspect: aspect.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            since_ms,
            ..Condition::default()
        }
    }

    fn so(aspect: &str, since_ms: u64) -> Condition {
        condition(aspect, "true", aspect, since_ms, "")
    }

    fn weather() -> Application {
        let instance = |outdated, conditions| Instance {
            id: "weather.agent.1".into(),
            outdated,
            conditions,
            ..Instance::default()
        };
        let restarting = |aspect| Condition {
            next_try_ms: Some(103_500),
            ..condition(aspect, "false", "Restarting", 98_000, "ended with code 3")
        };
        let why = "0 of 1 ready; weather.agent.1: ended with code 3";
        let agent = Service {
            name: "agent".into(),
            conditions: vec![
                so("Prepared", 0),
                condition("Available", "false", "Restarting", 98_000, why),
            ],
            instances: vec![
                instance(true, vec![so("Running", 40_000)]),
                instance(false, vec![restarting("Running"), restarting("Ready")]),
            ],
            ..Service::default()
        };
        Application {
            name: "weather".into(),
            state: "restarting".into(),
            conditions: vec![
                condition(
                    "Deployed",
                    "false",
                    "Progressing",
                    99_999,
                    "agent: 0 of 1 of the new version ready",
                ),
                condition("Available", "false", "Restarting", 98_000, &format!("agent: {why}")),
            ],
            services: vec![agent],
            ..Application::default()
        }
    }

    #[test]
    fn all_parts_of_an_application_are_shown_and_each_message_where_it_arises() {
        let expected = "\
PART                   CONDITION  IS     REASON       SINCE  MESSAGE
weather                Deployed   false  Progressing  0s     agent: 0 of 1 of the new version ready
weather                Available  false  Restarting   2s     agent
weather.agent          Prepared   true   Prepared     1m
weather.agent          Available  false  Restarting   2s     0 of 1 ready; weather.agent.1
weather.agent.1 (old)  Running    true   Running      1m
weather.agent.1        Running    false  Restarting   2s     ended with code 3; next try in 4s
weather.agent.1        Ready      false  Restarting   2s
";
        assert_eq!(table(&[of_application(&weather())], 100_000).render(false), expected);
    }

    #[test]
    fn in_short_an_application_is_a_line_with_what_is_wrong_first() {
        let plugin = |instance: &str, condition| Plugin {
            instance: instance.into(),
            state: "failed".into(),
            conditions: vec![condition],
            ..Plugin::default()
        };
        let shop = |name: &str, web| Application {
            name: name.into(),
            state: "running".into(),
            conditions: vec![so("Deployed", 40_000), so("Available", 40_000)],
            services: vec![Service {
                name: "web".into(),
                conditions: vec![so("Prepared", 0), web],
                ..Service::default()
            }],
            ..Application::default()
        };
        let back = Application {
            conditions: vec![
                condition("Deployed", "false", "RolledBack", 98_000, "revision 2 failed"),
                so("Available", 0),
            ],
            ..shop("back", so("Available", 0))
        };
        let status = NodeStatus {
            conditions: vec![so("Ready", 40_000), so("StateWhole", 40_000)],
            plugins: vec![
                plugin("engine", so("Ready", 0)),
                plugin("fetcher", condition("Ready", "false", "Failed", 95_000, "no file")),
            ],
            applications: vec![
                back,
                shop("shop", so("Available", 40_000)),
                shop(
                    "loose",
                    condition("Enforced", "false", "NotEnforced", 95_000, "no cgroup"),
                ),
                weather(),
            ],
            ..NodeStatus::default()
        };
        let expected = "\
PART            STATE       SINCE  FIRST TROUBLE
node            ready       1m
plugin fetcher  failed      5s     Failed: no file
back            running     2s     RolledBack: revision 2 failed
shop            running     1m
loose           running     5s     web: NotEnforced: no cgroup
weather         restarting  2s     Restarting: agent: 0 of 1 ready; weather.agent.1: ended with code 3
";
        assert_eq!(summary(&status, 100_000).render(false), expected);
    }

    #[test]
    fn an_application_that_is_not_there_is_named() {
        let status = serde_json::json!({"applications": [{"name": "weather"}]});
        assert!(one(&status, "weather").is_ok());
        assert_eq!(
            one(&status, "wether").unwrap_err().to_string(),
            "no application `wether`"
        );
    }
}
