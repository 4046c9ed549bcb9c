use super::seen::in_memory;
use super::*;
use crate::durable::crash::{self, Syncs};

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
        let left = damage::all(dir.path());
        open(&dir);
        assert!(
            damage::all(dir.path()) == left,
            "step {number} leaves something to sweep"
        );
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

/// What a power cut leaves of a folder in which all is durable when it begins, if it comes after so many changes; and what
/// came of them.
fn cut(dir: &tempfile::TempDir, works: usize, seed: u64, work: impl FnOnce(&tempfile::TempDir) -> bool) -> Cut {
    cut_on(Syncs::Work, dir, works, seed, work)
}

fn cut_on(
    syncs: Syncs,
    dir: &tempfile::TempDir,
    works: usize,
    seed: u64,
    work: impl FnOnce(&tempfile::TempDir) -> bool,
) -> Cut {
    let torn = copied(dir);
    crash::watch(torn.path(), syncs);
    crash::after(works, ALL);
    let done = work(&torn);
    let came = crash::disarm(ALL);
    let left = in_memory();
    crash::watched()
        .after_cut(&mut fastrand::Rng::with_seed(seed))
        .build(left.path());
    Cut { left, done, came }
}

/// Opens a state, if that can be done, and works with it.
fn attempt(dir: &tempfile::TempDir, work: impl FnOnce(&mut State) -> bool) -> bool {
    let state = State::open(dir.path().join("state"), dir.path().join("node.key"));
    state.is_ok_and(|mut state| work(&mut state))
}

struct Cut {
    left: tempfile::TempDir,
    /// Whether the work had been said to be done by then.
    done: bool,
    /// Whether the cut came before the end.
    came: bool,
}

#[test]
fn a_power_cut_at_any_step_leaves_the_state_as_it_was_or_as_it_was_to_be_and_what_was_done() {
    let dir = after(0);
    let mut cuts = 0;
    for number in 0..STEPS {
        let before = seen(&open(&dir));
        let next = copied(&dir);
        random::step(&mut open(&next), number).unwrap();
        let then = seen(&open(&next));
        for works in 0.. {
            let seed = number << 32 | works as u64;
            let cut = cut(&dir, works, seed, |torn| {
                attempt(torn, |state| random::step(state, number).is_ok())
            });
            let found = seen(&open(&cut.left));
            assert!(
                found == then || found == before && !cut.done,
                "step {number} with a cut after {works} changes:\n{}or\n{}",
                differences(&found, &then),
                differences(&found, &before)
            );
            if !cut.came {
                break;
            }
            cuts += 1;
        }
        random::step(&mut open(&dir), number).unwrap();
    }
    assert!(cuts > 200, "{cuts} cuts");
}

#[test]
fn a_power_cut_while_the_state_is_made_leaves_one_that_can_be_made() {
    let nothing = in_memory();
    for seed in 0..8 {
        for works in 0.. {
            let work = |torn: &tempfile::TempDir| {
                attempt(torn, |state| state.commit(put(vec![configuration("aa", "1")])).is_ok())
            };
            let cut = cut(&nothing, works, seed << 32 | works as u64, work);
            let state = open(&cut.left);
            assert_eq!(state.damaged(), [], "after {works} changes");
            let is_there = state.resources().contains_key(&id("configuration/aa"));
            assert!(is_there || !cut.done, "after {works} changes");
            if !cut.came {
                break;
            }
        }
    }
}

#[test]
fn a_disk_whose_sync_does_nothing_or_forgets_the_names_is_found_out() {
    let dir = after(STEPS);
    let put = |state: &mut State| state.commit(put(vec![configuration("new", "1")])).is_ok();
    for syncs in [Syncs::OfFilesAlone, Syncs::Lie] {
        let is_lost = |seed| {
            let cut = cut_on(syncs, &dir, ALL, seed, |torn| attempt(torn, put));
            !open(&cut.left).resources().contains_key(&id("configuration/new"))
        };
        assert!((0..32).any(is_lost), "{syncs:?}");
    }
}
