//! Servers that are slow, busy or not there: waited for within limits, while everything else goes on.

use super::{bulky, shop, web};
use crate::deployment::texts::{object, staying};
use crate::support::depot::{Depot, Reply, good};
use crate::support::node::Node;
use crate::support::package as packages;
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

#[test]
fn silence_and_trickles_are_timeouts_that_hold_nobody_up() {
    let bytes = bulky(100_000);
    let content = bytes.clone();
    let depot = Depot::start(move |request| match (&*request.path, request.number) {
        ("/dumb", 0) => Reply::silence(),
        ("/silent", 0) => good(&content, "v1", request).cut_at(0).then_stall(),
        ("/trickling", 0) => good(&content, "v1", request)
            .cut_at(1)
            .then_trickle(Duration::from_millis(20)),
        _ => good(&content, "v1", request),
    });
    let mut node = Node::new();
    let patience = "config: {stallTimeoutSeconds: 0.5, connectTimeoutSeconds: 0.5, lowSpeedSeconds: 0.5}\n";
    node.file("plugins.d/fetcher-http.yml", patience);
    node.start();
    let paths = ["dumb", "silent", "trickling", "good"];
    let offered = paths.map(|name| (name, object(&depot.url(&format!("/{name}")), &bytes)));
    node.apply(&shop(&offered));
    for name in &paths[..3] {
        let asked = depot
            .asked()
            .iter()
            .filter(|asked| asked.path == format!("/{name}"))
            .count();
        assert!(asked <= 2, "{name}: {asked}");
    }
}

#[test]
fn what_is_not_there_is_asked_for_once_and_not_in_a_storm() {
    let depot = Depot::start(|_| Reply::new("404 Not Found", b"no"));
    let node = Node::started();
    node.ask(&web(&depot.url("/pp.zip"), b"x"));
    let reason = node.service("shop", "web", "failed");
    assert!(
        reason.contains("404 Not Found") && reason.contains("/pp.zip"),
        "{reason}"
    );
    assert_eq!(depot.asked().len(), 1);
}

#[test]
fn a_busy_place_is_asked_again_when_it_said() {
    let bytes = bulky(4096);
    let content = bytes.clone();
    let depot = Depot::start(move |request| match request.number {
        0 => Reply::new("503 Service Unavailable\nRetry-After: 2", b""),
        _ => good(&content, "v1", request),
    });
    let node = Node::started();
    node.apply(&web(&depot.url("/pp.zip"), &bytes));
    let asked = depot.asked();
    assert_eq!(asked.len(), 2);
    let pause = asked[1].at - asked[0].at;
    assert!(pause >= Duration::from_millis(1900), "{pause:?}");
}

#[test]
fn a_place_that_is_away_is_found_when_it_comes_back_while_what_runs_is_untouched() {
    // Bound and not listening: nobody else gets the port, and nobody answers there.
    let away = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&away, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let away = TcpListener::from(away);
    let bytes = packages::script("exec sleep 86400");
    let node = Node::started();
    node.apply(&staying("old"));
    let before = node.process("old.web.1");
    let nameless = json!({"url": "http://depot.invalid/pp.zip", "unpack": "zip"});
    let url = format!("http://{}/pp.zip", away.local_addr().unwrap());
    node.ask(&shop(&[("web", object(&url, &bytes)), ("nameless", nameless)]));
    assert!(node.service("shop", "web", "failed").contains("refused"));
    let reason = node.service("shop", "nameless", "failed");
    assert!(
        reason.contains("depot.invalid") && reason.contains("lookup"),
        "{reason}"
    );
    listen(&away, 16).unwrap();
    let depot = Depot::on(away, Ok, move |request| good(&bytes, "v1", request));
    node.service("shop", "web", "running");
    assert_eq!(depot.asked().len(), 1);
    assert!(node.process("old.web.1") == before, "it runs on untouched");
}
