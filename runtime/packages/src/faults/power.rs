//! The power is cut at every step of every scenario. What the disk has then is chosen by seeds.

use std::sync::Arc;

use fastrand::Rng;

use super::machine::{Fault, Machine, Sharing, Sync};
use super::scenarios::{Failure, SCENARIOS, noise};
use super::trial::{Trial, campaign, world};
use crate::disk::Disk;
use crate::sandbox::download;
use crate::{Digest, Expected, Validator};

/// Cuts the power before a change.
fn cut(trial: &Trial, at: u64, seed: u64, sync: Sync) -> Result<bool, Failure> {
    let machine = trial.machine(sync);
    let run = trial.run(&machine, Fault::Off(at))?;
    trial.check(&machine.after_cut(&mut Rng::with_seed(seed ^ at << 32)), &run.promises)?;
    Ok(run.failed)
}

/// Cuts the power before a change and, one time in four, again while the same is done after that.
fn cut_and_cut_again(trial: &Trial, at: u64, seed: u64) -> Result<bool, Failure> {
    let mut random = Rng::with_seed(seed ^ at << 32);
    if random.u8(..4) > 0 {
        return cut(trial, at, seed, Sync::Works);
    }
    let machine = trial.machine(Sync::Works);
    let run = trial.run(&machine, Fault::Off(at))?;
    trial.check(&machine.after_cut(&mut random), &run.promises)?;
    let after = machine.after_cut(&mut random);
    let again = trial.run(&after, Fault::Off(random.u64(1..=at + 20)))?;
    trial.check(&after.after_cut(&mut random), &again.promises)?;
    Ok(run.failed)
}

/// Ends the process alone before a change, and cuts the power when the next one has done all of it.
fn killed_and_cut(trial: &Trial, at: u64, seed: u64) -> Result<bool, Failure> {
    let machine = trial.machine(Sync::Works);
    let failed = trial.run(&machine, Fault::Off(at))?.failed;
    let promises = trial.run(&machine, Fault::None)?.promises;
    let mut random = Rng::with_seed(seed ^ at << 32);
    trial.check(&machine.after_cut(&mut random), &promises)?;
    Ok(failed)
}

#[test]
fn a_power_cut_at_any_step_leaves_what_was_promised_and_nothing_half_done() {
    campaign("cut, and cut again at random", cut_and_cut_again);
}

#[test]
fn what_the_next_process_has_done_after_a_kill_at_any_step_survives_a_power_cut() {
    campaign("killed, done again, then cut", killed_and_cut);
}

#[test]
fn a_disk_whose_sync_does_nothing_or_forgets_the_names_is_found_out() {
    const AT_THE_END: u64 = u64::MAX;
    for trial in SCENARIOS.each_ref().map(Trial::new) {
        for sync in [Sync::Lies, Sync::FilesOnly] {
            let is_wrong = |seed| matches!(cut(&trial, AT_THE_END, seed, sync), Err(Failure::Wrong(_)));
            assert!((0..16).any(is_wrong), "{}: {sync:?}", trial.scenario.name);
        }
    }
}

#[test]
fn a_download_cut_off_goes_on_when_the_store_is_opened_again_and_never_with_other_bytes() {
    let (machine, bytes) = (Machine::new(Sharing::Unknown), noise(1, 4 << 20));
    let of = || Expected {
        sha256: Some(Digest::of(&bytes)),
        ..Expected::default()
    };
    let validator = || Validator {
        etag: Some("\"1\"".into()),
        last_modified: None,
    };
    let store = world(&machine).open().unwrap();
    let mut ingest = store.ingest(download("a", of())).unwrap();
    ingest.announce(validator(), Some(bytes.len() as u64)).unwrap();
    for piece in bytes[..3 << 20].chunks(1 << 18) {
        ingest.write(piece).unwrap();
    }
    let goes_on = |machine: &Arc<Machine>| {
        let store = world(machine).open().unwrap();
        let mut ingest = store.ingest(download("a", of())).unwrap();
        let offset = ingest.offset();
        if offset > 0 {
            assert_eq!(ingest.validator(), &validator());
        }
        ingest.write(&bytes[usize::try_from(offset).unwrap()..]).unwrap();
        assert_eq!(ingest.finish().unwrap().size(), bytes.len() as u64);
        offset
    };
    for seed in 0..8 {
        let offset = goes_on(&machine.after_cut(&mut Rng::with_seed(seed)));
        assert!((2 << 20..=3 << 20).contains(&offset), "{offset} bytes were vouched for");
    }
    let torn = machine.twin(Sync::Works);
    let part = torn.path().join("store/ingest").join(Digest::of(b"a").to_string());
    torn.resume(&part, 1).unwrap().write_all(&vec![0; 3 << 20]).unwrap();
    assert_eq!(goes_on(&torn), 0, "other bytes are thrown away");
}
