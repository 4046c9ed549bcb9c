//! `aerolith apply`, `delete` and `get`: resources as they are desired.

use std::path::PathBuf;

use aerolith_api::{Applied, Failure, Reason};
use aerolith_model::ResourceKind;
use anyhow::Context as _;
use hyper::Method;
use serde_json::Value;

use super::planned::{is_something, planned};
use super::source::Sources;
use super::wait::{Wanted, Watch};
use crate::arguments::{Delete, How, Patience};
use crate::client::{Client, quoted};
use crate::outcome::{DONE, TO_BE_DONE};
use crate::screen::Screen;
use crate::table::{Cell, Table};

/// Applies files as one change; answers the exit code.
pub(crate) async fn apply(
    client: &Client,
    files: &[PathBuf],
    how: How,
    patience: Patience,
    screen: Screen,
) -> anyhow::Result<u8> {
    let sources = Sources::read(files)?;
    let (name, text, warnings) = sources.joined()?;
    let watch = Watch::begin(client, patience, screen).await?;
    let How {
        dry_run,
        prune,
        allow_empty,
        ..
    } = how;
    let name = quoted(&name);
    let target = format!("/v1/resources?dryRun={dry_run}&prune={prune}&allowEmpty={allow_empty}&source={name}");
    let answer = client.send(Method::PUT, &target, text).await;
    let answer = answer.map_err(|error| sources.located(error))?;
    let applied: Applied = serde_json::from_value(answer.clone())?;
    for warning in warnings.iter().chain(&applied.warnings) {
        screen.message(&format!("warning: {warning}"));
    }
    screen.tell(&answer, || summary(&applied))?;
    watch.until(&Wanted::run(&applied)).await?;
    Ok(match how.detailed_exit_code && is_something(&applied) {
        true => TO_BE_DONE,
        false => DONE,
    })
}

pub(super) fn summary(applied: &Applied) -> String {
    if applied.dry_run {
        return planned(applied);
    }
    let mut text = format!("revision {}\n", applied.revision);
    if !is_something(applied) {
        text.push_str("  nothing to do\n");
    }
    let changed = applied
        .resources
        .iter()
        .map(|change| (&change.action, &change.resource));
    let steps = applied.steps.iter().map(|step| (&step.action, &step.target));
    text.extend(
        changed
            .chain(steps)
            .map(|(action, what)| format!("  {action:<8} {what}\n")),
    );
    text
}

/// Deletes one resource, or everything that stands in files: applications first, since they use the others.
pub(crate) async fn delete(client: &Client, wanted: Delete, screen: Screen) -> anyhow::Result<()> {
    let watch = Watch::begin(client, wanted.patience, screen).await?;
    if let (Some(kind), Some(name)) = (wanted.kind, &wanted.name) {
        let applied = one(client, kind.into(), name, screen).await?;
        return watch.until(&Wanted::gone(applied)).await;
    }
    let resources = Sources::read(&wanted.file)?.document()?.resources;
    let mut targets: Vec<_> = resources.iter().map(|r| (r.kind(), r.name().to_owned())).collect();
    targets.sort();
    let mut gone = Wanted::default();
    for (kind, name) in targets {
        match one(client, kind, &name, screen).await {
            Err(error) if is_absent(&error) => screen.message(&format!("{kind} `{name}` is not there")),
            other => gone.add(other?),
        }
    }
    watch.until(&gone).await
}

fn is_absent(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Failure>()
        .is_some_and(|failure| failure.code == Reason::NotFound)
}

async fn one(client: &Client, kind: ResourceKind, name: &str, screen: Screen) -> anyhow::Result<Applied> {
    let answer = client
        .json(Method::DELETE, &format!("/v1/{kind}s/{}", quoted(name)))
        .await?;
    screen.tell(&answer, || format!("{kind} `{name}` deleted\n"))?;
    Ok(serde_json::from_value(answer)?)
}

/// Shows the resources of a kind, or one of them.
pub(crate) async fn get(client: &Client, kind: ResourceKind, name: Option<&str>, screen: Screen) -> anyhow::Result<()> {
    let (target, one) = match name {
        Some(name) => (format!("/v1/{kind}s/{}", quoted(name)), true),
        None => (format!("/v1/{kind}s"), false),
    };
    let answer = client.json(Method::GET, &target).await?;
    screen.show(&answer, || {
        let list = if one {
            std::slice::from_ref(&answer)
        } else {
            answer.as_array().context("expected a list")?
        };
        let contents = if kind == ResourceKind::Application {
            "SERVICES"
        } else {
            "KEYS"
        };
        Ok(Table::new(
            ["NAME", "VERSION", contents, "DESCRIPTION"],
            list.iter().map(|item| row(kind, item)),
        ))
    })
}

fn row(kind: ResourceKind, item: &Value) -> [Cell; 4] {
    let text = |key: &str| item[key].as_str().unwrap_or_default();
    let contents = if kind == ResourceKind::Application {
        services(item)
    } else {
        keys(item)
    };
    let version = if text("version").is_empty() {
        "-"
    } else {
        text("version")
    };
    [
        Cell::from(text("name")),
        Cell::from(version),
        Cell::from(&contents.join(", ")),
        Cell::from(text("description")),
    ]
}

fn services(item: &Value) -> Vec<String> {
    let services = item["services"].as_array().into_iter().flatten();
    services
        .filter_map(|service| service["name"].as_str())
        .map(str::to_owned)
        .collect()
}

fn keys(item: &Value) -> Vec<String> {
    let data = item["data"].as_object().into_iter().flatten();
    let key = |(key, value): (&String, &Value)| match value["bytes"].as_u64() {
        Some(bytes) => format!("{key} ({bytes} B)"),
        None => key.clone(),
    };
    data.map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_api::{ResourceChange, Step};
    use serde_json::json;

    #[test]
    fn an_apply_says_what_is_done_next() {
        let step = Step {
            action: "start".into(),
            target: "weather.agent.1".into(),
        };
        let applied = Applied {
            revision: 3,
            steps: vec![step],
            ..Applied::default()
        };
        assert_eq!(summary(&applied), "revision 3\n  start    weather.agent.1\n");
        let removed = ResourceChange {
            resource: "secret/cert".into(),
            action: "removed".into(),
        };
        let pruned = Applied {
            revision: 4,
            resources: vec![removed],
            ..Applied::default()
        };
        assert_eq!(summary(&pruned), "revision 4\n  removed  secret/cert\n");
        let same = Applied {
            revision: 4,
            ..Applied::default()
        };
        assert_eq!(summary(&same), "revision 4\n  nothing to do\n");
    }

    #[test]
    fn a_row_shows_what_is_in_a_resource() {
        let secret = json!({"name": "cert", "data": {"key": {"bytes": 4}}});
        let rows = Table::new(
            ["NAME", "VERSION", "KEYS", "DESCRIPTION"],
            [row(ResourceKind::Secret, &secret)],
        );
        assert_eq!(
            rows.render(false),
            "NAME  VERSION  KEYS       DESCRIPTION\ncert  -        key (4 B)\n"
        );
        let application = json!({"name": "w", "version": "7", "services": [{"name": "a"}, {"name": "b"}]});
        assert_eq!(row(ResourceKind::Application, &application)[2], Cell::from("a, b"));
    }
}
