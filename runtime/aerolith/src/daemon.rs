//! `aerolith run`: the rooms put together, started, and brought to their end.

mod boot;
mod control;
mod descriptors;
mod health;
mod heard;
mod logging;
mod memory;
mod notify;
mod plugins;
mod refusal;
mod shown;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aerolith_api::{Listener, Version, router, serve};
use aerolith_host::PluginHost;
use aerolith_node::{Foundation, Node};
use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::arguments::Run;
use crate::daemon::control::Daemon;
use crate::outcome::listening;
use crate::settings::Settings;

/// Threads for file work go after this much idleness, so that an idle daemon is small.
const IDLE_THREAD: Duration = Duration::from_secs(1);

/// Runs the daemon until SIGTERM or SIGINT.
pub(crate) fn run(run: Run, socket: Option<PathBuf>) -> anyhow::Result<()> {
    memory::keep_small();
    let settings = Settings::resolve(run, socket)?;
    logging::begin(settings.level, settings.format);
    descriptors::allow_all();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(IDLE_THREAD)
        .build()?;
    let result = runtime.block_on(live(settings));
    runtime.shutdown_background();
    result
}

/// What this program is.
pub(crate) fn version() -> Version {
    Version {
        name: "aerolith".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        plugin_api: aerolith_plugin_abi::API.to_string(),
        target: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

async fn live(settings: Settings) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let boot = boot::name(&settings.of_this_boot, boot::ID);
    let foundation = Foundation::open(settings.foundation(boot.clone())?)?;
    boot::clear_what_an_earlier_one_left(&settings.of_this_boot, &boot)?;
    let host = PluginHost::open(settings.host()?, Arc::new(foundation.clone()))?;
    let daemon = Arc::new(Daemon::new(host.clone(), foundation.clone(), settings.instances));
    let listener = Listener::open(&settings.socket).map_err(listening)?;
    tracing::info!(socket = %settings.socket.display(), data = %settings.data.display(), "the API is ready");
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let api = tokio::spawn(serve(listener, router(daemon.clone()), stopped));
    let started = start(&daemon, foundation);
    let ended = tokio::select! {
        result = started => match result {
            Ok(node) => attend(&node, &mut signals).await,
            Err(error) => Err(error),
        },
        name = signals.next() => Ok(name),
    };
    if let Ok(name) = &ended {
        tracing::info!(signal = name, "stopping the plugins; applications go on running");
    }
    notify::tell("STOPPING=1");
    let end = async {
        drop(stop);
        if let Err(error) = api.await {
            tracing::error!(%error, "the API ended early");
        }
        daemon.stop().await;
    };
    tokio::select! {
        () = end => {}
        name = signals.next() => tracing::warn!(signal = name, "a second signal: not waiting for anything"),
    }
    ended.map(drop)
}

/// Waits for a signal. Without its driver a node does nothing and yet looks well, so its end is the daemon's: who started that
/// starts it again.
async fn attend(node: &Node, signals: &mut Signals) -> anyhow::Result<&'static str> {
    tokio::select! {
        name = signals.next() => Ok(name),
        why = node.fallen() => anyhow::bail!("a fault of the program ended the node's driver; applications go on running: {why}"),
    }
}

/// Plugins first, then the node that needs them.
async fn start(daemon: &Daemon, foundation: Foundation) -> anyhow::Result<Node> {
    plugins::start(daemon).await;
    let node = Node::open(foundation, Arc::new(daemon.host().clone())).await;
    let node = node.context("the node cannot be opened")?;
    daemon.begin(node.clone());
    notify::tell("READY=1");
    tracing::info!("the node is ready");
    Ok(node)
}

/// What asks the daemon to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
