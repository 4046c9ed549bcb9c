//! What it costs to trust a plugin file, and to bring an instance of it up, each beside its floor.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    unsafe_code,
    reason = "a bench; its floor opens a library by hand"
)]

use aerolith_host::store::Store;
use aerolith_host::{Caller, Core, PluginHost, Settings, Source, Spec, Status};
use aerolith_plugin_testkit::plugins;
use aerolith_plugin_wire::{Bytes, Error, Reply, Result, Sent, Service, SinkBox};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sha2::Digest as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn verify(c: &mut Criterion) {
    let file = plugins::build("golden", benches::PLUGIN).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut group = c.benchmark_group("plugin file");
    group.throughput(Throughput::Bytes(fs::metadata(&file).unwrap().len()));
    group.bench_function("floor: read and sha256", |b| {
        b.iter(|| sha2::Sha256::digest(fs::read(&file).unwrap()));
    });
    group.bench_function("verify", |b| b.iter(|| store.check(&file).unwrap()));
    group.bench_function("verify, already in the store", |b| {
        b.iter(|| store.add(&file, None).unwrap());
    });
    group.finish();
}

/// A core that answers nothing: nothing is asked here.
struct Silent;

impl Core for Silent {
    fn services(&self, _: &Caller) -> Arc<dyn Service> {
        Arc::new(Self)
    }

    fn changed(&self, _: &Status) {}
}

impl Service for Silent {
    fn call(&self, method: &str, _: Bytes, _: Option<SinkBox>) -> Reply {
        let error = Error::unimplemented(method);
        Box::pin(async move { Err(error) })
    }

    fn send(&self, _: &str, _: &[u8]) -> Result<Sent> {
        Ok(Sent::Accepted)
    }
}

/// The plugin as a file that was never loaded before: a library is loaded only once for each content.
fn fresh(folder: &Path, bytes: &[u8]) -> (u64, PathBuf) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("fresh-{number}.so"));
    let mut bytes = bytes.to_vec();
    bytes.extend_from_slice(&number.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    (number, path)
}

fn load(c: &mut Criterion) {
    let bytes = fs::read(plugins::build("golden", benches::PLUGIN).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let settings = Settings::new(folder.path().join("plugins"), (PathBuf::new(), Vec::new()));
    let host = runtime.block_on(async { PluginHost::open(settings, Arc::new(Silent)).unwrap() });
    // Libraries are never unloaded: few samples keep the process small.
    let mut group = c.benchmark_group("plugin load");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(200));
    group.bench_function("floor: dlopen alone", |b| {
        let open = |(_, path): (u64, PathBuf)| {
            // SAFETY: a plugin that this bench has just built; it is never closed.
            std::mem::forget(unsafe { libloading::Library::new(path).unwrap() });
        };
        b.iter_batched(|| fresh(folder.path(), &bytes), open, BatchSize::PerIteration);
    });
    group.bench_function("verify, store, load, create and start", |b| {
        let start = |(number, path): (u64, PathBuf)| {
            runtime
                .block_on(host.start(Spec::new(format!("fresh-{number}"), Source::File(path))))
                .unwrap();
        };
        b.iter_batched(|| fresh(folder.path(), &bytes), start, BatchSize::PerIteration);
    });
    group.finish();
    runtime.block_on(host.shutdown());
}

criterion_group!(all, verify, load);
criterion_main!(all);
