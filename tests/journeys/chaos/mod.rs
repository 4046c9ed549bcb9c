//! Whatever happens to a node, in an order that follows from a seed: what is observed becomes what is desired.
//!
//! `AEROLITH_CAMPAIGN_SIZE` steps (40 unless said) from the seed `AEROLITH_SEED`; a report goes to the file
//! `AEROLITH_CAMPAIGN_REPORT`, where one is named. `cargo xtask campaign chaos` takes many.

mod applications;
mod conditions;
mod leftovers;
mod observed;
mod packages;
mod settling;
mod sources;
mod steps;
mod story;
mod strangers;
mod world;

use crate::deployment::texts::file;
use crate::support::node::Node;
use crate::support::processes;
use crate::support::random::{Random, report, told};
use applications::Application;
use packages::Package;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sources::Sources;
use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::Duration;
use steps::Step;
use story::Story;
use strangers::Strangers;
use world::{CONFIGURATIONS, PACKAGES, SECRETS, World};

/// Steps between two looks.
const ROUND: u64 = 8;
/// How long what is new must run to be taken for good: what ends at once has ended by then on a busy machine too.
const WINDOW: &str = "window: 500ms";

struct Chaos {
    node: Node,
    sources: Sources,
    strangers: Strangers,
    world: World,
    random: Random,
    story: Story,
    stopped: Vec<u32>,
    counts: BTreeMap<String, u64>,
    settled: Vec<Duration>,
    idle: (usize, usize),
}

impl Chaos {
    fn begin(seed: u64) -> Self {
        let mut node = Node::new();
        let settings = fs::read_to_string(node.path("aerolith.yml")).unwrap();
        node.file("aerolith.yml", &settings.replace("window: 100ms", WINDOW));
        node.file("plugins.d/fetcher-http.yml", "isolation: process\n");
        if seed.is_multiple_of(2) {
            node.file("plugins.d/engine-process.yml", "isolation: process\n");
        }
        node.start();
        let sources = Sources::new(node.path("sources"));
        let mut chaos = Self {
            node,
            sources,
            strangers: Strangers::new(),
            world: World::default(),
            random: Random(seed),
            story: Story::new(seed),
            stopped: Vec::new(),
            counts: BTreeMap::new(),
            settled: Vec::new(),
            idle: (0, 0),
        };
        for name in [&CONFIGURATIONS[..], &SECRETS].concat() {
            let version = chaos.world.version();
            chaos.world.used.contents.insert(name, version);
            chaos.apply_content(name);
        }
        for name in PACKAGES {
            chaos.renew(name);
            chaos.apply_content(name);
        }
        chaos.idle = leftovers::idle(chaos.node.pid());
        chaos
    }

    fn take(&mut self, step: Step) {
        self.story.tell(&step);
        let name = format!("{step:?}").split('(').next().unwrap().to_owned();
        *self.counts.entry(name).or_default() += 1;
        match step {
            Step::Apply(name, with) => self.change(name, with),
            Step::ApplyAgain(name) => {
                let text = self.application(name);
                self.apply(&[text]);
            }
            Step::Update(name) => {
                self.renew(name);
                self.apply_content(name);
            }
            Step::Delete(name) => {
                self.node.done(&["delete", "application", name]);
                self.world.delete(name);
                self.world.note();
            }
            Step::DeleteContent(name) => self.delete_content(name),
            Step::KillInstance(id) => self.kill_instance(&id),
            Step::StopInstance(id) => self.signal(&id, Signal::STOP),
            Step::Away(origin) => self.sources.switch(origin, false),
            Step::Back(origin) => self.sources.switch(origin, true),
            Step::KillPlugin(name) => drop(self.signal_plugin(name, Signal::KILL)),
            Step::StopPlugin(name) => {
                let stopped = self.signal_plugin(name, Signal::STOP);
                self.stopped.extend(stopped);
            }
            Step::StrangerComes(name) => self.strangers.come(name),
            Step::StrangerLeaves(name) => self.strangers.leave(name),
            Step::RollBack(name, number) => self.roll_back(name, number),
            Step::Retry(name) => drop(self.node.done(&["retry", name])),
            Step::Disable(name) => drop(self.node.done(&["plugin", "disable", name])),
            Step::Enable(name) => drop(self.node.done(&["plugin", "enable", name])),
            Step::KillDaemon(victims) => {
                self.node.kill();
                victims.iter().for_each(|id| self.kill_instance(id));
                self.node.start();
            }
            Step::KillWhileApplying(name, after) => self.kill_while_applying(name, after),
            Step::KillWhileStarting(after) => self.kill_while_starting(after),
            Step::Reboot => self.reboot(),
        }
    }

    fn apply(&mut self, resources: &[Value]) {
        self.world.note();
        let name = self.node.file("applied.yml", &file(resources));
        let told = self.node.done(&["apply", "-f", &name]);
        self.remember(&told);
    }

    /// The first line that a change answers is its revision.
    fn remember(&mut self, told: &str) {
        let revision = told.lines().next().and_then(|line| line.strip_prefix("revision "));
        self.world.remember(revision.unwrap().parse().unwrap());
    }

    fn application(&self, name: &str) -> Value {
        self.world.application_text(name, &self.strangers)
    }

