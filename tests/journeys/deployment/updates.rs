//! Updates: what a client of a service sees of a new version, and what is left when it is no good.

use super::texts::{STAY, application, file, script, service};
use crate::support::node::Node;
use crate::support::socket::Events;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

/// An application of one service in a version of its program.
fn shop(body: &str, more: Value) -> String {
    file(&[script("web", body), application("shop", &[service("web", "web", more)])])
}

fn deployed(node: &Node, ask: impl FnOnce(&Node)) {
    let mut events = Events::listen(&node.socket(), "app/shop/deployed").unwrap();
    ask(node);
    events.next().unwrap();
}

#[test]
fn a_bad_version_is_taken_back_while_the_old_process_runs_on_and_a_good_one_goes_through() {
    let node = Node::started();
    deployed(&node, |node| node.apply(&shop(STAY, json!({}))));
    let old = node.process("shop.web.1").pid;
    let mut events = Events::listen(&node.socket(), "app/shop/rolledback").unwrap();
    let bad = node.file("bad.yml", &shop("echo broken; exit 3", json!({})));
    let told = node.run(&["apply", "-f", &bad, "--wait", "--timeout", "60s"]);
    let why = "nothing more is tried: shop was rolled back: revision 2 failed 2 of 2 times: shop.web.1: ";
    assert!(told.code == 1 && told.err.contains(why), "{told:?}");
    let data = events.next().unwrap()["data"].clone();
    assert_eq!((&data["revision"], &data["attempts"]), (&json!(2), &json!(2)));
    assert!(data["reason"].as_str().unwrap().contains("shop.web.1"), "{data}");
    node.until("only the old one is left", |_| {
        let pids: Vec<u32> = node.processes().iter().map(|process| process.pid).collect();
        (pids == [old]).then_some(())
    });
    deployed(&node, |node| node.ask(&shop("echo third; exec sleep 86400", json!({}))));
    node.until("only the third is left", |_| {
        let pids: Vec<u32> = node.processes().iter().map(|process| process.pid).collect();
        (pids.len() == 1 && pids != [old]).then_some(())
    });
    node.wrote("shop/web", "third");
}

#[test]
fn a_switch_has_no_moment_without_a_process() {
    let node = Node::started();
    deployed(&node, |node| node.apply(&shop(STAY, json!({}))));
    let old = node.process("shop.web.1").pid;
    node.ask(&shop("echo second; exec sleep 86400", json!({})));
    let began = Instant::now();
    loop {
        let pids: Vec<u32> = node.processes().iter().map(|process| process.pid).collect();
        assert!(!pids.is_empty(), "nothing runs after {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(60), "{}", node.log());
        if !pids.contains(&old) {
            break;
        }
    }
}

#[test]
fn a_restart_leaves_less_than_two_seconds_without_a_process() {
    let node = Node::started();
    let note = node.path("note");
    let update = json!({"args": [note], "update": {"strategy": "restart"}});
    let body = |name: &str| {
        format!(
            "echo \"{name} began $(date +%s%N)\" >> \"$1\"\n\
             trap 'echo \"{name} ended $(date +%s%N)\" >> \"$1\"; exit 0' TERM\n\
             while :; do sleep 86400 & wait $!; done"
        )
    };
    deployed(&node, |node| node.apply(&shop(&body("old"), update.clone())));
    deployed(&node, |node| node.ask(&shop(&body("new"), update)));
    let note = fs::read_to_string(note).unwrap();
    let at = |what: &str| -> u128 {
        let line = note.lines().find_map(|line| line.strip_prefix(what));
        line.unwrap_or_else(|| panic!("no `{what}` in {note}")).parse().unwrap()
    };
    let (ended, began) = (at("old ended "), at("new began "));
    assert!(ended <= began, "both ran: {note}");
    assert!(
        Duration::from_nanos(u64::try_from(began - ended).unwrap()) < Duration::from_secs(2),
        "{note}"
    );
}
