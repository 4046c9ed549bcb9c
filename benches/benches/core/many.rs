//! B3, B5, B8: what a thousand instances cost when they are started, and when they only run.

use crate::program::{Service, application};
use crate::{Bench, floor};
use benches::{Node, Place, Times, ms};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Services of an application.
const SERVICES: usize = 10;

pub(crate) fn measure(bench: &Bench) -> String {
    let (mut times, mut told) = (Times::default(), String::new());
    let settle = if bench.full {
        Duration::from_secs(10)
    } else {
        Duration::ZERO
    };
    Place::memory().with_folder(|folder| {
        let node = Node::start(&bench.daemon, folder);
        std::thread::park_timeout(settle);
        let (empty, mut running) = (node.memory(), 0);
        writeln!(told, "| 0 | {empty} | – | – |").unwrap();
        for more in [bench.size(100, 10), bench.size(900, 20)] {
            let (bare, took) = floor::start(&bench.program, &bench.births, more);
            drop(bare);
            times.add(&format!("floor: {more} programs spawned"), took);
            start(bench, &node, running..running + more, &mut times);
            running += more;
            std::thread::park_timeout(settle);
            let (memory, before) = (node.memory(), node.work());
            std::thread::park_timeout(settle);
            let work = (node.work() - before).as_secs_f64() / settle.as_secs_f64().max(1.0);
            let each = memory.saturating_sub(empty) as f64 / running as f64;
            writeln!(told, "| {running} | {memory} | {each:.1} | {:.2} |", work * 100.0).unwrap();
        }
    });
    let head =
        "\n| instances, at rest | PSS of the daemon, kB | kB per instance (B3) | CPU % (B8) |\n|---|---|---|---|\n";
    format!(
        "{}{head}{told}",
        times.table("B5: instances started, their package prepared")
    )
}

/// Applies applications of these numbers, and waits until all of their instances run.
fn start(bench: &Bench, node: &Node, numbers: std::ops::Range<usize>, times: &mut Times) {
    let name = format!("ours, {} more", numbers.len());
    let numbers: Vec<_> = numbers.collect();
    let applications = numbers.chunks(SERVICES).map(|numbers| {
        let services = numbers
            .iter()
            .map(|n| Service::new(format!("service-{n}"), &bench.births));
        application(&format!("app-{}", numbers[0]), 0, &services.collect::<Vec<_>>())
    });
    let mut resources = vec![bench.program.package(0)];
    resources.extend(applications);
    let begun = Instant::now();
    node.apply(&resources);
    let (_, last) = bench.births.all(numbers.len());
    times.add(&name, last - begun);
    println!("{name}: {} ms", ms(last - begun));
}
