//! How a service is ended: asked first, then made to, with everything that it started.

use super::texts::{application, file, script, service};
use crate::support::node::Node;
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn a_program_that_handles_term_does_its_last_work() {
    let node = Node::started();
    let note = node.path("note");
    let body = "trap 'echo bye > \"$1\"; exit 0' TERM; echo ready; while :; do sleep 86400 & wait $!; done";
    let shop = application("shop", &[service("web", "polite", json!({"args": [note]}))]);
    node.apply(&file(&[script("polite", body), shop]));
    node.wrote("shop/web", "ready");
    let began = Instant::now();
    node.done(&["delete", "application", "shop", "--wait"]);
    assert_eq!(fs::read_to_string(note).unwrap(), "bye\n");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "nobody waits for the whole grace period"
    );
    assert!(node.processes().is_empty());
}

#[test]
fn a_stubborn_program_is_killed_when_its_grace_period_is_over() {
    let node = Node::started();
    let body = "trap '' TERM; echo ready; while :; do sleep 86400; done";
    let shop = application("shop", &[service("web", "stubborn", json!({"gracePeriod": "1s"}))]);
    node.apply(&file(&[script("stubborn", body), shop]));
    node.wrote("shop/web", "ready");
    let began = Instant::now();
    node.done(&["delete", "application", "shop", "--wait"]);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(node.processes().is_empty());
}

#[test]
fn a_program_takes_its_children_with_it_those_in_another_session_too() {
    let node = Node::started();
    let body = "sleep 86400 &\n(sleep 86400 & echo grandchild) &\nsetsid sleep 86400 &\nwait %2\necho ready\nwait";
    let shop = application("shop", &[service("web", "parent", json!({}))]);
    node.apply(&file(&[script("parent", body), shop]));
    node.wrote("shop/web", "ready");
    let all = node.processes();
    assert!(all.len() >= 4, "{all:?}");
    node.done(&["delete", "application", "shop", "--wait"]);
    assert_eq!(node.processes(), []);
}
