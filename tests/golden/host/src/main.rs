//! Loads one plugin, asks everything of it that a host asks, and says how it went: `golden-host FILE`.
//!
//! A build of this program is kept from every minor of the plugin API, so that new plugins are tried on old hosts.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose answer is what it prints"
)]

use aerolith_host::{Caller, Core, PluginHost, Settings, Source, Spec, Status};
use aerolith_plugin_wire::{Bytes, Error, Reply, Result, Sent, Service, SinkBox, accel};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A core that counts what it is sent.
#[derive(Default)]
struct Counting(Arc<Counted>);

#[derive(Default)]
struct Counted {
    metrics: AtomicUsize,
}

impl Core for Counting {
    fn services(&self, _: &Caller) -> Arc<dyn Service> {
        self.0.clone()
    }

    fn changed(&self, _: &Status) {}
}

impl Service for Counted {
    fn call(&self, method: &str, _: Bytes, _: Option<SinkBox>) -> Reply {
        let error = Error::unimplemented(method);
        Box::pin(async move { Err(error) })
    }

    fn send(&self, method: &str, _: &[u8]) -> Result<Sent> {
        if method == "host/1.metric" {
            self.metrics.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Sent::Accepted)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("golden-host: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("usage: golden-host FILE")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(drive(file))
}

async fn drive(file: PathBuf) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let core = Counting::default();
    let counted = core.0.clone();
    let settings = Settings::new(folder.path().to_owned(), (PathBuf::new(), Vec::new()));
    let host = PluginHost::open(settings, Arc::new(core))?;
    let config = serde_json::json!({"model": "G1"});
    host.start(Spec {
        config,
        ..Spec::new("golden-1", Source::File(file))
    })
    .await?;
    let monitor = accel::Client(host.service("golden-1").ok_or("no instance")?);
    let cards = monitor.fingerprint().await?;
    let samples = monitor.stats(&accel::Select::default()).await?;
    let unknown = monitor
        .stats(&accel::Select {
            ids: vec!["sn:other".into()],
        })
        .await;
    let metrics = counted.metrics.load(Ordering::Relaxed);
    let status = host.list().remove(0);
    host.shutdown().await;
    println!(
        "host API {}: plugin {} {} is {:?}; model {}; {} sample; unknown card refused: {}; metrics {metrics}",
        aerolith_plugin_abi::API,
        status.plugin,
        status.version,
        status.state,
        cards.cards.first().map_or("none", |c| &c.model),
        samples.samples.len(),
        unknown.is_err(),
    );
    Ok(())
}
