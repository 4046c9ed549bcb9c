//! What is told of packages: what lies in the store and who uses it, what a cleaning takes, and how far a deployment is.

use crate::deployment::texts::{application, file, object, package, service};
use crate::support::build::sha256;
use crate::support::node::{Node, Told};
use crate::support::package::{platform, zip};
use crate::support::server::Server;
use crate::support::terminal::Terminal;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;

/// Bytes beside the program of a package.
const BULK: usize = 1 << 20;

/// The zip of a program that stays, different for every mark, with bytes that do not shrink.
fn staying(mark: u64) -> Vec<u8> {
    let mut seed = mark;
    let mut next = || {
        // Marsaglia's xorshift64.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    let bulk: Vec<u8> = (0..BULK / 8).flat_map(|_| next()).collect();
    let run = b"#!/bin/sh\nexec sleep 86400\n";
    zip(&[("program.yml", b"entry: run.sh\n"), ("run.sh", run), ("bulk", &bulk)])
}

/// An application `NAME` with a service `main`, of a package `NAME-pp` of one object.
fn app(name: &str, object: &Value) -> String {
    let (pp, key) = (format!("{name}-pp"), format!("all-{}", platform()));
    file(&[
        package(&pp, &json!({ key: object })),
        application(name, &[service("main", &pp, json!({}))]),
    ])
}

fn listed(node: &Node) -> Vec<Value> {
    serde_json::from_str(&node.done(&["package", "list", "-o", "json"])).unwrap()
}

/// What the store has of a kind, whose name ends so.
fn find(items: &[Value], kind: &str, ending: &str) -> Option<Value> {
    let is_it = |item: &&Value| item["kind"] == kind && item["name"].as_str().is_some_and(|n| n.ends_with(ending));
    items.iter().find(is_it).cloned()
}

/// What a cleaning has removed, or would.
fn gc(node: &Node, more: &[&str]) -> Value {
    let words = [&["package", "gc", "-o", "json"], more].concat();
    serde_json::from_str(&node.done(&words)).unwrap()
}

fn kinds(cleaned: &Value) -> Vec<&str> {
    let removed = cleaned["removed"].as_array().unwrap().iter();
    removed.map(|item| item["kind"].as_str().unwrap()).collect()
}

#[test]
fn after_a_deployment_the_list_shows_blob_and_tree_with_their_user() {
    let (server, node) = (Server::start(), Node::started());
    let bytes = staying(1);
    let url = server.offer("a.zip", bytes.clone());
    node.apply(&app("shop", &object(&url, &bytes)));
    let items = listed(&node);
    assert_eq!(items.len(), 2, "{items:#?}");
    let blob = find(&items, "blob", &sha256(&bytes)).unwrap();
    let tree = find(&items, "tree", "").unwrap();
    for item in [&blob, &tree] {
        assert_eq!(
            (&item["state"], &item["usedBy"]),
            (&json!("used"), &json!(["shop.main"]))
        );
    }
    assert_eq!(blob["bytes"], json!(bytes.len()));
    assert!(tree["bytes"].as_u64().unwrap() > BULK as u64, "{tree}");
    let table = node.done(&["package", "list"]);
    let mut lines = table.lines();
    let at = lines.next().unwrap().find("USED BY").unwrap();
    assert!(lines.all(|line| line[at..].starts_with("shop.main")), "{table}");
    assert!(table.contains("1.05 MB"), "{table}");
}

#[test]
fn a_cleaning_takes_what_is_nobodys_and_neither_what_is_used_nor_a_download_under_way() {
    let (server, node) = (Server::start(), Node::started());
    let [kept, gone, slow] = [1, 2, 3].map(staying);
    let offer = |name: &str, bytes: &[u8]| object(&server.offer(name, bytes.to_vec()), bytes);
    node.apply(&app("kept", &offer("kept.zip", &kept)));
    node.apply(&app("gone", &offer("gone.zip", &gone)));
    server.hold_at(BULK / 2);
    node.ask(&app("slow", &offer("slow.zip", &slow)));
    assert!(server.until_held(Duration::from_secs(30)), "{}", node.log());
    // While something is fetched the node does not clean by itself, so what these leave is there still.
    node.done(&["delete", "application", "gone", "--wait"]);
    assert_eq!(
        kinds(&gc(&node, &["--dry-run"])),
        ["tree"],
        "the configuration names the blob"
    );
    node.done(&["delete", "configuration", "gone-pp"]);
    let preview = gc(&node, &["--dry-run"]);
    assert_eq!(
        (kinds(&preview), &preview["dryRun"]),
        (vec!["tree", "blob"], &json!(true))
    );
    let items = listed(&node);
    assert_eq!(find(&items, "blob", &sha256(&gone)).unwrap()["state"], "unused");
    assert_eq!(find(&items, "part", "").unwrap()["state"], "busy");
    let cleaned = gc(&node, &[]);
    assert_eq!(cleaned["removed"], preview["removed"], "as the preview said");
    assert!(cleaned["bytes"].as_u64().unwrap() > 2 * BULK as u64, "{cleaned}");
    let items = listed(&node);
    assert!(
        find(&items, "blob", &sha256(&gone)).is_none() && find(&items, "part", "").is_some(),
        "{items:#?}"
    );
    assert_eq!(
        find(&items, "blob", &sha256(&kept)).unwrap()["usedBy"],
        json!(["kept.main"])
    );
    assert!(node.done(&["package", "gc"]).contains("nothing to remove"));
    server.release();
    node.service("slow", "main", "running");
    assert_eq!(
        server.asked(),
        ["kept.zip", "gone.zip", "slow.zip"],
        "the download under way went on"
    );
}

#[test]
fn a_download_that_did_not_verify_is_listed_with_what_was_expected_and_found() {
    let (server, node) = (Server::start(), Node::started());
    let (bytes, other) = (staying(1), staying(2));
    let url = server.offer("a.zip", bytes.clone());
    node.ask(&app("shop", &object(&url, &other)));
    node.service("shop", "main", "failed");
    let items = listed(&node);
    let refused = find(&items, "quarantined", &sha256(&bytes)).unwrap();
    assert_eq!(
        (&refused["state"], &refused["source"]),
        (&json!("refused"), &json!(url))
    );
    let reason = refused["reason"].as_str().unwrap();
    let expected = format!("expected {}, found {}", sha256(&other), sha256(&bytes));
    assert!(reason.contains(&expected), "{reason}");
    let table = node.done(&["package", "list"]);
    assert!(table.contains(&expected) && table.contains(&url), "{table}");
    gc(&node, &[]);
    assert_eq!(
        find(&listed(&node), "quarantined", ""),
        Some(refused),
        "a cleaning leaves it"
    );
}

/// Applies a text, waits until it runs, and answers what was said meanwhile.
fn waited(node: &Node, text: &str, more: &[&str]) -> Told {
    let file = node.file("applied.yml", text);
    let told = node.run(&[&["apply", "-f", &file, "--wait", "--timeout", "60s"], more].concat());
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    told
}

#[test]
fn who_waits_without_a_terminal_is_told_each_stage_on_a_line_and_what_is_used_again() {
    let (server, node) = (Server::start(), Node::started());
    let bytes = staying(1);
    let object = object(&server.offer("a.zip", bytes.clone()), &bytes);
    let told = waited(&node, &app("shop", &object), &[]);
    let key = format!("all-{}", platform());
    let said: Vec<&str> = told
        .err
        .lines()
        .filter_map(|line| line.strip_prefix("shop.main: "))
        .collect();
    let stages = [
        format!("fetched {key}, 1.05 MB at "),
        format!("verified {key}, sha256 {}", &sha256(&bytes)[..12]),
        "unpacked shop-pp, 1.05 MB at ".to_owned(),
        "published shop-pp".to_owned(),
    ];
    assert_eq!(said.len(), stages.len(), "{}", told.err);
    assert!(
        said.iter().zip(&stages).all(|(said, stage)| said.starts_with(stage)),
        "{}",
        told.err
    );
    assert!(told.err.ends_with("shop: running\n"), "{}", told.err);
    let told = waited(&node, &app("twin", &object), &[]);
    let reused = format!("twin.main: reused {key}, 1.05 MB\ntwin.main: reused twin-pp, unpacked before\n");
    assert!(
        told.err.contains(&reused) && !told.err.contains("fetched"),
        "{}",
        told.err
    );
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_program_that_waits_gets_events_beside_an_answer_that_stays_whole() {
    let (server, node) = (Server::start(), Node::started());
    let bytes = staying(1);
    let object = object(&server.offer("a.zip", bytes.clone()), &bytes);
    let told = waited(&node, &app("shop", &object), &["-o", "json"]);
    let answer: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(answer["applications"], json!(["shop"]));
    let events: Vec<Value> = told
        .err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |stage: &str| {
        let topic = format!("package/shop/main/{stage}");
        let found = events.iter().find(|event| event["topic"] == *topic);
        found.unwrap_or_else(|| panic!("{topic}: {events:#?}"))["data"].clone()
    };
    assert_eq!(of("fetching")["size"], json!(bytes.len()));
    let fetched = of("fetched");
    assert_eq!(
        (&fetched["bytes"], &fetched["reusedBytes"]),
        (&json!(bytes.len()), &json!(0))
    );
    assert!(fetched["bytesPerSecond"].as_u64().unwrap() > 0, "{fetched}");
    assert_eq!(of("verified")["sha256"], json!(sha256(&bytes)));
    assert!(of("unpacked")["bytes"].as_u64().unwrap() > BULK as u64);
    assert!(find(&listed(&node), "tree", of("published")["tree"].as_str().unwrap()).is_some());
    assert!(
        events.iter().any(|event| event["topic"] == "app/shop/running"),
        "{events:#?}"
    );
}

#[test]
fn on_a_terminal_a_bar_grows_while_bytes_come_and_lines_are_left() {
    let (server, node) = (Server::start(), Node::started());
    let bytes = staying(1);
    let object = object(&server.offer("a.zip", bytes.clone()), &bytes);
    let file = node.file("applied.yml", &app("shop", &object));
    server.hold_at(BULK / 2);
    let (mut terminal, stderr) = Terminal::open();
    let mut waiting = {
        let mut command = node.command(&["apply", "-f", &file, "--wait", "--timeout", "60s"]);
        command
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap()
    };
    let bar = format!("shop.main: all-{} [", platform());
    let drawn = terminal.until(|drawn| drawn.contains(&bar) && drawn.contains(" of 1.05 MB"));
    assert!(drawn.contains(&bar), "{drawn:?}");
    server.release();
    let drawn = terminal.until(|_| false).to_owned();
    assert!(waiting.wait().unwrap().success(), "{drawn:?}");
    let (before, after) = drawn.rsplit_once("shop.main: published shop-pp").unwrap();
    assert!(before.contains("shop.main: fetched all-"), "{drawn:?}");
    assert!(
        after.contains("shop: running") && !after.contains(&bar),
        "no bar is left: {drawn:?}"
    );
    assert!(!drawn.contains("\u{1b}[3"), "NO_COLOR: {drawn:?}");
}
