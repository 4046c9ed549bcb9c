//! B12: from the apply of so many applications, each with a package of its own, until all run.

use crate::program::{Service, application};
use crate::runit::{self, Runit};
use crate::{Bench, floor};
use benches::{Node, Place, Times, head};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

pub(crate) fn measure(bench: &Bench) -> String {
    let counts: &[usize] = if bench.full { &[1, 20, 100] } else { &[2] };
    let mut text = String::new();
    for place in [Place::memory(), Place::disk(env!("CARGO_TARGET_TMPDIR"))] {
        for count in counts {
            let times = compare(bench, &place, *count);
            text += &times.compared(&format!("B12: packages deployed, on {}: {count}", place.name));
        }
    }
    text
}

fn compare(bench: &Bench, place: &Place, count: usize) -> Times {
    let mut times = Times::default();
    let (program, births, peer) = (&bench.program, &bench.births, runit::is_here());
    let resources: Vec<Value> = (0..count).flat_map(|number| resources(bench, number)).collect();
    for _ in 0..bench.rounds {
        let (bare, took) = floor::start(program, births, count);
        drop(bare);
        times.add("floor: the programs alone, spawned", took);
        if peer {
            let runit = Runit::start(program, births, (0..count).map(|number| number.to_string()));
            let (_, last) = births.all(count);
            times.add("runit, the programs in place", last - runit.begun);
        }
        place.with_folder(|folder| ours(bench, folder, &resources, count, &mut times));
    }
    times
}

fn resources(bench: &Bench, number: usize) -> [Value; 2] {
    let service = Service::new("service", &bench.births);
    let application = application(&format!("app-{number}"), number, &[service]);
    [bench.program.package(number), application]
}

fn ours(bench: &Bench, folder: &Path, resources: &[Value], count: usize, times: &mut Times) {
    let node = Node::start(&bench.daemon, folder);
    let mut events = node.listen("app/+/running");
    let begun = Instant::now();
    let mut answer = node.send(resources);
    let mut running = BTreeSet::new();
    while running.len() < count {
        running.insert(events.hear().0);
    }
    times.add("ours, until an event tells of each that it runs", begun.elapsed());
    let (_, last) = bench.births.all(count);
    times.add("ours, until each program runs", last - begun);
    head(&mut answer);
}
