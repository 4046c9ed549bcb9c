//! One service of an application: what is wanted of it, and what is there.

use aerolith_model::Strategy;

use crate::fingerprint::Fingerprint;
use crate::goals::Goal;
use crate::id::{RunId, ServiceId};
use crate::observed::{Seen, State};

pub(super) type Run<'a> = (&'a RunId, &'a Seen);

/// Which of the two versions of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Candidate,
    Fallback,
}

pub(super) struct Part<'a> {
    pub(super) id: &'a ServiceId,
    pub(super) candidate: Option<&'a Goal>,
    pub(super) fallback: Option<&'a Goal>,
    pub(super) runs: Vec<Run<'a>>,
    pub(super) prepared: Vec<Fingerprint>,
}

impl<'a> Part<'a> {
    pub(super) const fn of(id: &'a ServiceId) -> Self {
        Self {
            id,
            candidate: None,
            fallback: None,
            runs: Vec::new(),
            prepared: Vec::new(),
        }
    }

    pub(super) const fn of_side(&self, side: Side) -> Option<&'a Goal> {
        match side {
            Side::Candidate => self.candidate,
            Side::Fallback => self.fallback,
        }
    }

    /// What nothing is to run needs no preparation.
    pub(super) fn is_prepared(&self, goal: &Goal) -> bool {
        goal.count() == 0 || self.prepared.contains(&goal.fingerprint)
    }

    /// Whether neither version is this one, and nothing runs it.
    pub(super) fn is_spent(&self, fingerprint: Fingerprint) -> bool {
        let mut goals = self.candidate.into_iter().chain(self.fallback);
        let mut runs = self.runs.iter();
        !goals.any(|goal| goal.fingerprint == fingerprint) && !runs.any(|(run, _)| run.fingerprint == fingerprint)
    }

    /// Whether no two versions may run together, on the way there or back.
    pub(super) fn is_exclusive(&self, goal: &Goal) -> bool {
        let mut both = [Some(goal), self.candidate].into_iter().flatten();
        both.any(|goal| goal.strategy == Strategy::Restart)
    }

    /// Whether another version must be gone first.
    pub(super) fn is_in_the_way(&self, goal: &Goal) -> bool {
        self.is_exclusive(goal) && self.runs.iter().any(|(run, _)| run.fingerprint != goal.fingerprint)
    }

    /// Whether something runs that is not of the candidate.
    pub(super) fn has_others(&self) -> bool {
        let is_other = |run: &RunId| self.candidate.is_none_or(|goal| run.fingerprint != goal.fingerprint);
        self.runs.iter().any(|(run, _)| is_other(run))
    }

    /// Whether all instances have proven themselves, and are up.
    pub(super) fn stands(&self, goal: &Goal) -> bool {
        self.all(goal, Seen::stands)
    }

    /// Whether all instances that shall be are there.
    pub(super) fn is_whole(&self, goal: &Goal) -> bool {
        self.all(goal, |_| true)
    }

    /// Whether all instances that shall be are there, and so.
    pub(super) fn all(&self, goal: &Goal, is_so: impl Fn(&Seen) -> bool) -> bool {
        self.wanted(goal).filter(|(_, seen)| is_so(seen)).count() == goal.count() as usize
    }

    /// How many more instances may run at once.
    pub(super) fn room(&self, goal: &Goal) -> usize {
        let ended = |(_, seen): &Run<'_>| matches!(seen.state, State::Ended { .. });
        let busy = self.wanted(goal).filter(|run| !ended(run)).count();
        let at_once = goal.job.map_or(usize::MAX, |job| job.parallelism as usize);
        at_once.saturating_sub(busy)
    }

    pub(super) fn has(&self, goal: &Goal, index: u32) -> bool {
        self.wanted(goal).any(|(run, _)| run.instance.index == index)
    }

    /// The runs that shall be.
    fn wanted(&self, goal: &Goal) -> impl Iterator<Item = Run<'a>> {
        self.runs.iter().copied().filter(move |(run, _)| goal.wants(run))
    }
}
