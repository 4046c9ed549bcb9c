//! `aerolith status`: what is so and what is not, why, and since when.

use std::time::SystemTime;

use aerolith_api::{Application, Condition, Failure, NodeStatus};
use anyhow::Context as _;
use hyper::Method;
use serde_json::Value;

use crate::client::Client;
use crate::screen::Screen;
use crate::table::{Cell, Table, span, state};

/// Shows the conditions of the node, its plugins and applications, or of one application and all of its parts.
pub(crate) async fn status(client: &Client, application: Option<&str>, screen: Screen) -> anyhow::Result<()> {
    let answer = client.json(Method::GET, "/v1/status").await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let now_ms = u64::try_from(now.as_millis())?;
    let Some(name) = application else {
        let status: NodeStatus =
            serde_json::from_value(answer.clone()).context("the daemon's status cannot be read")?;
        return screen.show(&answer, || Ok(table(&of_node(&status), now_ms)));
    };
    let one = one(&answer, name)?;
    let application: Application = serde_json::from_value(one.clone()).context("the daemon's status cannot be read")?;
    screen.show(one, || Ok(table(&of_application(&application), now_ms)))
}

fn one<'a>(status: &'a Value, name: &str) -> anyhow::Result<&'a Value> {
    let mut all = status["applications"].as_array().into_iter().flatten();
    let missing = || Failure::not_found(format!("no application `{name}`")).hint("`aerolith status` shows all of them");
    Ok(all
        .find(|application| application["name"] == name)
        .ok_or_else(missing)?)
}

/// A part of the node, and its conditions.
type Part<'a> = (String, &'a [Condition]);

fn of_node(status: &NodeStatus) -> Vec<Part<'_>> {
    let node = ("node".to_owned(), status.conditions.as_slice());
    let plugins = status
        .plugins
        .iter()
        .map(|p| (format!("plugin {}", p.instance), p.conditions.as_slice()));
    let applications = status
        .applications
        .iter()
        .map(|a| (a.name.clone(), a.conditions.as_slice()));
    std::iter::once(node).chain(plugins).chain(applications).collect()
}

fn of_application(application: &Application) -> Vec<Part<'_>> {
    let mut parts = vec![(application.name.clone(), application.conditions.as_slice())];
    for service in &application.services {
        let name = format!("{}/{}", application.name, service.name);
        parts.push((name.clone(), &service.conditions));
        parts.extend(service.instances.iter().map(|instance| {
            let old = if instance.outdated { " (old)" } else { "" };
            (
                format!("{name}/{}{old}", instance.index),
                instance.conditions.as_slice(),
            )
        }));
    }
    parts
}

fn table(parts: &[Part<'_>], now_ms: u64) -> Table<6> {
    let headings = ["PART", "CONDITION", "IS", "REASON", "SINCE", "MESSAGE"];
    let rows = parts
        .iter()
        .flat_map(|(part, conditions)| conditions.iter().map(move |one| row(part, one, now_ms)));
    Table::new(headings, rows)
}

fn row(part: &str, condition: &Condition, now_ms: u64) -> [Cell; 6] {
    [
        Cell::from(part),
        Cell::from(&condition.aspect),
        state(&condition.status),
        Cell::from(&condition.reason),
        Cell::from(&span(now_ms.saturating_sub(condition.since_ms) / 1_000)),
        Cell::from(&told(condition, now_ms)),
    ]
}

/// What is said of a condition, with the time until the next try.
pub(super) fn told(condition: &Condition, now_ms: u64) -> String {
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
    use aerolith_api::{Instance, Service};

    fn condition(aspect: &str, status: &str, reason: &str, since_ms: u64) -> Condition {
        Condition {
            aspect: aspect.into(),
            status: status.into(),
            reason: reason.into(),
            since_ms,
            ..Condition::default()
        }
    }

    fn weather() -> Application {
        let instance = |outdated, conditions| Instance {
            index: 1,
            outdated,
            conditions,
            ..Instance::default()
        };
        let restarting = Condition {
            message: "ended with code 3".into(),
            next_try_ms: Some(103_500),
            ..condition("Running", "false", "Restarting", 98_000)
        };
        let agent = Service {
            name: "agent".into(),
            conditions: vec![condition("Prepared", "true", "Prepared", 0)],
            instances: vec![
                instance(true, vec![condition("Running", "true", "Running", 40_000)]),
                instance(false, vec![restarting]),
            ],
            ..Service::default()
        };
        Application {
            name: "weather".into(),
            conditions: vec![condition("Deployed", "false", "Progressing", 99_999)],
            services: vec![agent],
            ..Application::default()
        }
    }

    #[test]
    fn all_parts_of_an_application_are_shown_with_their_ages() {
        let expected = "\
PART                   CONDITION  IS     REASON       SINCE  MESSAGE
weather                Deployed   false  Progressing  0s
weather/agent          Prepared   true   Prepared     1m
weather/agent/1 (old)  Running    true   Running      1m
weather/agent/1        Running    false  Restarting   2s     ended with code 3; next try in 4s
";
        assert_eq!(table(&of_application(&weather()), 100_000).render(false), expected);
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
