//! The daemon killed at seeded random points of a deployment, and started again, over and over.
//!
//! `AEROLITH_CAMPAIGN_SIZE` kills (12 unless said) from the seed `AEROLITH_SEED`; a report goes to the file
//! `AEROLITH_CAMPAIGN_REPORT`, where one is named. `cargo xtask campaign kill` runs many.

use super::texts::{application, file, package, script, service};
use crate::support::build::sha256;
use crate::support::node::{Node, instances};
use crate::support::package::{platform, zip};
use crate::support::processes::Process;
use crate::support::random::{Random, report, told};
use crate::support::server::Server;
use crate::support::socket::Events;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Bytes that make the slow download large; they cannot be compressed.
const BULK: usize = 60_000;

/// Where the daemon is killed, once a deployment has begun.
#[derive(Debug, Clone, Copy)]
enum Point {
    /// When the download is held behind so many bytes.
    Bytes(usize),
    /// When so many events have been told, or the deployment is over.
    Event(u64),
    /// After so long.
    After(Duration),
}

impl Point {
    fn any(random: &mut Random) -> Self {
        match random.below(3) {
            0 => Self::Bytes(usize::try_from(random.below(BULK as u64)).unwrap()),
            1 => Self::Event(random.below(24)),
            _ => Self::After(Duration::from_micros(random.below(400_000))),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Bytes(_) => "bytes served",
            Self::Event(_) => "events told",
            Self::After(_) => "time",
        }
    }
}

struct Campaign {
    node: Node,
    server: Server,
    random: Random,
    /// From the start after a kill until everything runs.
    recoveries: Vec<Duration>,
    kills: BTreeMap<&'static str, u32>,
}

impl Campaign {
    fn begin(seed: u64) -> Self {
        let (node, server) = (Node::started(), Server::start());
        let campaign = Self {
            node,
            server,
            random: Random::new(seed),
            recoveries: Vec::new(),
            kills: BTreeMap::new(),
        };
        campaign.node.apply(&campaign.deployment(0));
        campaign
    }

    /// The application of a version: one service that never changes, one that is given a new variable, and one whose
    /// package is new each time and comes slowly.
    fn deployment(&self, version: u64) -> String {
        let mut bulk = Random::new(version + 1);
        let padding: Vec<u8> = (0..BULK).map(|_| bulk.below(256) as u8).collect();
        let run = format!("#!/bin/sh\n# {version}\nexec sleep 86400\n");
        let bytes = zip(&[
            ("program.yml", b"entry: run.sh\n"),
            ("padding", &padding),
            ("run.sh", run.as_bytes()),
        ]);
        let digest = sha256(&bytes);
        let mut object = json!({"url": self.server.offer(&format!("{version}.zip"), bytes), "unpack": "zip"});
        if version.is_multiple_of(2) {
            object["sha256"] = json!(digest);
        }
        let variable = json!({"env": [{"name": "VERSION", "value": version.to_string()}]});
        file(&[
            script("stay", "exec sleep 86400"),
            package("slow", &json!({ format!("slow-{}", platform()): object })),
            application(
                "shop",
                &[
                    service("steady", "stay", json!({})),
                    service("turned", "stay", variable.clone()),
                    service("slow", "slow", variable),
                ],
            ),
        ])
    }

    fn round(&mut self, version: u64) {
        let point = Point::any(&mut self.random);
        let text = self.deployment(version);
        let steady = self.node.process("shop.steady.1");
        self.deploy_and_kill(&text, point);
        let mut survivors = self.survivors(version);
        if self.random.below(4) == 0 {
            self.kill_while_it_starts();
            survivors.extend(self.survivors(version));
        }
        survivors.push(steady);
        assert_complete(&self.node.path("data"));
        let began = Instant::now();
        self.node.start();
        self.node.apply(&text);
        self.recoveries.push(began.elapsed());
        self.check(version, &survivors, point);
    }

    /// Kills the daemon at a point of a deployment. Whether the deployment was accepted by then is left open.
    fn deploy_and_kill(&mut self, text: &str, point: Point) {
        *self.kills.entry(point.kind()).or_default() += 1;
        let mut events = Events::listen(&self.node.socket(), "#").unwrap();
        if let Point::Bytes(bytes) = point {
            self.server.hold_at(bytes);
        }
        let name = self.node.file("applied.yml", text);
        let mut apply = self.node.command(&["apply", "-f", &name]);
        let mut apply = apply.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        match point {
            Point::Bytes(_) => assert!(self.server.until_held(Duration::from_secs(30)), "{}", self.node.log()),
            Point::Event(count) => pass(&mut events, count),
            Point::After(time) => std::thread::park_timeout(time),
        }
        self.node.kill();
        self.server.release();
        apply.wait().unwrap();
    }

