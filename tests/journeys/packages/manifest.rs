//! Every bad `program.yml` on its whole way, from an archive that is downloaded to the reason that the status shows.

use crate::deployment::texts::{application, file, object, package, service};
use crate::support::node::Node;
use crate::support::package::{platform, zip};
use crate::support::server::Server;
use serde_json::{Value, json};
use std::fs;

const RUN: &[u8] = b"#!/bin/sh\necho ready; exec sleep 86400\n";

/// A package of a zip with this manifest.
fn with(server: &Server, name: &str, manifest: &[u8]) -> Value {
    let zip = zip(&[("program.yml", manifest), ("bin/run.sh", RUN)]);
    let object = object(&server.offer(&format!("{name}.zip"), zip.clone()), &zip);
    package(name, &json!({ format!("all-{}", platform()): object }))
}

fn apply(node: &Node, packages: Vec<Value>) {
    let names = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap().to_owned());
    let services: Vec<Value> = names.map(|name| service(&name, &name, json!({}))).collect();
    let mut all = packages;
    all.push(application("shop", &services));
    node.ask(&file(&all));
}

/// Nested aliases, of which each is nine of the one before.
fn aliases() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let before = format!("*a{}", n - 1);
        text.push_str(&format!("a{n}: &a{n} [{}]\n", [before.as_str(); 9].join(", ")));
    }
    text + "entry: *a11\n"
}

/// The most memory that a process has had so far, in KiB (proc_pid_status(5)).
fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_manifest_of_64_mb_is_refused_by_its_size_and_costs_no_memory() {
    let (server, node) = (Server::start(), Node::started());
    // What the daemon needs for any package it has had before.
    apply(&node, vec![with(&server, "small", b"entry: absent\n")]);
    node.service("shop", "small", "failed");
    let before = peak(node.pid());
    apply(&node, vec![with(&server, "large", &vec![b'#'; 64_000_000])]);
    let reason = node.service("shop", "large", "failed");
    assert!(
        reason.contains("`program.yml`") && reason.contains("65536 bytes"),
        "{reason}"
    );
    let grown = peak(node.pid()) - before;
    assert!(grown < 16 << 10, "{grown} KiB");
    let trees = fs::read_dir(node.path("data/packages/trees")).unwrap();
    assert_eq!(trees.count(), 0, "nothing of it stays");
}

#[test]
fn every_bad_manifest_is_refused_with_its_place_and_the_odd_but_legal_ones_run() {
    let (aliases, brackets) = (aliases(), "[".repeat(60_000));
    let bad: [(&str, &[u8], &str); 12] = [
        ("aliases", aliases.as_bytes(), "program.yml:"),
        ("brackets", brackets.as_bytes(), "program.yml:1:"),
        (
            "doubled",
            b"entry: a\nentry: b\n",
            "program.yml:2:1: duplicate key `entry`",
        ),
        ("unknown", b"entry: a\nargs: b\n", "program.yml:2:1: unknown key `args`"),
        (
            "latin",
            b"# caf\xe9\nentry: bin/run.sh\n",
            "program.yml:1:6: the byte 0xe9",
        ),
        ("empty", b"", "program.yml:1:1: "),
        (
            "absolute",
            b"# x\nentry: /bin/sh\n",
            "program.yml:2:8: entry `/bin/sh` is absolute",
        ),
        (
            "climbing",
            b"entry: ../run.sh\n",
            "program.yml:1:8: entry `../run.sh` climbs",
        ),
        (
            "slashed",
            b"entry: bin/\n",
            "program.yml:1:8: entry `bin/` names a folder",
        ),
        (
            "folder",
            b"entry: bin\n",
            "program.yml:1:8: entry `bin` leads to no program: it is a folder",
        ),
        (
            "absent",
            b"\nentry: bin/gone\n",
            "program.yml:2:8: entry `bin/gone` leads to no program",
        ),
        ("list", b"entry: [bin/run.sh]\n", "program.yml:1:8: "),
    ];
    let (server, node) = (Server::start(), Node::started());
    let mut packages: Vec<Value> = bad
        .iter()
        .map(|(name, manifest, _)| with(&server, name, manifest))
        .collect();
    packages.push(with(&server, "marked", b"\xef\xbb\xbfentry: bin/run.sh\r\n"));
    let bare = zip(&[("bin/run.sh", RUN)]);
    let bare = object(&server.offer("none.zip", bare.clone()), &bare);
    packages.push(package("none", &json!({ format!("all-{}", platform()): bare })));
    apply(&node, packages);
    for (name, _, expected) in bad {
        let reason = node.service("shop", name, "failed");
        assert!(reason.contains(expected), "{name}: {reason}");
        assert!(reason.len() < 1000, "{name}: {} bytes", reason.len());
    }
    let reason = node.service("shop", "none", "failed");
    assert!(reason.contains("no program.yml at its root"), "{reason}");
    node.service("shop", "marked", "running");
    assert_eq!(node.processes().len(), 1);
}

#[test]
fn what_no_second_try_can_mend_ends_a_wait_at_once_with_its_reason() {
    let (server, node) = (Server::start(), Node::started());
    let mounts = json!({ "volumeMounts": [{ "name": "conf", "mountPath": "/conf" }] });
    let mut templated = application("filled", &[service("web", "good", mounts)]);
    templated["volumes"] = json!([{ "name": "conf", "config": { "name": "conf" } }]);
    let conf = json!({ "kind": "configuration", "name": "conf", "template": true, "data": { "a": "{{.NOPE}}" } });
    let bad = with(&server, "bad", b"entrie: bin/run.sh\n");
    let good = with(&server, "good", b"entry: bin/run.sh\n");
    for (all, name, words) in [
        (
            vec![bad, application("shop", &[service("web", "bad", json!({}))])],
            "shop",
            "program.yml:1:1: unknown key `entrie`",
        ),
        (
            vec![good, conf, templated],
            "filled",
            "the instance has no variable `NOPE`",
        ),
    ] {
        node.file("all.yml", &file(&all));
        let told = node.run(&["apply", "-f", "all.yml", "--wait", "--timeout", "1h"]);
        let expected = format!("not done, and nothing more is tried: {name} cannot be prepared: web: ");
        assert!(
            told.code == 1 && told.err.contains(&expected) && told.err.contains(words),
            "{told:?}"
        );
    }
}
