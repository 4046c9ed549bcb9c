//! Plugins beside applications: chosen by configuration, failing alone, replaced while everything runs.

use super::texts::{application, file, object, service, staying};
use crate::support::build::{c_monitor, plugin};
use crate::support::node::Node;
use crate::support::package;
use crate::support::processes;
use crate::support::server::Server;
use serde_json::{Value, json};
use std::fs;

/// An instance as `plugin list` shows it.
fn listed(node: &Node, instance: &str) -> Value {
    let all: Vec<Value> = serde_json::from_str(&node.done(&["plugin", "list", "-o", "json"])).unwrap();
    all.into_iter()
        .find(|plugin| plugin["instance"] == instance)
        .unwrap_or_default()
}

/// Waits until an instance has a state, as its events tell it.
fn until_state(node: &Node, instance: &str, state: &str) -> Value {
    node.until(&format!("{instance} {state}"), |_| {
        let found = listed(node, instance);
        (found["state"] == state).then_some(found)
    })
}

#[test]
fn the_configuration_says_which_plugin_does_it() {
    let mut node = Node::new();
    for (file, name) in [(plugin("probe"), "probe"), (c_monitor(), "monitor-c")] {
        node.file("plugins.d/monitor.yml", &format!("file: {}\n", file.display()));
        node.start();
        let found = listed(&node, "monitor");
        assert_eq!((&found["plugin"], &found["state"]), (&json!(name), &json!("running")));
        assert!(
            found["provides"].as_array().unwrap().contains(&json!("accel/1")),
            "{found}"
        );
        assert_eq!(node.stop(), Some(0));
    }
}

#[test]
fn a_fetcher_that_is_switched_off_is_missed_by_name_until_another_instance_does_its_work() {
    let (server, mut node) = (Server::start(), Node::new());
    let bytes = package::script("exec sleep 86400");
    let data = json!({ format!("pp-{}", package::platform()): object(&server.offer("pp.zip", bytes.clone()), &bytes) });
    let shop = file(&[
        super::texts::package("pp", &data),
        application("shop", &[service("web", "pp", json!({}))]),
    ]);
    node.file("plugins.d/fetcher-http.yml", "enabled: false\n");
    node.start();
    node.ask(&shop);
    let reason = node.service("shop", "web", "failed");
    assert!(reason.contains("http"), "{reason}");
    assert_eq!(node.stop(), Some(0));
    node.file(
        "plugins.d/downloads.yml",
        "plugin: fetcher-http\nconfig: {stallTimeoutSeconds: 5}\n",
    );
    node.start();
    node.service("shop", "web", "running");
    assert_eq!(listed(&node, "downloads")["plugin"], "fetcher-http");
    assert_eq!(listed(&node, "fetcher-http"), Value::Null);
}

#[test]
fn a_plugin_that_panics_fails_alone() {
    let mut node = Node::new();
    let probe = plugin("probe");
    let config = |what: &str| format!("file: {}\nconfig: {{{what}}}\n", probe.display());
    node.file("plugins.d/bad.yml", &config("panicIn: start"));
    node.file("plugins.d/good.yml", &config(""));
    node.start();
    node.apply(&staying("shop"));
    let before = node.processes();
    let bad = until_state(&node, "bad", "failed");
    assert!(bad["message"].as_str().unwrap().contains("panic"), "{bad}");
    for other in ["good", "engine-process", "fetcher-http"] {
        let found = listed(&node, other);
        assert_eq!(
            (&found["state"], &found["restarts"]),
            (&json!("running"), &json!(0)),
            "{other}"
        );
    }
    assert_eq!(node.processes(), before);
    node.apply(&staying("second"));
    assert_eq!(node.processes().len(), 2);
}

#[test]
fn the_engine_is_replaced_while_services_run_and_still_hears_of_their_ends() {
    let node = Node::started();
    node.apply(&staying("shop"));
    let (before, engine) = (node.process("shop.web.1"), listed(&node, "engine-process"));
    let bytes = fs::read(plugin("engine-process")).unwrap();
    fs::write(node.path("other.so"), [bytes, b"another build".to_vec()].concat()).unwrap();
    let steps: [&[&str]; 2] = [
        &["plugin", "install", "other.so"],
        &["plugin", "rollback", "engine-process"],
    ];
    for step in steps {
        node.done(step);
        assert_eq!(listed(&node, "engine-process")["state"], "running");
        node.service("shop", "web", "running");
        assert_eq!(node.process("shop.web.1"), before, "{step:?}");
    }
    assert_eq!(listed(&node, "engine-process")["sha256"], engine["sha256"]);
    node.done(&["plugin", "install", "other.so"]);
    assert_ne!(listed(&node, "engine-process")["sha256"], engine["sha256"]);
    processes::kill(before.pid);
    let again = node.until("it is started again", |_| {
        node.instance("shop.web.1")
            .filter(|instance| instance["restarts"] == 1 && instance["state"] == "running")
    });
    assert_eq!(again["exit"]["signal"], 9, "its end is known, not guessed: {again}");
    assert_eq!(again["pid"], node.process("shop.web.1").pid);
    node.done(&["delete", "application", "shop", "--wait"]);
    assert_eq!(node.processes(), []);
}