    /// A new version of a package, a configuration or a secret.
    fn renew(&mut self, name: &'static str) {
        let version = self.world.version();
        if PACKAGES.contains(&name) {
            let package = Package::any(&mut self.random, version);
            self.story.add(&format!("{package:?}"));
            self.world.used.packages.insert(name, package);
        } else {
            self.world.used.contents.insert(name, version);
        }
    }

    fn apply_content(&mut self, name: &str) {
        let text = self.text(name);
        self.apply(&[text]);
    }

    fn text(&self, name: &str) -> Value {
        match PACKAGES.contains(&name) {
            true => self.world.package_text(name, &self.sources),
            false => self.world.content_text(name),
        }
    }

    fn change(&mut self, name: &'static str, with: Option<&'static str>) {
        let application = Application::any(&mut self.random);
        self.story.add(&format!("{application:?}"));
        with.into_iter().for_each(|package| self.renew(package));
        self.world.change(name, application);
        let mut texts: Vec<Value> = with.iter().map(|package| self.text(package)).collect();
        texts.push(self.application(name));
        self.apply(&texts);
    }

    fn delete_content(&mut self, name: &'static str) {
        let kind = if SECRETS.contains(&name) {
            "secret"
        } else {
            "configuration"
        };
        let told = self.node.run(&["delete", kind, name]);
        assert_eq!(told.code, i32::from(self.world.is_used(name)), "{told:?}");
        if told.code == 0 {
            self.renew(name);
            self.apply_content(name);
        }
    }

    fn signal(&mut self, id: &str, signal: Signal) {
        for process in self
            .node
            .processes()
            .iter()
            .filter(|process| process.instance() == Some(id))
        {
            if signal == Signal::STOP {
                self.stopped.push(process.pid);
            }
            send(process.pid, signal);
        }
    }

    fn kill_instance(&mut self, id: &str) {
        self.world.is_disturbed = true;
        self.signal(id, Signal::KILL);
    }

    /// Answers the process that the signal was sent to.
    fn signal_plugin(&mut self, name: &str, signal: Signal) -> Option<u32> {
        let listed: Vec<Value> = serde_json::from_str(&self.node.done(&["plugin", "list", "-o", "json"])).unwrap();
        let found = listed.iter().find(|plugin| plugin["instance"] == name);
        let pid = found.and_then(|plugin| plugin["pid"].as_u64());
        let Some(pid) = pid.map(|pid| pid.try_into().unwrap()) else {
            self.story.add("has no process");
            return None;
        };
        send(pid, signal);
        Some(pid)
    }

    /// All that the application used comes back with it, for others too.
    fn roll_back(&mut self, name: &'static str, number: u64) {
        let history: Vec<Value> = serde_json::from_str(&self.node.done(&["history", name, "-o", "json"])).unwrap();
        let good = history.iter().skip(1).filter(|one| one["outcome"] == "good");
        let revisions = good.map(|one| one["revision"].as_u64().unwrap());
        let known: Vec<u64> = revisions
            .filter(|revision| self.world.can_put_back(name, *revision))
            .collect();
        let Some(revision) = Random(number).pick(&known) else {
            return self.story.add("there is nothing to go back to");
        };
        self.story.add(&format!("to revision {revision}"));
        self.world.put_back(name, revision);
        self.world.note();
        let told = self.node.done(&["rollback", name, "--to", &revision.to_string()]);
        self.remember(&told);
    }

    /// What was not acknowledged may be in force or not: it is asked for once more.
    fn kill_while_applying(&mut self, name: &'static str, after: Duration) {
        let application = Application::any(&mut self.random);
        self.story.add(&format!("{application:?}"));
        self.world.change(name, application);
        let text = self.application(name);
        self.world.note();
        let written = self.node.file("applied.yml", &file(std::slice::from_ref(&text)));
        let mut apply = self.node.command(&["apply", "-f", &written]);
        let mut apply = apply.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::park_timeout(after);
        self.node.kill();
        let is_acknowledged = apply.wait().unwrap().success();
        self.node.start();
        if !is_acknowledged {
            self.story.add("not acknowledged");
            self.apply(&[text]);
        }
    }

    fn kill_while_starting(&mut self, after: Duration) {
        self.node.kill();
        let mut daemon = self.node.daemon();
        self.node.spawn(&mut daemon);
        std::thread::park_timeout(after);
        self.node.kill();
        self.node.start();
    }

    fn reboot(&mut self) {
        self.node.kill();
        processes::end_all(&self.node.path(""));
        fs::remove_dir_all(self.node.path("run")).unwrap();
        self.node.start();
    }
}

/// Sends a signal to a process, unless it is gone by now.
fn send(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal);
}

#[test]
fn whatever_happens_what_runs_becomes_what_is_desired_and_nothing_else_is_left() {
    let (size, seed) = (told("AEROLITH_CAMPAIGN_SIZE", 40), told("AEROLITH_SEED", 20_261_125));
    let mut chaos = Chaos::begin(seed);
    for number in 1..=size {
        let step = Step::any(&mut chaos.random, &chaos.world);
        chaos.take(step);
        if number % ROUND == 0 || number == size {
            chaos.settle();
        }
    }
    report(&format!("size: {size}\nseed: {seed}\n{}", chaos.end()));
}
