//! A process that does all scenarios on the real disk, killed at random points.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::machine::{Sync, in_memory};
use super::scenarios::{Promises, SCENARIOS, Scenario, World};
use super::trial::Trial;
use crate::disk::OsDisk;
use crate::sandbox::SPAWNING;

/// Names the folder that the process which is killed works in.
const PLACE: &str = "AEROLITH_KILLED_IN";
const KILLS: usize = 12;

fn world(place: &Path, scenario: &Scenario) -> World {
    World {
        disk: Arc::new(OsDisk),
        place: place.join(scenario.name),
    }
}

/// Does each scenario, and says when it has begun and what it has done.
fn work(place: &Path) {
    let mut done = File::create(place.join("done")).unwrap();
    std::io::stdout().write_all(b"!\n").unwrap();
    for scenario in &SCENARIOS {
        (scenario.job)(&world(place, scenario), &mut Promises::default()).unwrap();
        writeln!(done, "{}", scenario.name).unwrap();
    }
}

/// A process that has begun to work.
fn begun(place: &Path) -> Child {
    let name = thread::current().name().unwrap().to_owned();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([&name, "--exact", "--nocapture", "--quiet"]);
    let _spawning = SPAWNING.write();
    let mut child = command.env(PLACE, place).stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stdout.as_mut().unwrap());
    let has_begun = said.lines().map(Result::unwrap).any(|line| line.ends_with('!'));
    assert!(has_begun, "it has not begun");
    child
}

#[test]
fn a_process_killed_anywhere_leaves_what_was_promised_and_nothing_half_done() {
    if let Some(place) = env::var_os(PLACE) {
        return work(Path::new(&place));
    }
    let trials = SCENARIOS.each_ref().map(Trial::new);
    let (mut random, mut span, mut kills) = (Rng::with_seed(1), None::<Duration>, 0);
    for round in 0..10 * KILLS {
        let place = in_memory();
        for trial in &trials {
            let folder = place.path().join(trial.scenario.name);
            fs::create_dir(&folder).unwrap();
            trial.machine(Sync::Works).copy_to(&folder);
        }
        let (mut child, began) = (begun(place.path()), Instant::now());
        if let Some(span) = span {
            #[expect(clippy::disallowed_methods, reason = "the time is the point at which it is killed")]
            thread::sleep(span.mul_f64(random.f64()));
            child.kill().unwrap();
        }
        child.wait().unwrap();
        let done = fs::read_to_string(place.path().join("done")).unwrap();
        let in_time = done.lines().count() < SCENARIOS.len();
        kills += usize::from(in_time);
        // The first comes to its end, and tells how long that takes; less when this machine has more time for it.
        span = match span {
            Some(span) if in_time => Some(span),
            Some(span) => Some(span.mul_f64(0.8)),
            None => Some(began.elapsed()),
        };
        for trial in &trials {
            let (name, nothing) = (trial.scenario.name, Promises::default());
            let is_done = done.lines().any(|line| line == name);
            let promises = if is_done { &trial.promises } else { &nothing };
            let checked = trial.check_world(&world(place.path(), trial.scenario), promises);
            checked.unwrap_or_else(|wrong| panic!("round {round}, {name}: {wrong}"));
        }
        if kills == KILLS {
            return;
        }
    }
    panic!("only {kills} kills came in time");
}
