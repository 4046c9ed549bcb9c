//! What was measured of deployments, as text for a record.

use benches::{Times, ms};

/// What it takes to deploy one input in one place.
#[derive(Default)]
pub(crate) struct Compared {
    /// Of every contender; the first is the floor.
    pub(crate) contenders: Times,
    /// Of what ours does one after the other.
    pub(crate) stages: Times,
    /// The most memory of our daemon, in kB.
    pub(crate) peak: u64,
}

impl Compared {
    /// A table of it.
    pub(crate) fn table(&self, title: &str) -> String {
        let stages = self.stages.figures();
        let stages: Vec<_> = stages
            .map(|(name, median, _)| format!("{name} {}", ms(median)))
            .collect();
        format!(
            "{}\nOurs by stage, ms: {}; peak RSS of the daemon {} kB.\n",
            self.contenders.compared(title),
            stages.join(", "),
            self.peak
        )
    }
}
