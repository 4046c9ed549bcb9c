//! Servers that mean harm: refused with a reason, in little memory, with nothing left behind; what ran keeps running.

use super::{bulky, shop, stored, web};
use crate::deployment::texts::object;
use crate::support::depot::{Depot, Reply, Request, good};
use crate::support::node::Node;
use crate::support::package;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Bytes of the files in a folder and below.
fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| {
        let found = entry.metadata().unwrap();
        if found.is_dir() {
            size_of(&entry.path())
        } else {
            found.len()
        }
    });
    sizes.sum()
}

/// The most that the daemon has ever had in memory, in kB.
fn most_memory(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Applies one service of an object, waits until it is refused, and answers why.
fn refused(node: &Node, object: &Value) -> String {
    node.ask(&shop(&[("web", object.clone())]));
    let reason = node.service("shop", "web", "failed");
    assert!(node.processes().is_empty());
    assert_eq!(size_of(&node.path("data/packages/trees")), 0, "nothing is unpacked");
    node.done(&["delete", "application", "shop", "--wait"]);
    reason
}

fn offering(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Depot, Node) {
    (Depot::start(answer), Node::started())
}

#[test]
fn a_length_that_lies_is_refused_and_nothing_is_set_aside_for_it() {
    let (depot, node) = offering(|request| {
        let lengths = match &*request.path {
            "/negative" => "Content-Length: -1",
            "/two" => "Content-Length: 3\nContent-Length: 5",
            "/all-memory" => "Content-Length: 9223372036854775807",
            _ => "Content-Length: 9",
        };
        Reply::new(&format!("200 OK\nETag: \"v\"\n{lengths}"), b"PK\x03\x04")
    });
    let before = most_memory(&node);
    for path in ["/negative", "/two", "/all-memory", "/longer"] {
        let reason = refused(&node, &json!({"url": depot.url(path), "unpack": "zip"}));
        assert!(reason.contains(path), "{reason}");
    }
    let more = most_memory(&node) - before;
    assert!(more < 16 * 1024, "{more} kB");
    let malformed = depot.asked().iter().filter(|asked| asked.path == "/negative").count();
    assert_eq!(malformed, 1, "what is no HTTP is not asked for again at once");
}

#[test]
fn a_body_beyond_its_declared_size_is_cut_there_and_removed() {
    let (depot, node) = offering(|_| Reply::unbounded("200 OK").then_trickle(Duration::ZERO));
    let url = depot.url("/endless");
    let reason = refused(&node, &json!({"url": url, "size": 10_000, "unpack": "zip"}));
    assert!(reason.contains("/endless") && reason.contains("size"), "{reason}");
    for folder in ["ingest", "blobs"] {
        let left = size_of(&node.path("data/packages").join(folder));
        assert_eq!(left, 0, "nothing is left of it in {folder}");
    }
}

#[test]
fn an_encoding_that_nobody_asked_for_is_refused_before_a_byte_of_it_is_written() {
    let bytes = package::script("exec sleep 86400");
    let content = bytes.clone();
    let (depot, node) = offering(move |_| Reply::new("200 OK\nContent-Encoding: gzip", &content));
    let reason = refused(&node, &object(&depot.url("/pp.zip"), &bytes));
    assert!(reason.contains("Content-Encoding `gzip`"), "{reason}");
    assert!(depot.asked()[0].head.contains("accept-encoding: identity"));
}

#[test]
fn a_login_page_is_no_package() {
    let page = b"<!DOCTYPE html><html><body>Please log in to Example Airport Wi-Fi</body></html>";
    let (depot, node) = offering(|request| match &*request.path {
        "/empty" => Reply::new("200 OK", b""),
        _ => Reply::new("200 OK\nContent-Type: text/html", page),
    });
    let promised = object(&depot.url("/page"), &package::script("exit"));
    assert!(refused(&node, &promised).contains("sha256 mismatch"));
    for path in ["/page", "/empty"] {
        let reason = refused(&node, &json!({"url": depot.url(path), "unpack": "zip"}));
        assert!(reason.to_lowercase().contains("zip"), "{reason}");
    }
}

#[test]
fn a_flipped_bit_costs_a_try_and_one_that_stays_costs_the_update_only() {
    let (old, new) = (package::script("exec sleep 86400"), bulky(4096));
    let (first, second) = (old.clone(), new.clone());
    let (depot, node) = offering(move |request| {
        let content = if request.path == "/old.zip" { &first } else { &second };
        let mut content = content.clone();
        if request.path == "/new.zip" || request.number == 0 {
            content[40] ^= 1;
        }
        Reply::new("200 OK", &content)
    });
    node.ask(&web(&depot.url("/old.zip"), &old));
    node.service("shop", "web", "running");
    assert!(stored(&node, &old));
    let before = node.process("shop.web.1");
    node.ask(&web(&depot.url("/new.zip"), &new));
    node.until("the refusal of the update", |status| {
        status.to_string().contains("sha256 mismatch").then_some(())
    });
    assert!(node.process("shop.web.1") == before, "the old one is untouched");
    assert!(!stored(&node, &new));
}

#[test]
fn redirects_lead_to_no_file_no_link_and_not_in_circles() {
    let (depot, node) = offering(|request| {
        let to = match &*request.path {
            "/file" => "file:///etc/passwd",
            "/link" => "http://169.254.169.254/latest/meta-data",
            _ => "/circle",
        };
        Reply::new(&format!("302 Found\nLocation: {to}"), b"")
    });
    for (path, why) in [
        ("/file", "scheme `file`"),
        ("/link", "link-local"),
        ("/circle", "more than 10 redirects"),
    ] {
        let reason = refused(&node, &json!({"url": depot.url(path), "unpack": "zip"}));
        assert!(reason.contains(why), "{reason}");
    }
    let file = depot.asked().iter().filter(|asked| asked.path == "/file").count();
    assert_eq!(file, 1, "a refused redirect is not tried again at once");
}

#[test]
fn names_that_climb_have_no_effect_on_local_names() {
    let bytes = package::script("exec sleep 86400");
    let content = bytes.clone();
    let (depot, node) = offering(move |request| {
        let mut reply = good(&content, "v1", request);
        if request.path.contains("named") {
            reply = Reply::new(
                "200 OK\nContent-Disposition: attachment; filename=\"../../climbed\"",
                &content,
            );
        }
        reply
    });
    let climbing = depot.url("/%2e%2e%2f%2e%2e%2fclimbed");
    node.apply(&shop(&[
        ("web", object(&climbing, &bytes)),
        ("named", object(&depot.url("/named"), &bytes)),
    ]));
    let found = |folder: std::path::PathBuf| {
        let names = fs::read_dir(folder).unwrap().flatten();
        names
            .filter(|entry| entry.file_name().to_string_lossy().contains("climbed"))
            .count()
    };
    for folder in [".", "data", "data/packages", "..", "data/apps"] {
        assert_eq!(found(node.path(folder)), 0, "{folder}");
    }
}
