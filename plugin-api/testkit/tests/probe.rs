//! The suites on the probe linked in, and on probes that misbehave.

use aerolith_plugin::testing::Host;
use aerolith_plugin::{Result, Service};
use aerolith_plugin_testkit::calls::Call;
use aerolith_plugin_testkit::{Report, accel, calls, life};
use std::sync::Arc;

const CALLS: &[Call<'_>] = &[
    Call::of("accel/1.fingerprint", b""),
    Call::of("accel/1.stats", b"{}"),
    Call::of("accel/1.stats", b"{\"ids\":[\"sn:nobody\"]}"),
    Call::of("accel/1.release", b"{\"instance\":\"nobody\"}"),
];

fn made(host: &Host, config: &str) -> Result<Arc<dyn Service>> {
    Ok(Arc::new(host.instance(probe::aerolith_root(), "probe-1", config)?))
}

/// As [`made`], on a thread of the host's runtime: a `create` that fails ends the instance's own runtime, which may block.
fn made_inside(host: &Host, config: &str) -> Result<Arc<dyn Service>> {
    tokio::task::block_in_place(|| made(host, config))
}

fn life_of(config: &str) -> Report {
    let host = Host::new();
    host.block_on(life::run(config, async |config| made_inside(&host, config)))
}

fn names(report: &Report) -> Vec<&str> {
    report.failed.iter().map(|f| f.name).collect()
}

#[test]
fn the_probe_lives_as_a_plugin_does() {
    life_of("{}").assert_clean();
}

#[test]
fn the_probe_answers_calls_and_survives_their_end() {
    let host = Host::new();
    let service = made(&host, "{}").unwrap();
    host.block_on(calls::run(&service, CALLS)).assert_clean();
}

#[test]
fn the_probe_is_an_accelerator_monitor() {
    let host = Host::new();
    let service = made(&host, r#"{"cards":["sn:a","uuid:b","pci:c"]}"#).unwrap();
    host.block_on(accel::run(&service)).assert_clean();
}

#[test]
fn a_probe_that_panics_in_stop_or_drain_does_not_live_as_a_plugin_does() {
    let report = life_of(r#"{"panicIn":"stop"}"#);
    assert!(names(&report).contains(&"it starts and stops"), "{report}");
    let report = life_of(r#"{"panicIn":"drain"}"#);
    assert_eq!(
        names(&report),
        ["it drains and resumes", "it stops after it drained"],
        "{report}"
    );
    assert!(report.to_string().contains("told to panic in Drain"), "{report}");
}

#[test]
fn a_probe_that_panics_in_create_fails_every_check_that_makes_one() {
    let report = life_of(r#"{"panicIn":"create"}"#);
    assert_eq!(
        report.passed,
        ["a configuration that is no JSON is refused as invalid"],
        "{report}"
    );
}

#[test]
fn a_probe_that_panics_in_a_call_fails_the_suite_of_calls() {
    let host = Host::new();
    let service = made(&host, r#"{"panicIn":"fingerprint"}"#).unwrap();
    let report = host.block_on(calls::run(&service, CALLS));
    assert_eq!(names(&report), ["64 calls at once answer as one alone"], "{report}");
}

#[test]
fn a_monitor_without_schemes_in_its_ids_fails_its_suite() {
    let host = Host::new();
    let service = made(&host, r#"{"cards":["a"]}"#).unwrap();
    let report = host.block_on(accel::run(&service));
    assert_eq!(
        names(&report),
        ["every card has an id of its own, with its scheme"],
        "{report}"
    );
}
