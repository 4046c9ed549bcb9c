//! Numbers that follow from a seed, and what a campaign is told from outside.

use std::time::Duration;

/// Numbers that follow from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(fastrand::Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.u64(..)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0.u64(..limit)
    }

    /// True so many times of a hundred.
    pub(crate) fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    /// One of them; nothing where there is none.
    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        self.0.choice(from).cloned()
    }

    /// Less than a time.
    pub(crate) fn part_of(&mut self, time: Duration) -> Duration {
        time.mul_f64(self.0.f64())
    }
}

/// A number that a campaign is told by a variable.
pub(crate) fn told(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// Writes what a campaign has found, to where it was told.
pub(crate) fn report(text: &str) {
    eprintln!("{text}");
    if let Ok(file) = std::env::var("AEROLITH_CAMPAIGN_REPORT") {
        std::fs::write(file, text).unwrap();
    }
}
