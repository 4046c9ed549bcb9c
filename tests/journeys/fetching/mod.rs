//! Downloads through the whole of it, from servers that break, lie and attack. What is fetched in the end is right, or refused
//! with a reason while what ran keeps running.

mod hostile;
mod patience;
mod places;
mod resume;
mod secrecy;
mod signatures;

use crate::deployment::texts::{application, file, object, package, service};
use crate::support::build::sha256;
use crate::support::node::Node;
use crate::support::package::{platform, zip};
use serde_json::{Value, json};

/// A program that stays, with so many bytes beside it that cannot be compressed.
fn bulky(bytes: usize) -> Vec<u8> {
    let mut seed = 1_u64;
    let mut next = || {
        // Marsaglia's xorshift64.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    let bulk: Vec<u8> = (0..bytes / 8).flat_map(|_| next()).collect();
    let run = b"#!/bin/sh\nexec sleep 86400\n";
    zip(&[("program.yml", b"entry: run.sh\n"), ("run.sh", run), ("bulk", &bulk)])
}

/// Services of one application, each of a package of its own with one object.
fn shop(services: &[(&str, Value)]) -> String {
    let key = format!("all-{}", platform());
    let packages = services
        .iter()
        .map(|(name, object)| package(&format!("{name}-package"), &json!({ key.clone(): object })));
    let run = services
        .iter()
        .map(|(name, _)| service(name, &format!("{name}-package"), json!({})));
    let shop = application("shop", &run.collect::<Vec<_>>());
    file(&packages.chain([shop]).collect::<Vec<_>>())
}

/// The same with one service, `web`, whose object is promised by its digest.
fn web(url: &str, bytes: &[u8]) -> String {
    shop(&[("web", object(url, bytes))])
}

/// Whether the store has these bytes, whole.
fn stored(node: &Node, bytes: &[u8]) -> bool {
    let path = node.path("data/packages/blobs/sha256").join(sha256(bytes));
    std::fs::read(path).is_ok_and(|found| found == bytes)
}
