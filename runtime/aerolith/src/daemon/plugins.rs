//! Starting the plugins: all at once, and none of them holding up the node for long.

use std::time::Duration;

use aerolith_host::{PluginHost, Spec};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::control::{Daemon, Failed};
use crate::instances::{InstanceFiles, specs};

/// What plugins may take before the node begins without those that are not up yet.
const HEAD_START: Duration = Duration::from_secs(5);

/// Starts every instance. What goes wrong is reported, shows in the node's health, and ends nothing else.
pub(super) async fn start(daemon: &Daemon, files: InstanceFiles) {
    let (host, failed) = daemon.for_starting();
    let available = match apart(async move { host.available() }).await {
        Ok(Ok(available)) => available,
        Ok(Err(error)) => none(&failed, &error),
        Err(error) => none(&failed, &error),
    };
    let mut starts = JoinSet::new();
    for spec in specs(available, files) {
        starts.spawn(apart(begin(daemon.for_starting(), spec)));
    }
    let all = async { while starts.join_next().await.is_some() {} };
    if tokio::time::timeout(HEAD_START, all).await.is_err() {
        let late = starts.len();
        tracing::warn!(late, "the node begins before all plugins are up");
        starts.detach_all();
    }
}

fn none(failed: &Failed, error: &dyn std::fmt::Display) -> Vec<String> {
    tracing::error!(%error, "the plugins that came with the program are not started");
    failed.note(format!(
        "the plugins that came with the program are not started: {error}"
    ));
    Vec::new()
}

async fn begin((host, failed): (PluginHost, Failed), spec: Spec) {
    let (instance, required) = (spec.instance.clone(), spec.required);
    if let Err(error) = host.start(spec).await {
        tracing::error!(instance, required, error = %error, "a plugin instance did not start");
        if required && host.service(&instance).is_none() {
            failed.note(format!("required plugin instance `{instance}` is not there: {error}"));
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
