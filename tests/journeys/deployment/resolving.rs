//! The resolver is away: at an update, when the node starts, and when somebody goes back.

use super::texts::{application, file, object, package, service};
use crate::support::node::Node;
use crate::support::package::{platform, zip};
use crate::support::processes;
use crate::support::server::Server;
use crate::support::socket::Events;
use serde_json::json;
use std::fs;

/// A version of an application whose package has objects for this machine and for another.
fn version(server: &Server, name: &str) -> String {
    let offer = |machine: &str| {
        let text = format!("#!/bin/sh\necho {name} for {machine}; exec sleep 86400\n");
        let bytes = zip(&[("program.yml", b"entry: run.sh\n"), ("run.sh", text.as_bytes())]);
        object(&server.offer(&format!("{name}-{machine}.zip"), bytes.clone()), &bytes)
    };
    let (ours, theirs) = (offer(platform()), offer("linux-s390x"));
    let data = json!({ format!("pp-{}.zip", platform()): ours, "pp-linux-s390x.zip": theirs });
    let more = json!({"update": {"strategy": "restart", "window": "1s"}});
    file(&[package("pp", &data), application("shop", &[service("web", "pp", more)])])
}

fn resolver(node: &Node, verb: &str) {
    node.done(&["plugin", verb, "arch-resolver"]);
}

fn deployed(node: &Node, ask: impl FnOnce(&Node)) {
    let mut events = Events::listen(&node.socket(), "app/shop/deployed").unwrap();
    ask(node);
    events.next().unwrap();
}

/// Waits until it is said that nobody knows what is for this machine.
fn its_want_is_said(node: &Node) {
    let reason = node.service("shop", "web", "failed");
    assert!(reason.contains("arch/1"), "{reason}");
}

#[test]
fn without_the_resolver_nothing_is_stopped_or_removed_and_with_it_everything_goes_on() {
    let (server, mut node) = (Server::start(), Node::started());
    deployed(&node, |node| node.apply(&version(&server, "first")));
    let first = node.process("shop.web.1").pid;

    resolver(&node, "disable");
    node.ask(&version(&server, "second"));
    its_want_is_said(&node);
    node.kill();
    node.start();
    its_want_is_said(&node);
    assert_eq!(
        node.process("shop.web.1").pid,
        first,
        "an update and a start of the daemon"
    );

    node.kill();
    processes::end_all(&node.path(""));
    fs::remove_dir_all(node.path("run")).unwrap();
    node.start();
    its_want_is_said(&node);
    assert!(node.processes().is_empty(), "a reboot");
    deployed(&node, |node| resolver(node, "enable"));
    node.wrote("shop/web", "second for");
    let second = node.process("shop.web.1").pid;

    let asked = server.asked();
    resolver(&node, "disable");
    node.kill();
    node.start();
    node.done(&["rollback", "shop"]);
    its_want_is_said(&node);
    assert_eq!(node.process("shop.web.1").pid, second, "a rollback");
    deployed(&node, |node| resolver(node, "enable"));
    node.until("the first runs alone", |_| {
        let pids: Vec<u32> = node.processes().iter().map(|process| process.pid).collect();
        (pids.len() == 1 && pids != [second]).then_some(())
    });
    assert_eq!(server.asked(), asked, "everything was there still");
}
