//! Ours: the daemon with its plugins.

use crate::input::Input;
use benches::{Node, head};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// When a deployment came to what, from its apply on.
#[derive(Default)]
pub(crate) struct Seen {
    fetched: Duration,
    unpacked: Duration,
    pub(crate) published: Duration,
    pub(crate) prepared: Duration,
    pub(crate) started: Duration,
}

impl Seen {
    /// What each stage took.
    pub(crate) fn stages(&self) -> [(&'static str, Duration); 5] {
        [
            ("apply, plan, fetch, verify", self.fetched),
            ("unpack", self.unpacked - self.fetched),
            ("publish", self.published - self.unpacked),
            ("check out", self.prepared - self.published),
            ("start", self.started - self.prepared),
        ]
    }
}

/// Applies a service whose environment has this number, and waits until it runs.
pub(crate) fn deploy(node: &Node, input: &Input, url: &str, number: usize) -> Seen {
    let mut events = node.listen("#");
    let begun = Instant::now();
    let mut answer = node.send(&resources(input, url, number));
    let mut seen = Seen::default();
    loop {
        let (topic, data) = events.hear();
        let now = begun.elapsed();
        match last(&topic) {
            "fetched" => seen.fetched = now,
            "unpacked" => seen.unpacked = now,
            "published" => seen.published = now,
            "prepared" => seen.prepared = now,
            "failed" => panic!("{topic}: {data}"),
            "started" => {
                seen.started = now;
                head(&mut answer);
                return seen;
            }
            _ => {}
        }
    }
}

/// Applies what is applied already, until the answer.
pub(crate) fn apply_again(node: &Node, input: &Input, url: &str, number: usize) -> Duration {
    let begun = Instant::now();
    node.apply(&resources(input, url, number));
    begun.elapsed()
}

/// Whether the tree is there with all its files.
pub(crate) fn check(folder: &Path, input: &Input) {
    let mut trees = fs::read_dir(folder.join("data/packages/trees")).unwrap();
    let tree = trees.next().unwrap().unwrap().path();
    let found = files(&tree);
    assert_eq!(found, input.files + TEXTS, "{}", tree.display());
}

/// Entries of the package that are no objects.
const TEXTS: usize = 2;

fn resources(input: &Input, url: &str, number: usize) -> [Value; 2] {
    let data = json!({
        "program.yml": "entry: run.sh\n",
        "run.sh": "#!/bin/sh\nexec sleep 86400\n",
        "zip": {"url": url, "sha256": input.sha256, "unpack": "zip", "platform": "any"},
    });
    let package = json!({"kind": "configuration", "name": "package", "labels": {"baetyl-config-type": "baetyl-program"}, "data": data});
    let env = json!([{"name": "NUMBER", "value": number.to_string()}]);
    let service = json!({"name": "service", "programConfig": "package", "env": env});
    let application = json!({"kind": "application", "name": "bench", "services": [service]});
    [package, application]
}

/// What an event tells: the last part of its topic.
fn last(topic: &str) -> &str {
    topic.rsplit('/').next().unwrap()
}

fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}
