//! B4 with much in the state: a node that knows a thousand applications of which nothing is to run, and one beside it
//! that knows none.

use crate::Bench;
use crate::program::{Service, application};
use benches::{Node, Place, Times};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Instant;

/// Services of an application.
const SERVICES: usize = 10;
/// Applications in one change.
const AT_ONCE: usize = 250;

pub(crate) fn measure(bench: &Bench) -> String {
    let (mut boots, mut applies) = (Times::default(), Times::default());
    let applications = bench.size(1_000, 20);
    let mut memory = 0;
    Place::memory().with_folder(|empty| {
        Place::disk(env!("CARGO_TARGET_TMPDIR")).with_folder(|full| {
            drop(Node::start(&bench.daemon, empty));
            fill(bench, full, applications, &mut applies);
            for round in 0..bench.rounds {
                boots.measure("floor: every file of the state read", || read(&full.join("data/state")));
                let node = Node::start(&bench.daemon, empty);
                boots.add("no application: first answer", node.answered);
                boots.add("no application: ready", node.ready);
                run_one(bench, &node, "no application", round, &mut applies);
                drop(node);
                let mut node = Node::start(&bench.daemon, full);
                boots.add(&format!("{applications} applications: first answer"), node.answered);
                boots.add(&format!("{applications} applications: ready"), node.ready);
                run_one(
                    bench,
                    &node,
                    &format!("{applications} applications"),
                    round,
                    &mut applies,
                );
                memory = node.memory();
                node.end();
            }
            drop(Node::start(&bench.daemon, full));
        });
    });
    format!(
        "{}\nThe daemon that knows {applications} applications has {memory} kB (PSS).\n{}",
        boots.table(&format!(
            "B4: start with {} services in the state, none of them to run",
            applications * SERVICES
        )),
        applies.table("Apply beside them")
    )
}

/// Applies applications of which nothing is to run.
fn fill(bench: &Bench, folder: &Path, applications: usize, times: &mut Times) {
    let mut node = Node::start(&bench.daemon, folder);
    node.apply(&[bench.program.package(0)]);
    let all: Vec<Value> = (0..applications).map(|number| resting(bench, number)).collect();
    for some in all.chunks(AT_ONCE) {
        times.measure(
            &format!("{} applications more, until it is answered", some.len()),
            || node.apply(some),
        );
    }
    node.end();
}

fn resting(bench: &Bench, number: usize) -> Value {
    let services = (0..SERVICES).map(|n| {
        Service::new(format!("service-{n}"), &bench.births)
            .env("NUMBER", &number)
            .field("replica", json!(0))
    });
    application(&format!("resting-{number}"), 0, &services.collect::<Vec<_>>())
}

/// Applies one application that runs, in a version of its own, and waits for its program.
fn run_one(bench: &Bench, node: &Node, beside: &str, round: usize, times: &mut Times) {
    let name = format!("one-{round}");
    let service = Service::new("one", &bench.births)
        .env("NAME", &name)
        .field("update", json!({"strategy": "restart"}));
    let begun = Instant::now();
    node.apply(&[bench.program.package(1), application("one", 1, &[service])]);
    times.add(
        &format!("one application, beside {beside}, until it is answered"),
        begun.elapsed(),
    );
    let born = bench.births.of(&name);
    times.add(
        &format!("one application, beside {beside}, until it runs"),
        born.at - begun,
    );
}

fn read(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path);
        } else {
            fs::read(path).unwrap();
        }
    }
}
