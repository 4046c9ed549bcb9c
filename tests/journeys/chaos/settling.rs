//! How the node is looked at once nothing happens to it any more.

use super::observed::Observed;
use super::packages::Origin;
use super::steps::SWITCHED;
use super::{Chaos, leftovers, send};
use crate::support::socket::Events;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Longest time until all is as it is desired: what ended again and again is not started at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked again when no event comes: a process tells nobody that it has executed its program.
const LOOK: Duration = Duration::from_millis(100);
/// Descriptors that a daemon may have more than at its beginning: one for a request that just ended, one for a file that is
/// just looked at, and the kernel's end of a process that was waited for.
const DESCRIPTORS: usize = 3;
/// Threads for file work go after a second of idleness; one may just have been needed.
const THREADS: usize = 1;

impl Chaos {
    /// Takes every obstacle away, waits until all is as it is desired, and looks what is left besides.
    pub(super) fn settle(&mut self) {
        self.strangers.leave_all();
        for origin in [Origin::Http, Origin::File] {
            self.sources.switch(origin, true);
        }
        std::mem::take(&mut self.stopped)
            .into_iter()
            .for_each(|pid| send(pid, Signal::CONT));
        for name in SWITCHED {
            self.node.done(&["plugin", "enable", name]);
        }
        // A plugin that comes has everything tried again at once that could not be had.
        self.node.done(&["plugin", "disable", "fetcher-s3"]);
        self.node.done(&["plugin", "enable", "fetcher-s3"]);
        let began = Instant::now();
        let gone_back = self.until_settled();
        for name in &gone_back {
            self.story.add(&format!("{name} has gone back, and is tried again"));
            self.node.done(&["retry", name]);
        }
        if !gone_back.is_empty() {
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
    pub(super) fn end(mut self) -> String {
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
