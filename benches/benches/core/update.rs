//! B13: an update of one service of twenty, as one sees it who asks it every millisecond.

mod poller;

use crate::program::{Service, application};
use crate::{Bench, floor};
use benches::{Node, Place, Times};
use poller::Poller;
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Services of the application.
const SERVICES: usize = 20;
/// How long a new instance must be ready before the old one is stopped.
const WINDOW: &str = "100ms";

pub(crate) fn measure(bench: &Bench) -> String {
    let mut text = String::new();
    for strategy in ["switch", "restart"] {
        let (mut gaps, mut times) = (Times::default(), Times::default());
        Place::memory().with_folder(|folder| {
            let node = Node::start(&bench.daemon, folder);
            let port = free_port();
            node.apply(&[bench.program.package(0), twenty(bench, strategy, 0, port)]);
            let mut old = bench.births.all(SERVICES).0["0"];
            node.settle();
            for round in 1..=bench.rounds {
                floor(bench, round, &mut gaps);
                let (begun, poller) = (Instant::now(), Poller::start(port));
                node.apply(&[twenty(bench, strategy, round, port)]);
                let new = bench.births.next();
                assert_eq!(new.name, round.to_string(), "only what has changed is started");
                while poller.saw(&new.name).is_none() || exists(old) {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                times.add("until the old version is gone", begun.elapsed());
                let seen = poller.stop();
                times.add("until the new version answers", seen.first(&new.name) - begun);
                gaps.add(&format!("ours, {strategy}"), seen.gap());
                old = new.pid;
                node.settle();
            }
        });
        text += &gaps.compared(&format!("B13: longest time without an answer, {strategy}"));
        text += &times.table(&format!("The same update by {strategy}, health window {WINDOW}"));
    }
    text
}

/// The floor: killed, waited for, started anew by a bare loop.
fn floor(bench: &Bench, round: usize, gaps: &mut Times) {
    let port = free_port();
    let start = |name: &str| {
        floor::command(&bench.program, &bench.births, name)
            .env("PORT", port.to_string())
            .spawn()
    };
    let mut old = start("old").unwrap();
    bench.births.of("old");
    let poller = Poller::start(port);
    let name = format!("floor-{round}");
    old.kill().unwrap();
    old.wait().unwrap();
    let mut new = start(&name).unwrap();
    bench.births.of(&name);
    while poller.saw(&name).is_none() {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    gaps.add("floor: killed, waited for, spawned", poller.stop().gap());
    new.kill().unwrap();
    new.wait().unwrap();
}

/// Twenty services, the first of which is asked at a port and tells a version.
fn twenty(bench: &Bench, strategy: &str, version: usize, port: u16) -> Value {
    let service = |n: usize| match n {
        0 => Service::new("asked", &bench.births)
            .env("NAME", &version)
            .env("PORT", &port),
        n => Service::new(format!("other-{n}"), &bench.births),
    };
    let services = (0..SERVICES).map(|n| service(n).field("update", json!({"strategy": strategy, "window": WINDOW})));
    application("twenty", 0, &services.collect::<Vec<_>>())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn exists(pid: i32) -> bool {
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}
