//! Calls across the plugin boundary, from a direct call to a child process.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    unsafe_code,
    reason = "a bench; it loads a library by itself"
)]

use aerolith_host::{Caller, Core, Isolation, PluginHost, Settings, Source, Spec, Status};
use aerolith_plugin::testing::Host as TestHost;
use aerolith_plugin_abi::{HEADER_SYMBOL, Header};
use aerolith_plugin_testkit::plugins;
use aerolith_plugin_wire::service::Behind;
use aerolith_plugin_wire::{Bytes, Error, Reply, Result, Sent, Service, SinkBox, accel, hub};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const FRAME: [u8; 64] = [7; 64];

/// The floor: a call through a trait object.
trait Direct: Send + Sync {
    fn publish(&self, item: &[u8]) -> std::result::Result<bool, String>;
}

struct Counter(AtomicU64);

impl Direct for Counter {
    fn publish(&self, item: &[u8]) -> std::result::Result<bool, String> {
        self.0.fetch_add(u64::from(!item.is_empty()), Ordering::Relaxed);
        Ok(true)
    }
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

fn session() -> hub::Session {
    hub::Session {
        client: "gateway-17".into(),
        clean: true,
        expiry_s: 3600,
    }
}

/// The sponge's library, entered by hand: the waist with a library's edge, and nothing of the host.
fn library(host: &TestHost, file: &Path) -> Behind {
    // SAFETY: a plugin that this bench has just built; the symbol is abi_stable's header.
    let header = unsafe {
        let library = libloading::Library::new(file).unwrap();
        let header: Header = *library.get::<Header>(HEADER_SYMBOL).unwrap();
        std::mem::forget(library);
        header
    };
    host.instance(aerolith_plugin_abi::open(header).unwrap(), "library", "{}")
        .unwrap()
}

fn c_monitor(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api/c/monitor.c");
    let file = folder.join("libmonitor.so");
    plugins::build_c(&source, &file).unwrap();
    file
}

fn sends(c: &mut Criterion) {
    let file = plugins::build("sponge", benches::PLUGIN).unwrap();
    let test_host = TestHost::new();
    let direct: Box<dyn Direct> = Box::new(Counter(AtomicU64::new(0)));
    let linked = test_host.instance(sponge::aerolith_root(), "linked", "{}").unwrap();
    let library = library(&test_host, &file);
    let mut group = c.benchmark_group("send of 64 bytes");
    group.bench_function("floor: direct dyn call", |b| {
        b.iter(|| black_box(&direct).publish(black_box(&FRAME)));
    });
    for (name, service) in [("waist, linked in", &linked), ("waist, library", &library)] {
        group.bench_function(name, |b| b.iter(|| service.send("hub/1.publish", black_box(&FRAME))));
    }
    with_host(|runtime, host, _| {
        let source = Source::File(file.clone());
        runtime.block_on(host.start(Spec::new("sponge", source))).unwrap();
        let service = host.service("sponge").unwrap();
        group.bench_function("through the host, library", |b| {
            b.iter(|| service.send("hub/1.publish", black_box(&FRAME)));
        });
    });
    group.finish();
}

fn calls(c: &mut Criterion) {
    let file = plugins::build("sponge", benches::PLUGIN).unwrap();
    let test_host = TestHost::new();
    let linked = hub::Client(test_host.instance(sponge::aerolith_root(), "linked", "{}").unwrap());
    let library = hub::Client(library(&test_host, &file));
    let request = session();
    let mut group = c.benchmark_group("call");
    group.bench_function("floor: JSON there and back alone", |b| {
        b.iter(|| {
            let bytes = aerolith_plugin_wire::payload::encode(black_box(&request)).unwrap();
            let read: hub::Session = aerolith_plugin_wire::payload::decode(&bytes).unwrap();
            let reply = hub::Opened {
                session: read.client.len() as u64,
                present: false,
            };
            let bytes = aerolith_plugin_wire::payload::encode(&reply).unwrap();
            aerolith_plugin_wire::payload::decode::<hub::Opened>(&bytes).unwrap()
        });
    });
    group.bench_function("typed JSON, waist, linked in", |b| {
        b.iter(|| test_host.block_on(linked.open(black_box(&request))).unwrap());
    });
    group.bench_function("typed JSON, waist, library", |b| {
        b.iter(|| test_host.block_on(library.open(black_box(&request))).unwrap());
    });
    group.bench_function("raw frame, waist, library", |b| {
        b.iter(|| test_host.block_on(library.deliver(black_box(&FRAME))).unwrap());
    });
    through_the_host(&mut group, &file, &request);
    group.finish();
}

fn through_the_host(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    file: &Path,
    request: &hub::Session,
) {
    with_host(|runtime, host, folder| {
        for (instance, isolation) in [("library", Isolation::None), ("child process", Isolation::Process)] {
            let spec = Spec {
                isolation,
                ..Spec::new(instance, Source::File(file.into()))
            };
            runtime.block_on(host.start(spec)).unwrap();
            let client = hub::Client(host.service(instance).unwrap());
            group.bench_function(format!("typed JSON, through the host, {instance}"), |b| {
                b.iter(|| runtime.block_on(client.open(black_box(request))).unwrap());
            });
        }
        let monitor = Spec::new("c", Source::File(c_monitor(folder)));
        runtime.block_on(host.start(monitor)).unwrap();
        let client = accel::Client(host.service("c").unwrap());
        group.bench_function("typed JSON, through the host, C", |b| {
            b.iter(|| runtime.block_on(client.stats(&accel::Select::default())).unwrap());
        });
    });
}

/// A host in a folder of its own, inside a runtime.
fn with_host(run: impl FnOnce(&tokio::runtime::Runtime, &PluginHost, &Path)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let helper = (
        plugins::program("aerolith", benches::DAEMON).unwrap(),
        vec!["__plugin".into()],
    );
    let host = runtime.block_on(async {
        PluginHost::open(Settings::new(folder.path().join("plugins"), helper), Arc::new(Silent)).unwrap()
    });
    run(&runtime, &host, folder.path());
    runtime.block_on(host.shutdown());
}

criterion_group!(boundary, sends, calls);
criterion_main!(boundary);
