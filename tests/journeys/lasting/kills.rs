//! The daemon killed again and again while it takes changes as fast as they can be sent: what it has acknowledged is there, and
//! beside it at most the one change that was under way.
//!
//! `AEROLITH_CAMPAIGN_SIZE` kills (16 unless said) from the seed `AEROLITH_SEED`.

use crate::support::node::Node;
use crate::support::random::{Random, report, told};
use crate::support::socket;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time from a start to the kill.
const LIFE: Duration = Duration::from_millis(700);
const KINDS: [&str; 3] = ["application", "configuration", "secret"];

/// Versions by kind and name.
type Desired = BTreeMap<(&'static str, u64), u64>;

/// A change that may be sent.
enum Change {
    Apply(Vec<((&'static str, u64), u64)>),
    Delete(&'static str, u64),
}

impl Change {
    fn any(random: &mut Random, versions: &mut u64) -> Self {
        let mut one = || (KINDS[usize::try_from(random.below(3)).unwrap()], random.below(6));
        if versions.is_multiple_of(4) {
            *versions += 1;
            let (kind, number) = one();
            return Self::Delete(kind, number);
        }
        let names: Vec<_> = (0..=*versions % 5).map(|_| one()).collect();
        let mut resources = BTreeMap::new();
        for name in names {
            *versions += 1;
            resources.insert(name, *versions);
        }
        Self::Apply(resources.into_iter().collect())
    }

    /// What is desired when it is accepted.
    fn on(&self, desired: &Desired) -> Desired {
        let mut desired = desired.clone();
        match self {
            Self::Apply(resources) => desired.extend(resources.iter().copied()),
            Self::Delete(kind, number) => drop(desired.remove(&(*kind, *number))),
        }
        desired
    }

    fn send(&self, socket: &Path) -> std::io::Result<u16> {
        let sent = match self {
            Self::Apply(resources) => {
                let texts: Vec<String> = resources.iter().map(|(name, version)| text(*name, *version)).collect();
                socket::send(socket, "PUT", "/v1/resources", &texts.join("\n---\n"))
            }
            Self::Delete(kind, number) => socket::send(socket, "DELETE", &format!("/v1/{kind}s/{kind}-{number}"), ""),
        };
        sent.map(|(code, _)| code)
    }
}

/// An application names a configuration, so that some changes are refused.
fn text((kind, number): (&str, u64), version: u64) -> String {
    let mut resource = json!({"kind": kind, "name": format!("{kind}-{number}"), "version": version.to_string()});
    match kind {
        "application" => {
            resource["services"] =
                json!([{"name": "none", "programConfig": format!("configuration-{number}"), "replica": 0}]);
        }
        "configuration" => {
            resource["labels"] = json!({"baetyl-config-type": "baetyl-program"});
            resource["data"] = json!({"program.yml": "entry: run.sh\n", "run.sh": format!("#!/bin/sh\n# {version}\n")});
        }
        _ => resource["stringData"] = json!({"key": format!("hush-{version}")}),
    }
    resource.to_string()
}

/// Sends changes until the daemon is gone; answers what it has acknowledged, and what is desired if it took the last one too.
fn change(socket: &Path, mut desired: Desired, mut random: Random, mut versions: u64) -> (Desired, Desired, u64, u64) {
    let mut acknowledged = 0;
    loop {
        let change = Change::any(&mut random, &mut versions);
        let then = change.on(&desired);
        match change.send(socket) {
            Ok(200..=299) => {
                acknowledged += 1;
                desired = then;
            }
            Ok(400..=499) => {}
            Ok(code) => panic!("answered {code}"),
            Err(_) => return (desired, then, versions, acknowledged),
        }
    }
}

/// What a daemon says that is desired.
fn desired(socket: &Path) -> Desired {
    let mut found = Desired::new();
    for kind in KINDS {
        let all = socket::get(socket, &format!("/v1/{kind}s")).unwrap();
        for resource in all.as_array().unwrap() {
            let text = |key: &str| resource[key].as_str().unwrap();
            let number = text("name").rsplit('-').next().unwrap().parse().unwrap();
            found.insert((kind, number), text("version").parse().unwrap());
        }
    }
    found
}

#[test]
fn a_state_survives_any_kill_and_holds_what_was_acknowledged_and_at_most_the_change_under_way() {
    let (size, seed) = (told("AEROLITH_CAMPAIGN_SIZE", 16), told("AEROLITH_SEED", 20_261_125));
    let (mut node, mut random) = (Node::bare(), Random::new(seed));
    let (mut known, mut versions, mut sum, mut kept) = (Desired::new(), 0, 0, 0);
    node.start();
    for kill in 1..=size {
        let (socket, seeded, start): (PathBuf, _, _) = (node.socket(), Random::new(random.next()), known.clone());
        let changes = std::thread::spawn(move || change(&socket, start, seeded, versions));
        std::thread::park_timeout(random.part_of(LIFE));
        node.kill();
        let (acknowledged, under_way, next, count) = changes.join().unwrap();
        (versions, sum) = (next, sum + count);
        node.start();
        let found = desired(&node.socket());
        assert!(
            found == acknowledged || found == under_way,
            "seed {seed}, kill {kill}: {found:?}, acknowledged {acknowledged:?}, under way {under_way:?}\n{}",
            node.log()
        );
        let status: Value = node.status();
        assert_eq!(status["health"]["status"], "ok", "seed {seed}, kill {kill}: {status:#}");
        kept += u64::from(found != acknowledged);
        known = found;
    }
    report(&format!(
        "size: {size}\nseed: {seed}\nchanges acknowledged: {sum}\nkept though not acknowledged: {kept}\n"
    ));
}
