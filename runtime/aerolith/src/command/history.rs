//! `aerolith history`, `rollback` and `retry`: what was deployed of an application, going back, trying again.

use std::time::SystemTime;

use aerolith_api::{Applied, Deployment, Retried};
use hyper::Method;

use super::resources::summary;
use super::wait::{Wanted, Watch};
use crate::arguments::Patience;
use crate::client::{Client, quoted};
use crate::screen::Screen;
use crate::table::{Cell, Table, span, state};
use crate::target::Target;

/// Shows the deployments of an application, newest first.
pub(crate) async fn history(client: &Client, application: &str, screen: Screen) -> anyhow::Result<()> {
    let target = format!("/v1/applications/{}/history", quoted(application));
    let answer = client.json(Method::GET, &target).await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let all: Vec<Deployment> = serde_json::from_value(answer.clone())?;
    screen.show(&answer, || {
        let headings = ["REVISION", "AGE", "OUTCOME", "FAILED", "REASON", "CHANGED"];
        Ok(Table::new(headings, all.iter().map(|one| row(one, now))))
    })
}

fn row(deployment: &Deployment, now: u64) -> [Cell; 6] {
    [
        Cell::from(&deployment.revision),
        Cell::from(&span(now.saturating_sub(deployment.at_ms / 1_000))),
        state(&deployment.outcome),
        Cell::from(&deployment.attempts),
        Cell::from(&deployment.reason),
        Cell::from(&deployment.changed.join(", ")),
    ]
}

/// Puts an earlier deployment back in force.
pub(crate) async fn rollback(
    client: &Client,
    application: &str,
    to: Option<u64>,
    patience: Patience,
    screen: Screen,
) -> anyhow::Result<()> {
    let watch = Watch::begin(client, patience, screen).await?;
    let to = to.map(|revision| format!("?to={revision}")).unwrap_or_default();
    let target = format!("/v1/applications/{}/rollback{to}", quoted(application));
    let answer = client.json(Method::POST, &target).await?;
    let applied: Applied = serde_json::from_value(answer.clone())?;
    screen.tell(&answer, || summary(&applied))?;
    watch.until(&Wanted::run(&applied)).await
}

/// Lets what failed for good be tried again.
pub(crate) async fn retry(client: &Client, target: &Target, screen: Screen) -> anyhow::Result<()> {
    let path = format!("/v1/instances/{}/retry", quoted(&target.to_string()));
    let answer = client.json(Method::POST, &path).await?;
    let Retried { retried } = serde_json::from_value(answer.clone())?;
    screen.tell(&answer, || match retried {
        true => format!("{target} is tried again\n"),
        false => format!("nothing of {target} has failed for good\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_shown_with_its_outcome_and_what_it_changed() {
        let failed = Deployment {
            revision: 12,
            at_ms: 40_000,
            outcome: "failed".into(),
            attempts: 2,
            reason: "web: ended with code 3".into(),
            changed: vec!["configuration/pp".into()],
        };
        let table = Table::new(
            ["REVISION", "AGE", "OUTCOME", "FAILED", "REASON", "CHANGED"],
            [row(&failed, 100)],
        );
        let expected = "\
REVISION  AGE  OUTCOME  FAILED  REASON                  CHANGED
12        1m   failed   2       web: ended with code 3  configuration/pp
";
        assert_eq!(table.render(false), expected);
    }
}
