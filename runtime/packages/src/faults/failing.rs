//! A disk that fails once, or is full, while the machine goes on.

use fastrand::Rng;

use super::invariants::snapshot;
use super::machine::{Fault, Machine, Sharing, Sync};
use super::scenarios::{Failure, must};
use super::trial::{Trial, campaign, everywhere, world};
use crate::sandbox::{download, names};
use crate::{Expected, StoreError};

/// Fails one step. All goes on and, one time in four, the power is cut after that too.
fn failed(trial: &Trial, at: u64, seed: u64) -> Result<bool, Failure> {
    let mut random = Rng::with_seed(seed ^ at << 32);
    let machine = trial.machine(Sync::Works);
    let run = trial.run(&machine, Fault::Once(at))?;
    if random.u8(..4) == 0 {
        trial.check(&machine.after_cut(&mut random), &run.promises)?;
    }
    trial.check(&machine, &run.promises)?;
    Ok(run.failed)
}

/// Leaves a little more room than at the step before. What was refused has left nothing behind by then, and succeeds
/// when there is room.
fn full(trial: &Trial, at: u64, _: u64) -> Result<bool, Failure> {
    let machine = trial.machine(Sync::Works);
    let run = trial.run(&machine, Fault::Full(machine.used() + 64 * at * at))?;
    for path in snapshot(machine.path()).keys() {
        let half = path.starts_with("store/new/") || path.to_str().unwrap().contains("/.staging-");
        must(!half || path.ends_with("new"), || {
            format!("{} takes space", path.display())
        })?;
    }
    trial.check(&machine, &run.promises)?;
    Ok(run.failed)
}

#[test]
fn a_disk_that_fails_at_any_step_leaves_nothing_half_done_and_the_next_try_succeeds() {
    campaign("failed once", failed);
}

#[test]
fn a_disk_that_is_full_at_any_write_gets_its_space_back_and_the_next_try_with_room_succeeds() {
    for (_, steps) in everywhere(&(1..2), full) {
        steps.unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

#[test]
fn what_cannot_fit_is_refused_before_a_byte_of_it_is_written() {
    let machine = Machine::new(Sharing::Unknown);
    machine.set(Fault::Free(1_000));
    let store = world(&machine).open().unwrap();
    let expected = Expected {
        size: Some(2_000),
        ..Expected::default()
    };
    let error = store.ingest(download("a", expected)).unwrap_err();
    assert!(matches!(error, StoreError::NoSpace { free: 1_000, .. }), "{error}");
    assert_eq!(names(&machine.path().join("store/ingest")), [""; 0]);
}
