//! The steps that were taken, told when the journey fails.

use std::fmt::Debug;

pub(super) struct Story {
    pub(super) seed: u64,
    steps: Vec<String>,
}

impl Story {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            seed,
            steps: Vec::new(),
        }
    }

    /// A step about to be taken.
    pub(super) fn tell(&mut self, step: &impl Debug) {
        self.steps.push(format!("{step:?}"));
    }

    /// What came of the last step.
    pub(super) fn add(&mut self, what: &str) {
        if let Some(last) = self.steps.last_mut() {
            last.push_str(" → ");
            last.push_str(what);
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (number, step) in self.steps.iter().enumerate() {
            eprintln!("{:>4}  {step}", number + 1);
        }
        eprintln!(
            "again: AEROLITH_SEED={} AEROLITH_CAMPAIGN_SIZE={} cargo test -p journeys --test journeys -- chaos::  \
             (a smaller size is the beginning of the same story)",
            self.seed,
            self.steps.len()
        );
    }
}
