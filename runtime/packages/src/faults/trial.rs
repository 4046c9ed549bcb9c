use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::thread;

use super::invariants::{Snapshot, check, snapshot};
use super::machine::{Fault, Machine, Sync};
use super::scenarios::{Failure, Outcome, Promises, SCENARIOS, Scenario, World};

/// A scenario with the state in which it begins and that in which it ends.
pub(crate) struct Trial {
    pub(crate) scenario: &'static Scenario,
    /// What is promised when all goes well.
    pub(crate) promises: Promises,
    prepared: Arc<Machine>,
    end: Snapshot,
}

/// What came of a scenario on a machine with a fault.
pub(crate) struct Run {
    /// What was done before the fault showed itself.
    pub(crate) promises: Promises,
    /// Whether the step that fails was reached.
    pub(crate) failed: bool,
}

impl Trial {
    pub(crate) fn new(scenario: &'static Scenario) -> Self {
        let machine = Machine::new(scenario.sharing);
        (scenario.before)(&world(&machine)).unwrap();
        let prepared = machine.twin(Sync::Works);
        let mut promises = Promises::default();
        (scenario.job)(&world(&machine), &mut promises).unwrap();
        drop(world(&machine).open().unwrap());
        Trial {
            scenario,
            promises,
            prepared,
            end: snapshot(machine.path()),
        }
    }

    /// A machine on which the scenario can begin.
    pub(crate) fn machine(&self, sync: Sync) -> Arc<Machine> {
        self.prepared.twin(sync)
    }

    /// Does the scenario; an error of the disk is no failure once the disk had its fault.
    pub(crate) fn run(&self, machine: &Arc<Machine>, fault: Fault) -> Result<Run, Failure> {
        let mut promises = Promises::default();
        machine.set(fault);
        let outcome = (self.scenario.job)(&world(machine), &mut promises);
        let failed = machine.failed();
        machine.set(Fault::None);
        match outcome {
            Err(Failure::Store(error)) if failed && error.is_of_the_disk() => {}
            other => other?,
        }
        Ok(Run { promises, failed })
    }

    /// Checks what is on a machine, and does the same again.
    pub(crate) fn check(&self, machine: &Arc<Machine>, promises: &Promises) -> Outcome {
        self.check_world(&world(machine), promises)
    }

    pub(crate) fn check_world(&self, world: &World, promises: &Promises) -> Outcome {
        check(world, self.scenario, promises, &self.end)
    }

    /// Tries every step up to the first that is not reached, as `one` says; answers how many there are.
    fn each_step(&self, seeds: &Range<u64>, one: Step) -> Result<u64, String> {
        for at in 1.. {
            let mut failed = false;
            for seed in seeds.clone() {
                let name = self.scenario.name;
                let wrong = |failure| format!("{name}, step {at}, seed {seed}: {failure}");
                failed = one(self, at, seed).map_err(wrong)?;
            }
            if !failed {
                return Ok(at - 1);
            }
        }
        unreachable!("a scenario ends")
    }
}

/// Tries one step with one seed; answers whether it was reached.
pub(crate) type Step = fn(&Trial, u64, u64) -> Result<bool, Failure>;

/// Tries every step of every scenario; answers how many steps each of them has, or what is wrong with it.
pub(crate) fn everywhere(seeds: &Range<u64>, one: Step) -> Vec<(&'static str, Result<u64, String>)> {
    thread::scope(|scope| {
        let begun = SCENARIOS.each_ref().map(|scenario| {
            (
                scenario.name,
                scope.spawn(move || Trial::new(scenario).each_step(seeds, one)),
            )
        });
        let ended = begun.into_iter().map(|(name, thread)| (name, thread.join().unwrap()));
        ended.collect()
    })
}

/// Tries every step of every scenario with `AEROLITH_CAMPAIGN_SIZE` seeds (one unless said) from `AEROLITH_SEED` on;
/// nothing may be wrong. How many there were goes to the file `AEROLITH_CAMPAIGN_REPORT`, where one is named, under the
/// name `what`. `cargo xtask campaign power` tries many.
pub(crate) fn campaign(what: &str, one: Step) {
    let number = |variable| std::env::var(variable).map_or(1, |text| text.parse::<u64>().unwrap());
    let (size, seed) = (number("AEROLITH_CAMPAIGN_SIZE"), number("AEROLITH_SEED"));
    let found = everywhere(&(seed..seed + size), one).into_iter();
    let steps: Vec<_> = found
        .map(|(name, steps)| (name, steps.unwrap_or_else(|wrong| panic!("{wrong}"))))
        .collect();
    if let Ok(file) = std::env::var("AEROLITH_CAMPAIGN_REPORT") {
        let all: u64 = steps.iter().map(|(_, steps)| steps).sum();
        let each: Vec<_> = steps.iter().map(|(name, steps)| format!("{name} {steps}")).collect();
        let line = format!("{what}: {all} steps ({}), {} trials\n", each.join(", "), all * size);
        let report = File::options().append(true).create(true).open(file);
        report.unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// A machine as a scenario sees it.
pub(crate) fn world(machine: &Arc<Machine>) -> World {
    World {
        disk: Arc::<Machine>::clone(machine),
        place: machine.path().to_owned(),
    }
}
