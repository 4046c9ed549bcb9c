//! Plugins without a daemon: those that offer what a command needs run in this process, over a folder that goes with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use aerolith_api::Event;
use aerolith_host::{PluginHost, Source, Spec};
use aerolith_node::{Foundation, Trial};
use anyhow::anyhow;
use futures_util::FutureExt as _;
use futures_util::future::join_all;

use crate::instances::{InstanceFiles, specs};
use crate::progress::Progress;
use crate::scratch::Scratch;
use crate::settings::Settings;

/// What a node has before it does anything, without a past.
pub(crate) struct Daemonless {
    pub(crate) host: PluginHost,
    foundation: Foundation,
    searched: Vec<PathBuf>,
    /// Why plugins did not start.
    troubles: Vec<String>,
    _folder: Scratch,
}

/// Runs a step with the plugins of a node that offer one of some capabilities. Nothing of it is left.
pub(crate) fn with_plugins<T>(
    settings: Settings,
    capabilities: &[&str],
    step: impl AsyncFnOnce(&Daemonless) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let here = Daemonless::open(settings, capabilities).await?;
        let ended = step(&here).await;
        here.host.shutdown().await;
        ended
    });
    runtime.shutdown_background();
    ended
}

impl Daemonless {
    async fn open(settings: Settings, capabilities: &[&str]) -> anyhow::Result<Self> {
        let folder = Scratch::new()?;
        let settings = settings.within(folder.path());
        let foundation = Foundation::open(settings.foundation(String::new())?)?;
        let host = PluginHost::open(settings.host()?, Arc::new(foundation.clone()))?;
        let troubles = start(&host, settings.instances, capabilities).await;
        Ok(Self {
            host,
            foundation,
            searched: settings.folders,
            troubles,
            _folder: folder,
        })
    }

    /// Where packages are tried.
    pub(crate) fn trial(&self) -> anyhow::Result<Trial> {
        Ok(Trial::open(&self.foundation, Arc::new(self.host.clone()))?)
    }

    /// Does something, and tells meanwhile how far packages are.
    pub(crate) async fn telling<T>(&self, mut progress: Progress, step: impl Future<Output = T>) -> anyhow::Result<T> {
        let mut events = self.foundation.bus().subscribe("package/#")?;
        let mut step = pin!(step);
        let ended = loop {
            tokio::select! {
                biased;
                Some(event) = events.next() => progress.hear(&told(event)),
                ended = &mut step => break ended,
            }
        };
        while let Some(Some(event)) = events.next().now_or_never() {
            progress.hear(&told(event));
        }
        Ok(ended)
    }

    /// Says of a capability that is lacking where it was looked for, and what did not start.
    pub(crate) fn lacking(&self, error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
        let folders: Vec<_> = self.searched.iter().map(|path| path.display().to_string()).collect();
        let mut looked = format!("looked for plugins in {}", folders.join(", "));
        for trouble in &self.troubles {
            looked = format!("{looked}; {trouble}");
        }
        let message = error.to_string();
        anyhow!(looked).context(message)
    }
}

fn told(event: aerolith_plugin_wire::host::Event) -> Event {
    Event {
        topic: event.topic,
        data: event.data,
    }
}

/// Starts what offers one of the capabilities, and answers why what should did not start.
async fn start(host: &PluginHost, files: InstanceFiles, capabilities: &[&str]) -> Vec<String> {
    let shipped = match host.shipped() {
        Ok(shipped) => shipped,
        Err(error) => return vec![error.to_string()],
    };
    let all = specs(shipped.keys().cloned().collect(), files).into_iter();
    let wanted = all.filter(|spec| offers(host, &shipped, spec, capabilities));
    let started = join_all(wanted.map(|spec| host.start(spec))).await;
    let troubles = started.into_iter().filter_map(Result::err);
    troubles.map(|error| error.to_string()).collect()
}

/// Whether an instance offers one of the capabilities. Of one whose file says nothing starting it says why.
fn offers(host: &PluginHost, shipped: &BTreeMap<String, PathBuf>, spec: &Spec, capabilities: &[&str]) -> bool {
    let file = match &spec.source {
        Source::File(path) => Some(path),
        Source::Named(name) => shipped.get(name),
        Source::Linked(_) => None,
    };
    let Some(Ok(inspected)) = file.map(|path| host.check(path)) else {
        return true;
    };
    capabilities
        .iter()
        .any(|id| inspected.manifest.provides.contains_key(*id))
}
