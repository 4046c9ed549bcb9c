//! What happens when a program ends.

use super::texts::{application, file, script, service};
use crate::support::node::{Node, service_of};
use crate::support::socket::Events;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A service that exits with a code at once.
fn ending(name: &str, code: &str, policy: &str) -> Value {
    service(name, "ends", json!({"args": [code], "restart": {"policy": policy}}))
}

#[test]
fn an_ended_program_is_started_again_as_its_policy_says() {
    let node = Node::started();
    let services = [
        ending("well", "0", "on-failure"),
        ending("ill", "1", "on-failure"),
        ending("never", "1", "no"),
        ending("always", "0", "always"),
    ];
    node.ask(&file(&[script("ends", "exit $1"), application("jobs", &services)]));
    let found = node.until("both that are started again are", |status| {
        let found = ["well", "ill", "never", "always"].map(|name| service_of(status, "jobs", name).cloned());
        let [well, ill, never, always] = found.map(|service| service.unwrap_or_default()["instances"][0].clone());
        let restarts = |instance: &Value| instance["restarts"].as_u64().unwrap_or(0);
        (restarts(&ill) >= 2 && restarts(&always) >= 2).then_some((well, never))
    });
    let (well, never) = found;
    assert_eq!(
        (&well["state"], &well["restarts"], &well["exit"]["code"]),
        (&json!("completed"), &json!(0), &json!(0))
    );
    assert_eq!(
        (&never["state"], &never["restarts"], &never["exit"]["code"]),
        (&json!("failed"), &json!(0), &json!(1))
    );
    assert!(
        never["reason"].as_str().unwrap().contains("ended with code 1"),
        "{never}"
    );
}

#[test]
fn a_first_crash_is_followed_by_a_restart_within_two_seconds() {
    let node = Node::started();
    let mut events = Events::listen(&node.socket(), "instance/+/+").unwrap();
    let shop = application("shop", &[service("web", "stay", json!({}))]);
    node.apply(&file(&[script("stay", "exec sleep 86400"), shop]));
    let mut until = |what: &str| while events.next().unwrap()["topic"] != format!("instance/shop.web.1/{what}") {};
    until("started");
    let before = node.process("shop.web.1");
    crate::support::processes::kill(before.pid);
    until("exited");
    let ended = Instant::now();
    until("started");
    assert!(ended.elapsed() < Duration::from_secs(2), "{:?}", ended.elapsed());
    let (now, shown) = (node.process("shop.web.1"), node.instance("shop.web.1").unwrap());
    assert_ne!(now.pid, before.pid);
    assert_eq!(
        (&shown["pid"], &shown["restarts"], &shown["exit"]["signal"]),
        (&json!(now.pid), &json!(1), &json!(9))
    );
}
