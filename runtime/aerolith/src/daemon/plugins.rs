//! Starting the plugins: all at once, and none of them holding up the node for long.

use std::time::Duration;

use aerolith_host::{PluginHost, Spec};
use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::control::Daemon;
use crate::instances::{InstanceFiles, specs};
use crate::outcome::refused;

/// What plugins may take before the node begins without those that are not up yet.
const HEAD_START: Duration = Duration::from_secs(5);

/// Starts every instance. One that does not start is reported, and tried again by the host.
pub(super) async fn start(daemon: &Daemon, files: InstanceFiles) -> anyhow::Result<()> {
    let host = daemon.host().clone();
    let available = tokio::task::spawn_blocking(move || host.available()).await;
    let available = available
        .context("the plugins were not looked for to the end")?
        .map_err(refused)?;
    let mut starts = JoinSet::new();
    for spec in specs(available, files) {
        starts.spawn(apart(begin(daemon.clone_parts(), spec)));
    }
    let all = async { while starts.join_next().await.is_some() {} };
    if tokio::time::timeout(HEAD_START, all).await.is_err() {
        let late = starts.len();
        tracing::warn!(late, "the node begins before all plugins are up");
        starts.detach_all();
    }
    Ok(())
}

async fn begin((host, failed): (PluginHost, super::control::Failed), spec: Spec) {
    let (instance, required) = (spec.instance.clone(), spec.required);
    if let Err(error) = host.start(spec).await {
        tracing::error!(instance, required, error = %error, "a plugin instance did not start");
        if required && host.service(&instance).is_none() {
            failed.note(&instance, &error.to_string());
        }
    }
}

/// Runs something that blocks on files now and then on a thread of its own, to its end, whoever still waits for it.
pub(super) async fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work)).await
}
