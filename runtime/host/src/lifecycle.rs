//! The life of an instance as a state machine. No clock: the time is passed in.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Configured; its file has not been looked at.
    Discovered,
    /// Its file was hashed and inspected, and lies in the store.
    Verified,
    /// The library is loaded, or the child process runs.
    Loaded,
    /// `create` went well.
    Created,
    /// `start` went well.
    Running,
    /// It runs, but not as it should.
    Degraded,
    /// It takes no more work.
    Draining,
    /// It was stopped.
    Stopped,
    /// It failed, and will be tried again after a while.
    Failed,
    /// It failed too often, and waits for an operator.
    Quarantined,
}

impl fmt::Display for State {
    /// The word that the API has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discovered => "discovered",
            Self::Verified => "verified",
            Self::Loaded => "loaded",
            Self::Created => "created",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Quarantined => "quarantined",
        })
    }
}

/// How patient the host is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// First wait after a failure; it doubles with each failure in a row.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
    /// So many failures …
    pub failures: usize,
    /// … within this time are too many.
    pub within: Duration,
    /// A run of this length makes the next failure a first one.
    pub healthy: Duration,
}

impl Default for Patience {
    /// 1 s doubling to 60 s; five failures in ten minutes are too many.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            failures: 5,
            within: Duration::from_secs(600),
            healthy: Duration::from_secs(60),
        }
    }
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try again after this.
    Retry(Duration),
    /// It failed too often: leave it alone.
    Quarantine,
}

/// An instance's record of failures.
#[derive(Debug, Default)]
pub(crate) struct Record {
    failures: VecDeque<Duration>,
    in_a_row: u32,
}

impl Record {
    /// Enters a failure at `now`, after a run of `ran`. Both count from any fixed moment.
    pub(crate) fn failed(&mut self, now: Duration, ran: Duration, patience: &Patience) -> Verdict {
        if ran >= patience.healthy {
            self.in_a_row = 0;
        }
        self.failures.push_back(now);
        while self
            .failures
            .front()
            .is_some_and(|f| now.saturating_sub(*f) > patience.within)
        {
            self.failures.pop_front();
        }
        if self.failures.len() >= patience.failures {
            return Verdict::Quarantine;
        }
        let doubled = 2u32
            .checked_pow(self.in_a_row)
            .and_then(|n| patience.first.checked_mul(n));
        self.in_a_row = self.in_a_row.saturating_add(1);
        Verdict::Retry(doubled.unwrap_or(patience.longest).min(patience.longest))
    }

    /// An operator looked at it: begin anew.
    pub(crate) fn pardon(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_log_has_the_words_of_the_api() {
        use State::*;
        for state in [
            Discovered,
            Verified,
            Loaded,
            Created,
            Running,
            Degraded,
            Draining,
            Stopped,
            Failed,
            Quarantined,
        ] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.to_string());
        }
    }

    #[test]
    fn failures_in_a_row_wait_twice_as_long_each_then_end_in_quarantine() {
        let (mut record, patience) = (Record::default(), Patience::default());
        let verdicts: Vec<_> = (0..5).map(|n| record.failed(s(n * 20), s(1), &patience)).collect();
        let retry = |n| Verdict::Retry(s(n));
        assert_eq!(verdicts, [retry(1), retry(2), retry(4), retry(8), Verdict::Quarantine]);
    }

    #[test]
    fn a_healthy_run_makes_the_next_failure_a_first_one() {
        let (mut record, patience) = (Record::default(), Patience::default());
        for n in 0..100 {
            assert_eq!(record.failed(s(n * 1000), s(900), &patience), Verdict::Retry(s(1)));
        }
    }

    #[test]
    fn a_pardon_forgets_everything() {
        let (mut record, patience) = (Record::default(), Patience::default());
        (0..5).for_each(|n| {
            record.failed(s(n), s(0), &patience);
        });
        record.pardon();
        assert_eq!(record.failed(s(6), s(0), &patience), Verdict::Retry(s(1)));
    }

    proptest! {
        #[test]
        fn a_wait_is_never_zero_nor_beyond_the_longest(gaps in proptest::collection::vec(0u64..100_000, 0..200)) {
            let patience = Patience { failures: usize::MAX, ..Patience::default() };
            let (mut record, mut now) = (Record::default(), Duration::ZERO);
            for gap in gaps {
                now += s(gap);
                let Verdict::Retry(wait) = record.failed(now, s(gap), &patience) else { panic!("quarantined") };
                prop_assert!(wait >= patience.first && wait <= patience.longest);
            }
        }
    }
}
