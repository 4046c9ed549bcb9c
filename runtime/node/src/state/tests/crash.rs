use super::seen::in_memory;
use super::*;
use crate::durable::crash;

/// More than there are.
const ALL: usize = 1_000_000;
const STEPS: u64 = 32;

/// A state after so many steps.
fn after(steps: u64) -> tempfile::TempDir {
    let dir = in_memory();
    let mut state = open(&dir);
    (0..steps).for_each(|number| random::step(&mut state, number).unwrap());
    dir
}

fn copied(dir: &tempfile::TempDir) -> tempfile::TempDir {
    let to = in_memory();
    copy(dir.path(), to.path());
    to
}

#[test]
fn a_crash_at_any_step_leaves_the_state_as_it_was_or_as_it_was_to_be() {
    let dir = after(0);
    let mut crashes = 0;
    for number in 0..STEPS {
        let before = seen(&open(&dir));
        let next = copied(&dir);
        random::step(&mut open(&next), number).unwrap();
        let then = seen(&open(&next));
        for works in 0.. {
            let torn = copied(&dir);
            let mut state = open(&torn);
            crash::after(works, ALL);
            let done = random::step(&mut state, number);
            drop(state);
            let crashed = crash::disarm(ALL);
            let found = seen(&open(&torn));
            assert!(
                found == then || found == before && done.is_err(),
                "step {number} with a crash after {works} changes:\n{}or\n{}",
                differences(&found, &then),
                differences(&found, &before)
            );
            assert!(seen(&open(&torn)) == found);
            if !crashed {
                break;
            }
            crashes += 1;
        }
        random::step(&mut open(&dir), number).unwrap();
    }
    assert!(crashes > 200, "{crashes} crashes");
}

#[test]
fn a_disk_that_refuses_once_leaves_files_and_memory_of_one_mind() {
    for number in (0..STEPS).step_by(2) {
        let dir = after(number);
        for works in 0.. {
            let copied = copied(&dir);
            let mut state = open(&copied);
            let before = seen(&state);
            crash::after(works, 1);
            let done = random::step(&mut state, number);
            let refused = crash::disarm(1);
            assert!(done.is_ok() || seen(&state) == before, "step {number}, {works}");
            random::step(&mut state, number + 1_000).unwrap();
            let (found, told) = (seen(&open(&copied)), seen(&state));
            assert!(found == told, "step {number}, {works}: {}", differences(&found, &told));
            if !refused {
                break;
            }
        }
    }
}
