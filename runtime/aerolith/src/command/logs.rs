//! `aerolith logs`: what instances wrote.

use std::str::FromStr;

use aerolith_api::Instance;
use hyper::Method;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::arguments::Logs;
use crate::client::{Client, next, quoted};
use crate::lines::Lines;
use crate::outcome::Wrong;
use crate::screen::Screen;

/// Whose output: `APP[/SERVICE[/N]]`.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    application: String,
    service: Option<String>,
    index: Option<u32>,
}

impl FromStr for Target {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::new(format!(
                "`{text}` names no instance: expected APP, APP/SERVICE or APP/SERVICE/N"
            ))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() > 3 || parts.iter().any(|part| part.is_empty()) {
            return Err(wrong());
        }
        let index = parts
            .get(2)
            .map(|index| index.parse().map_err(|_| wrong()))
            .transpose()?;
        let part = |at: usize| parts.get(at).map(|part| (*part).to_owned());
        Ok(Self {
            application: part(0).unwrap_or_default(),
            service: part(1),
            index,
        })
    }
}

impl Target {
    fn takes(&self, instance: &Instance) -> bool {
        instance.application == self.application
            && self.service.as_ref().is_none_or(|service| *service == instance.service)
            && self.index.is_none_or(|index| index == instance.index)
    }
}

/// Shows the output of one instance as it stands, and of several line by line with the instance in front.
pub(crate) async fn logs(client: &Client, wanted: &Logs, screen: Screen) -> anyhow::Result<()> {
    let target: Target = wanted.target.parse()?;
    let answer = client.json(Method::GET, "/v1/instances").await?;
    let mut instances: Vec<Instance> = serde_json::from_value(answer)?;
    instances.retain(|instance| target.takes(instance));
    match instances.as_slice() {
        [] => {
            let message = format!("nothing called `{}` has run here", wanted.target);
            Err(aerolith_api::Failure::not_found(message)
                .hint("`aerolith ps` shows what runs")
                .into())
        }
        [one] => plain(client, &place(one, wanted), screen).await,
        several if wanted.follow => together(client, several, wanted, screen).await,
        several => one_by_one(client, several, wanted, screen).await,
    }
}

fn place(instance: &Instance, wanted: &Logs) -> String {
    let tail = wanted.tail.map(|tail| format!("&tail={tail}")).unwrap_or_default();
    format!(
        "/v1/instances/{}/logs?follow={}{tail}",
        quoted(&instance.id),
        wanted.follow
    )
}

async fn plain(client: &Client, place: &str, screen: Screen) -> anyhow::Result<()> {
    let mut stream = client.stream(place).await?;
    while let Some(piece) = next(&mut stream).await? {
        screen.data(piece)?;
    }
    Ok(())
}

async fn one_by_one(client: &Client, instances: &[Instance], wanted: &Logs, screen: Screen) -> anyhow::Result<()> {
    for instance in instances {
        let (sender, mut lines) = mpsc::channel(1);
        let read = marked(client.clone(), place(instance, wanted), front(instance), sender);
        let write = async {
            while let Some(line) = lines.recv().await {
                screen.data(line)?;
            }
            Ok(())
        };
        tokio::try_join!(read, write)?;
    }
    Ok(())
}

async fn together(client: &Client, instances: &[Instance], wanted: &Logs, screen: Screen) -> anyhow::Result<()> {
    let (sender, mut lines) = mpsc::channel(64);
    let mut readers = JoinSet::new();
    for instance in instances {
        readers.spawn(marked(
            client.clone(),
            place(instance, wanted),
            front(instance),
            sender.clone(),
        ));
    }
    drop(sender);
    while let Some(line) = lines.recv().await {
        screen.data(line)?;
    }
    while let Some(ended) = readers.join_next().await {
        ended??;
    }
    Ok(())
}

fn front(instance: &Instance) -> String {
    format!("{}/{} | ", instance.service, instance.index)
}

/// Sends every line of a stream with something in front.
async fn marked(client: Client, place: String, front: String, into: mpsc::Sender<Vec<u8>>) -> anyhow::Result<()> {
    let mut stream = client.stream(&place).await?;
    let mut lines = Lines::default();
    while let Some(piece) = next(&mut stream).await? {
        for line in lines.push(&piece) {
            into.send([front.as_bytes(), &line].concat()).await?;
        }
    }
    if let Some(line) = lines.finish() {
        into.send([front.as_bytes(), &line].concat()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(application: &str, service: &str, index: u32) -> Instance {
        Instance {
            application: application.into(),
            service: service.into(),
            index,
            ..Instance::default()
        }
    }

    #[test]
    fn a_target_takes_what_it_names() {
        let all = [
            instance("a", "b", 1),
            instance("a", "b", 2),
            instance("a", "c", 1),
            instance("d", "b", 1),
        ];
        let count = |text: &str| {
            let target: Target = text.parse().unwrap();
            all.iter().filter(|instance| target.takes(instance)).count()
        };
        assert_eq!(["a", "a/b", "a/b/2", "a/x"].map(count), [3, 2, 1, 0]);
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", "a/", "/b", "a/b/x", "a/b/1/2"] {
            assert!(
                text.parse::<Target>().unwrap_err().message.contains("APP/SERVICE/N"),
                "{text}"
            );
        }
    }
}
