//! What it costs to trust a plugin file: reading, hashing and inspecting it, beside reading and hashing alone.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use aerolith_host::store::Store;
use aerolith_plugin_testkit::plugins;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sha2::Digest as _;
use std::fs;

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

criterion_group!(load, verify);
criterion_main!(load);
