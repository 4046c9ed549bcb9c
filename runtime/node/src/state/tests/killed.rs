//! A process that changes a state without end, killed again and again.

use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::seen::in_memory;
use super::*;

/// Names the folder that the process which is killed works in, and the step that it goes on with.
const PLACE: &str = "AEROLITH_STATE_KILLED_IN";
const FROM: &str = "AEROLITH_STATE_KILLED_FROM";
const KILLS: u64 = 48;

fn open_in(place: &Path) -> State {
    State::open(place.join("state"), place.join("node.key")).unwrap()
}

/// Says which steps it has done. It ends with whoever started it, should that be killed.
fn work(place: &Path) {
    let from = env::var(FROM).unwrap().parse::<u64>().unwrap();
    let mut state = open_in(place);
    let mut done = File::create(place.join("done")).unwrap();
    std::io::stdout().write_all(b"!\n").unwrap();
    for number in from..from + 100_000 {
        random::step(&mut state, number).unwrap();
        writeln!(done, "{number}").unwrap();
    }
}

/// A process that has begun to work.
fn begun(place: &Path, from: u64) -> Child {
    let name = thread::current().name().unwrap().to_owned();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([&name, "--exact", "--nocapture", "--quiet"]);
    command.env(PLACE, place).env(FROM, from.to_string());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stdout.as_mut().unwrap());
    let has_begun = said.lines().map(Result::unwrap).any(|line| line.ends_with('!'));
    assert!(has_begun, "it has not begun");
    child
}

/// How many steps are done, by what it said.
fn steps(place: &Path, from: u64) -> u64 {
    let done = fs::read_to_string(place.join("done")).unwrap();
    let whole = done.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .last()
        .map_or(from, |last| last.parse::<u64>().unwrap() + 1)
}

#[test]
fn a_process_killed_at_any_time_leaves_what_it_had_done_or_was_about_to_do() {
    if let Some(place) = env::var_os(PLACE) {
        return work(Path::new(&place));
    }
    let (dir, told) = (in_memory(), in_memory());
    let mut expected = open(&told);
    let mut next = 0;
    for round in 0..KILLS {
        let mut child = begun(dir.path(), next);
        #[expect(clippy::disallowed_methods, reason = "the time is the point at which it is killed")]
        thread::sleep(Duration::from_micros(round * 7_919 % 25_000));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it came to its end");
        let done = steps(dir.path(), next);
        (next..done).for_each(|number| random::step(&mut expected, number).unwrap());
        next = done;
        let found = seen(&open(&dir));
        if found != seen(&expected) {
            random::step(&mut expected, next).unwrap();
            next += 1;
            let expected = seen(&expected);
            let differences = differences(&found, &expected);
            assert!(found == expected, "round {round}, step {next}: {differences}");
        }
    }
    assert!(next > KILLS, "only {next} steps");
}
