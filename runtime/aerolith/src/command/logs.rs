//! `aerolith logs`: what instances wrote.

use aerolith_api::Instance;
use hyper::Method;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::arguments::Logs;
use crate::client::{Client, next, quoted};
use crate::lines::Lines;
use crate::screen::Screen;

/// Shows the output of one instance as it stands, and of several line by line with the instance in front.
pub(crate) async fn logs(client: &Client, wanted: &Logs, screen: Screen) -> anyhow::Result<()> {
    let answer = client.json(Method::GET, "/v1/instances").await?;
    let mut instances: Vec<Instance> = serde_json::from_value(answer)?;
    instances.retain(|instance| wanted.target.takes(instance));
    instances.dedup_by(|one, other| one.id == other.id);
    match instances.as_slice() {
        [] => {
            let message = format!(
                "no application, service or instance called `{}` has run here",
                wanted.target
            );
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
    format!("{} | ", instance.id)
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
