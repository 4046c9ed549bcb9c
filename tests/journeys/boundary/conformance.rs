//! One suite, four ways in: linked in, library, child process, and C.

use crate::support::build::{c_monitor, plugin};
use crate::support::core::House;
use crate::support::depot::{Depot, Reply, good};
use aerolith_host::{Isolation, Source, Spec};
use aerolith_plugin_testkit::calls::Call;
use aerolith_plugin_testkit::{accel, arch, calls, engine, fetcher, life};
use aerolith_plugin_wire::{Error, Result, Service};
use std::sync::Arc;

const CALLS: &[Call<'_>] = &[Call::of("accel/1.fingerprint", b""), Call::of("accel/1.stats", b"{}")];

async fn tried(house: &House, source: &Source, isolation: Isolation, config: &str) -> Result<Arc<dyn Service>> {
    let config = serde_json::from_str(config).map_err(Error::invalid)?;
    let spec = Spec {
        config,
        isolation,
        ..Spec::new("tried", source.clone())
    };
    match house.host.trial(spec).await {
        Ok(trial) => Ok(Arc::new(trial)),
        Err(aerolith_host::HostError::Plugin { error, .. }) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

async fn started(house: &House, source: Source, isolation: Isolation) -> Arc<dyn Service> {
    configured(house, source, isolation, serde_json::json!({})).await
}

async fn configured(
    house: &House,
    source: Source,
    isolation: Isolation,
    config: serde_json::Value,
) -> Arc<dyn Service> {
    house
        .host
        .start(Spec {
            config,
            isolation,
            ..Spec::new("conforming", source)
        })
        .await
        .unwrap();
    house.service("conforming")
}

/// Everything that an accelerator monitor must do, through one of the ways in.
async fn monitor(source: Source, isolation: Isolation) {
    let house = House::new();
    life::run("{}", async |config: &str| {
        tried(&house, &source, isolation, config).await
    })
    .await
    .assert_clean();
    let service = started(&house, source, isolation).await;
    calls::run(&service, CALLS).await.assert_clean();
    accel::run(&service).await.assert_clean();
    house.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_that_is_linked_in_conforms() {
    monitor(Source::Linked(probe::aerolith_root()), Isolation::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_in_a_library_conforms() {
    monitor(Source::File(plugin("probe")), Isolation::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_in_a_child_process_conforms() {
    monitor(Source::File(plugin("probe")), Isolation::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_in_c_conforms() {
    monitor(Source::File(c_monitor()), Isolation::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_in_c_in_a_child_process_conforms() {
    monitor(Source::File(c_monitor()), Isolation::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_arch_resolver_conforms() {
    let house = House::new();
    let source = Source::File(plugin("arch-resolver"));
    life::run("{}", async |config: &str| {
        tried(&house, &source, Isolation::None, config).await
    })
    .await
    .assert_clean();
    arch::run(&started(&house, source, Isolation::None).await)
        .await
        .assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fetcher_for_files_conforms_in_both_isolations() {
    for isolation in [Isolation::None, Isolation::Process] {
        let house = House::new();
        let source = Source::File(plugin("fetcher-file"));
        life::run("{}", async |config: &str| {
            tried(&house, &source, isolation, config).await
        })
        .await
        .assert_clean();
        let bytes: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
        let file = house.folder.path().join("known-bytes");
        std::fs::write(&file, &bytes).unwrap();
        let url = format!("file://{}", file.display());
        fetcher::run(&started(&house, source, isolation).await, &url, &bytes)
            .await
            .assert_clean();
    }
}

/// A fetcher of the network against a server that knows ranges; the configuration is made of the server's address.
async fn network_fetcher(name: &str, url: &str, config: &str) {
    let house = House::new();
    let source = Source::File(plugin(name));
    life::run("{}", async |config: &str| {
        tried(&house, &source, Isolation::None, config).await
    })
    .await
    .assert_clean();
    let bytes: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let offered = bytes.clone();
    let depot = Depot::start(move |request| match request.path.as_str() {
        "/depot/known-bytes" => good(&offered, "v1", request),
        _ => Reply::new("404 Not Found", b""),
    });
    let place = |text: &str| text.replace("PLACE", &depot.url(""));
    let config = serde_json::from_str(&place(config)).unwrap();
    let service = configured(&house, source, Isolation::Process, config).await;
    fetcher::run(&service, &place(url), &bytes).await.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fetcher_for_http_conforms() {
    network_fetcher("fetcher-http", "PLACE/depot/known-bytes", "{}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fetcher_for_object_stores_conforms() {
    let config = r#"{"endpoint":"PLACE","anonymous":true}"#;
    network_fetcher("fetcher-s3", "s3://depot/known-bytes", config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_engine_conforms() {
    let house = House::new();
    let source = Source::File(plugin("engine-process"));
    life::run("{}", async |config: &str| {
        tried(&house, &source, Isolation::None, config).await
    })
    .await
    .assert_clean();
    let folder = tempfile::tempdir().unwrap();
    engine::run(&started(&house, source, Isolation::None).await, folder.path())
        .await
        .assert_clean();
    house.host.shutdown().await;
}