    fn kill_while_it_starts(&mut self) {
        let time = Duration::from_micros(self.random.below(300_000));
        *self.kills.entry("start").or_default() += 1;
        let mut daemon = self.node.daemon();
        self.node.spawn(&mut daemon);
        std::thread::park_timeout(time);
        self.node.kill();
    }

    /// The processes that are of the new version already.
    fn survivors(&self, version: u64) -> Vec<Process> {
        let mut all = self.node.processes();
        all.retain(|process| process.environment.get("VERSION") == Some(&version.to_string()));
        all
    }

    fn check(&self, version: u64, survivors: &[Process], point: Point) {
        let now = self.node.processes();
        let names: Vec<_> = now.iter().filter_map(Process::instance).collect();
        assert_eq!(
            names,
            ["shop.slow.1", "shop.steady.1", "shop.turned.1"],
            "{point:?}: {:#}\n{}",
            self.node.status(),
            self.node.log()
        );
        let wanted = Some(version.to_string());
        for process in now.iter().filter(|p| p.instance() != Some("shop.steady.1")) {
            assert_eq!(
                process.environment.get("VERSION"),
                wanted.as_ref(),
                "{point:?} {process:?}"
            );
        }
        for kept in survivors {
            assert!(
                now.contains(kept),
                "{point:?}: {kept:?} is not kept: {now:?}\n{}",
                self.node.log()
            );
        }
        let shown = instances(&self.node.status());
        assert!(
            shown.iter().all(|instance| instance["restarts"] == 0),
            "{point:?}: {shown:?}"
        );
        assert_complete(&self.node.path("data"));
        assert_eq!(half_made(&self.node.path("data")), Vec::<PathBuf>::new(), "{point:?}");
    }

    fn end(self) -> String {
        self.node.done(&["delete", "application", "shop", "--wait"]);
        assert_eq!(self.node.processes(), []);
        assert_eq!(entries(&self.node.path("data/apps")), Vec::<PathBuf>::new());
        let mut times = self.recoveries;
        times.sort();
        let at = |share: usize| times[(times.len() - 1) * share / 100].as_millis();
        let kills: u32 = self.kills.values().sum();
        let points: Vec<String> = self
            .kills
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        format!(
            "kills: {kills}\npoints: {}\nrecovered within ms: median {}, 95 % {}, longest {}\n",
            points.join(", "),
            at(50),
            at(95),
            at(100)
        )
    }
}

/// Lets so many events pass, unless the deployment is over before.
fn pass(events: &mut Events, count: u64) {
    let is_over = |event: &Value| event["topic"] == "app/shop/running" && event["data"]["settled"] == true;
    for _ in 0..count {
        if is_over(&events.next().unwrap()) {
            return;
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with('.')
}

/// Whatever can be seen under its final name is whole, also while no daemon runs.
fn assert_complete(data: &Path) {
    let trees = entries(&data.join("packages/trees"));
    let versions: BTreeSet<PathBuf> = entries(&data.join("apps/shop"))
        .iter()
        .flat_map(|s| entries(s))
        .collect();
    let prepared = versions.iter().filter(|version| version.join("prepared.json").exists());
    let checked_out = prepared.map(|version| version.join("tree"));
    for tree in trees.into_iter().filter(|tree| !is_hidden(tree)).chain(checked_out) {
        assert_eq!(
            fs::read_to_string(tree.join("program.yml")).unwrap(),
            "entry: run.sh\n",
            "{}",
            tree.display()
        );
        let script = fs::read_to_string(tree.join("run.sh")).unwrap();
        assert!(script.ends_with("exec sleep 86400\n"), "{}: {script:?}", tree.display());
        let padding = fs::metadata(tree.join("padding")).map_or(BULK, |padding| padding.len() as usize);
        assert_eq!(padding, BULK, "{}", tree.display());
    }
    for blob in entries(&data.join("packages/blobs/sha256")) {
        let name = blob.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(sha256(&fs::read(&blob).unwrap()), name);
    }
}

/// What a preparation leaves when it does not come to its end.
fn half_made(data: &Path) -> Vec<PathBuf> {
    let mut found = entries(&data.join("packages/ingest"));
    found.extend(
        entries(&data.join("packages/trees"))
            .into_iter()
            .filter(|tree| is_hidden(tree)),
    );
    found
}

#[test]
fn a_daemon_killed_anywhere_in_a_deployment_ends_up_with_each_service_running_once() {
    let (size, seed) = (told("AEROLITH_CAMPAIGN_SIZE", 12), told("AEROLITH_SEED", 20_261_122));
    let mut campaign = Campaign::begin(seed);
    for version in 1..=size {
        campaign.round(version);
    }
    report(&format!("size: {size}\nseed: {seed}\n{}", campaign.end()));
}
