//! Starting the plugins: all at once, and none of them holding up the node for long.

use std::time::Duration;

use aerolith_host::{HostError, PluginHost, Spec};
use futures_util::future::join_all;
use tokio::runtime::Handle;

use super::control::{Daemon, Failed};
use crate::instances::{InstanceFiles, specs};

/// What plugins may take before the node begins without those that are not up yet.
const HEAD_START: Duration = Duration::from_secs(5);

/// Starts every instance. What goes wrong is reported, shows in the node's health, and ends nothing else.
pub(super) async fn start(daemon: &Daemon) {
    let (host, failed, files) = daemon.for_starting();
    let starts = tokio::time::timeout(HEAD_START, apart(start_all(host, failed, files)));
    match starts.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the plugins were not started to the end"),
        Err(_) => tracing::warn!("the node begins before all plugins are up"),
    }
}

/// One thread reads all files, one after the other: every further thread would keep megabytes for itself.
async fn start_all(host: PluginHost, failed: Failed, files: InstanceFiles) {
    let available = host.available().unwrap_or_else(|error| none(&failed, &error));
    let begin = |spec| begin(host.clone(), failed.clone(), spec);
    join_all(specs(available, files).into_iter().map(begin)).await;
}

fn none(failed: &Failed, error: &HostError) -> Vec<String> {
    tracing::error!(%error, "the plugins that came with the program are not started");
    failed.note(format!(
        "the plugins that came with the program are not started: {error}"
    ));
    Vec::new()
}

async fn begin(host: PluginHost, failed: Failed, spec: Spec) {
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
