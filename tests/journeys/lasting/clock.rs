//! A wall clock that jumps while the daemon runs (an NTP server that is found late, a battery that is empty): durations stay
//! what they are.

use super::faketime;
use crate::deployment::texts::{STAY, application, file, script, service};
use crate::support::node::Node;
use crate::support::socket::Events;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest pause of the back-off that is waited for here, with room for a busy machine.
const LONG: Duration = Duration::from_secs(40);

/// The ends and starts of one instance, each with the time at which it was told.
fn ends_and_starts(node: &Node, instance: &str) -> Receiver<(bool, Instant)> {
    let mut events = Events::listen(&node.socket(), &format!("instance/{instance}/+")).unwrap();
    let (told, all) = channel();
    std::thread::spawn(move || {
        while let Ok(event) = events.next() {
            let topic = event["topic"].as_str().unwrap_or_default().to_owned();
            let is_end = topic.ends_with("/exited");
            if (is_end || topic.ends_with("/started")) && told.send((is_end, Instant::now())).is_err() {
                return;
            }
        }
    });
    all
}

/// How long the next restart lets wait whose end comes after a moment.
fn pause(all: &Receiver<(bool, Instant)>, after: Instant) -> Duration {
    let mut ended = None;
    loop {
        let (is_end, at) = all.recv_timeout(LONG).expect("it ends and is started again and again");
        match ended {
            _ if is_end => ended = Some(at).filter(|at| *at > after),
            Some(ended) => return at - ended,
            None => {}
        }
    }
}

/// Waits until a file has so many more bytes: probes tell nobody that they were made.
fn until_larger(file: &Path, bytes: u64) {
    let length = || fs::metadata(file).map_or(0, |file| file.len());
    let (before, until) = (length(), Instant::now() + LONG);
    while length() < before + bytes {
        assert!(Instant::now() < until, "no probe is made any more");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A node whose clock says 1970 and follows a file; nothing where that cannot be had, which is said.
fn node_of_1970() -> Option<(Node, PathBuf)> {
    let library = faketime::library()?;
    let mut node = Node::new();
    let clock = node.path("clock");
    faketime::set(&clock, "@1970-01-01 00:00:20");
    let mut daemon = node.daemon();
    faketime::follow(&mut daemon, &library, &clock);
    node.start_as(daemon);
    Some((node, clock))
}

#[test]
fn a_clock_that_jumps_moves_no_restart_and_no_probe_and_disturbs_nothing_that_runs() {
    let Some((node, clock)) = node_of_1970() else { return };
    let probed = node.path("probed");
    let probe = json!({"exec": {"command": ["sh", "-c", format!("echo >> {}", probed.display())]}, "periodSeconds": 1,
        "failureThreshold": 1});
    let web = service("web", "stay", json!({"livenessProbe": probe, "readinessProbe": probe}));
    let shop = application("shop", &[web]);
    node.apply(&file(&[script("stay", STAY), script("ends", "exit 7"), shop]));
    let before = node.process("shop.web.1");
    let often = json!({"restart": {"backoff": {"min": "1s", "max": "2s"}}});
    let events = ends_and_starts(&node, "loop.ends.1");
    node.ask(&file(&[application("loop", &[service("ends", "ends", often)])]));
    let mut pauses = vec![pause(&events, Instant::now())];
    for (jump, shown) in [
        ("-1d", ""),
        ("+10y", ""),
        ("@1970-01-01 00:00:20", "1970-01-01T"),
        ("+0d", ""),
    ] {
        faketime::set(&clock, jump);
        let took = pause(&events, Instant::now());
        assert!(
            took < LONG && took >= pauses[0].mul_f64(0.7),
            "{jump}: {took:?} after {pauses:?}"
        );
        pauses.push(took);
        assert!(
            node.log().contains(shown),
            "the daemon sees another clock: {}",
            node.log()
        );
        until_larger(&probed, 4);
        assert_eq!(node.process("shop.web.1"), before, "{jump}");
        let shown = node.instance("shop.web.1").unwrap();
        assert_eq!(
            (&shown["state"], &shown["restarts"]),
            (&json!("running"), &json!(0)),
            "{jump}"
        );
        // What is new is taken, prepared and started under the new clock too.
        let name = format!("at-{}", pauses.len());
        node.apply(&file(&[application(&name, &[service("web", "stay", json!({}))])]));
        node.done(&["delete", "application", &name, "--wait"]);
    }
    eprintln!("pauses before restarts while the clock jumps: {pauses:?}");
}

/// Waits for the next event of a filter, longer than the daemon waits to look at the clock.
fn heard(events: Events) -> serde_json::Value {
    events.patient_for(Duration::from_secs(90)).unwrap().next().unwrap()
}

#[test]
fn what_waits_for_a_time_of_day_follows_a_clock_that_jumps_and_what_has_begun_is_not_undone() {
    let Some((node, clock)) = node_of_1970() else { return };
    let version = |argument: &str, start_at: &str| {
        let web = json!({"args": [argument], "update": {"window": "15s"}});
        let mut shop = application("shop", &[service("web", "stay", web)]);
        shop["startAt"] = start_at.into();
        file(&[script("stay", STAY), shop])
    };
    let events = |filter: &str| Events::listen(&node.socket(), filter).unwrap();
    let deployed = events("app/shop/deployed");
    node.apply(&version("first", "1970-01-01T00:00:10Z"));
    heard(deployed);
    let first = node.process("shop.web.1");
    let scheduled = || {
        let looks = events("app/other/deployed");
        node.apply(&file(&[application(
            "other",
            &[service("web", "stay", json!({"args": [node.log().len().to_string()]}))],
        )]));
        heard(looks);
        let shop = node.status()["applications"]
            .as_array()
            .unwrap()
            .iter()
            .find(|a| a["name"] == "shop")
            .unwrap()
            .clone();
        assert_eq!(shop["conditions"][0]["reason"], "Scheduled", "{shop}");
        assert_eq!(node.process("shop.web.1"), first);
    };
    node.ask(&version("second", "1990-01-01T00:00:00Z"));
    for jump in ["@1970-01-01 00:00:20", "@1989-12-31 00:00:00", "@1970-06-01 00:00:00"] {
        faketime::set(&clock, jump);
        scheduled();
    }
    // Nothing happens but that the clock jumps.
    let started = events("instance/shop.web.1/started");
    faketime::set(&clock, "+10y");
    heard(started);
    let deployed = events("app/shop/deployed");
    for jump in ["-1d", "@1970-01-01 00:00:20"] {
        faketime::set(&clock, jump);
        node.apply(&file(&[application(
            if jump == "-1d" { "aside" } else { "beside" },
            &[service("web", "stay", json!({}))],
        )]));
        let both = node.processes();
        let both = both
            .iter()
            .filter(|process| process.instance() == Some("shop.web.1"))
            .count();
        assert_eq!(both, 2, "{jump}: it goes on beside the old");
    }
    assert_eq!(heard(deployed)["data"]["revision"], 2);
    node.until("only the second runs", |_| {
        let mut runs = node.processes();
        runs.retain(|process| process.instance() == Some("shop.web.1"));
        (runs.len() == 1 && runs[0] != first).then_some(())
    });
}
