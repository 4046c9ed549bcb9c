//! Whatever happens to a node, in an order that follows from a seed: what is observed becomes what is desired.
//!
//! `AEROLITH_CAMPAIGN_SIZE` steps (40 unless said) from the seed `AEROLITH_SEED`; a report goes to the file
//! `AEROLITH_CAMPAIGN_REPORT`, where one is named. `cargo xtask campaign chaos` takes many.

mod leftovers;
mod observed;
mod sources;
mod steps;
mod story;
mod world;

use crate::deployment::texts::file;
use crate::support::node::Node;
use crate::support::processes;
use crate::support::random::{Random, report, told};
use crate::support::socket::Events;
use observed::Observed;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sources::Sources;
use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};
use steps::{FETCHERS, Step};
use story::Story;
use world::{Application, CONFIGURATIONS, Origin, PACKAGES, Package, SECRETS, World};

/// Steps between two looks.
const ROUND: u64 = 8;
/// Longest time until all is as it is desired: what ended again and again is not started at once.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often is looked again when no event comes: a process tells nobody that it has executed its program.
const LOOK: Duration = Duration::from_millis(100);
/// Descriptors that a daemon may have more than at its beginning: one for a request that just ended, one for a file that is
/// just looked at, and the kernel's end of a process that was waited for.
const DESCRIPTORS: usize = 3;
/// Threads for file work go after a second of idleness; one may just have been needed.
const THREADS: usize = 1;

struct Chaos {
    node: Node,
    sources: Sources,
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
        node.file("plugins.d/fetcher-http.yml", "isolation: process\n");
        if seed.is_multiple_of(2) {
            node.file("plugins.d/engine-process.yml", "isolation: process\n");
        }
        node.start();
        let sources = Sources::new(node.path("sources"));
        let mut chaos = Self {
            node,
            sources,
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
            chaos.world.contents.insert(name, version);
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
                let text = self.world.application_text(name);
                self.apply(&[text]);
            }
            Step::Update(name) => {
                self.renew(name);
                self.apply_content(name);
            }
            Step::Delete(name) => {
                self.node.done(&["delete", "application", name]);
                self.world.applications.remove(name);
                self.world.note();
            }
            Step::DeleteContent(name) => self.delete_content(name),
            Step::KillInstance(id) => self.kill_instance(&id),
            Step::StopInstance(id) => self.signal(&id, Signal::STOP),
            Step::Away(origin) => self.sources.switch(origin, false),
            Step::Back(origin) => self.sources.switch(origin, true),
            Step::KillPlugin(name) => self.kill_plugin(name),
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
        self.node.done(&["apply", "-f", &name]);
    }

    /// A new version of a package, a configuration or a secret.
    fn renew(&mut self, name: &'static str) {
        let version = self.world.version();
        if PACKAGES.contains(&name) {
            let package = Package::any(&mut self.random, version);
            self.story.add(&format!("{package:?}"));
            self.world.packages.insert(name, package);
        } else {
            self.world.contents.insert(name, version);
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
        self.world.applications.insert(name, application);
        with.into_iter().for_each(|package| self.renew(package));
        let mut texts: Vec<Value> = with.iter().map(|package| self.text(package)).collect();
        texts.push(self.world.application_text(name));
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

    fn kill_plugin(&mut self, name: &str) {
        let listed: Value = serde_json::from_str(&self.node.done(&["plugin", "list", "-o", "json"])).unwrap();
        let found = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|plugin| plugin["instance"] == name);
        match found.and_then(|plugin| plugin["pid"].as_u64()) {
            Some(pid) => send(pid.try_into().unwrap(), Signal::KILL),
            None => self.story.add("has no process"),
        }
    }

    /// What was not acknowledged may be in force or not: it is asked for once more.
    fn kill_while_applying(&mut self, name: &'static str, after: Duration) {
        let application = Application::any(&mut self.random);
        self.story.add(&format!("{application:?}"));
        self.world.applications.insert(name, application);
        let text = self.world.application_text(name);
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

    /// Takes every obstacle away, waits until all is as it is desired, and looks what is left besides.
    fn settle(&mut self) {
        for origin in [Origin::Http, Origin::File] {
            self.sources.switch(origin, true);
        }
        std::mem::take(&mut self.stopped)
            .into_iter()
            .for_each(|pid| send(pid, Signal::CONT));
        for name in FETCHERS {
            self.node.done(&["plugin", "enable", name]);
        }
        self.node.done(&["plugin", "enable", "engine-process"]);
        // A plugin that comes has everything tried again at once that could not be had.
        self.node.done(&["plugin", "disable", "fetcher-s3"]);
        self.node.done(&["plugin", "enable", "fetcher-s3"]);
        let began = Instant::now();
        let applied_again = self.until_settled();
        for name in &applied_again {
            self.story.add(&format!("{name} has gone back, and is applied again"));
            let text = self.world.application_text(name);
            self.apply(&[text]);
        }
        if !applied_again.is_empty() {
            self.until_settled();
        }
        self.settled.push(began.elapsed());
        self.story.add(&format!("settled in {:?}", began.elapsed()));
    }

    /// Waits until every application is as it may be, and nothing is left besides. Answers those of which something earlier
    /// runs though what is desired is good.
    fn until_settled(&mut self) -> Vec<&'static str> {
        let began = Instant::now();
        let mut events = Events::listen(&self.node.socket(), "#")
            .unwrap()
            .patient_for(LOOK)
            .unwrap();
        let pictures = loop {
            let observed = Observed::of(&self.node);
            let left = leftovers::files(&self.node, &observed.status);
            let found = match observed.pictures(&self.world) {
                Ok(pictures) if left.is_empty() => break pictures,
                Ok(_) => format!("left over: {left:?}"),
                Err(found) => found,
            };
            assert!(
                began.elapsed() < PATIENCE,
                "{found}\n{:#}\n{}",
                observed.status,
                self.node.log()
            );
            // Nothing may have happened, or the daemon be gone, which the next look finds.
            let _ = events.next();
        };
        self.world.is_disturbed = false;
        let mut behind = Vec::new();
        for (name, picture) in pictures {
            if self.world.alternatives(name)[0] != picture {
                behind.push(name);
            }
            self.world.seen(name, picture);
        }
        self.world.note();
        behind
    }

    /// Empties the node, and looks whether it is as idle as it was.
    fn end(mut self) -> String {
        for name in std::mem::take(&mut self.world.applications).into_keys() {
            self.node.done(&["delete", "application", name]);
        }
        self.settle();
        let began = Instant::now();
        loop {
            let (descriptors, threads) = leftovers::held(self.node.pid());
            if descriptors <= self.idle.0 + DESCRIPTORS && threads <= self.idle.1 + THREADS {
                break;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{descriptors} descriptors and {threads} threads, at first {:?}",
                self.idle
            );
            std::thread::park_timeout(LOOK);
        }
        self.settled.sort();
        let at = |share: usize| self.settled[(self.settled.len() - 1) * share / 100].as_millis();
        let counts: Vec<String> = self
            .counts
            .iter()
            .map(|(step, count)| format!("{step} {count}"))
            .collect();
        format!(
            "steps of each kind: {}\nsettled within ms: median {}, 95 % {}, longest {}\n",
            counts.join(", "),
            at(50),
            at(95),
            at(100)
        )
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
