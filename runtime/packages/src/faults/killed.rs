//! A process that does all scenarios on the real disk, killed at random points.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::machine::Sync;
use super::random::Random;
use super::scenarios::{Promises, SCENARIOS, Scenario, World};
use super::trial::Trial;
use crate::disk::OsDisk;
use crate::sandbox::SPAWNING;

/// Names the folder that the process which is killed works in.
const PLACE: &str = "AEROLITH_KILLED_IN";
const KILLS: usize = 20;

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
    let (mut random, mut longest, mut cut_short) = (Random(1), Duration::ZERO, 0);
    for kill in 0..=KILLS {
        let place = tempfile::tempdir().unwrap();
        for trial in &trials {
            let folder = place.path().join(trial.scenario.name);
            fs::create_dir(&folder).unwrap();
            trial.machine(Sync::Works).copy_to(&folder);
        }
        let mut child = begun(place.path());
        let began = Instant::now();
        if kill > 0 {
            #[expect(clippy::disallowed_methods, reason = "the time is the point at which it is killed")]
            thread::sleep(longest.mul_f64(random.below(1_000) as f64 / 1_000.0));
            child.kill().unwrap();
        }
        child.wait().unwrap();
        longest = longest.max(began.elapsed());
        let done = fs::read_to_string(place.path().join("done")).unwrap();
        cut_short += usize::from(done.lines().count() < SCENARIOS.len());
        for trial in &trials {
            let (name, mut promises) = (trial.scenario.name, Promises::default());
            if done.lines().any(|line| line == name) {
                promises = trial.promises();
            }
            let checked = trial.check_world(&world(place.path(), trial.scenario), &promises);
            checked.unwrap_or_else(|wrong| panic!("kill {kill}, {name}: {wrong}"));
        }
    }
    assert!(cut_short > KILLS / 2, "{cut_short} of {KILLS} kills came in time");
}
