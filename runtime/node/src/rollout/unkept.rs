//! What came of a candidate and is not on disk yet, as while that is full.

use std::time::Duration;

use tokio::time::Instant;

/// Time between the first two tries to keep it; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// All of it has proven itself.
    Good,
    /// It is no good, and why.
    Failed(String),
    /// Something of this machine was missing, so that nobody can say: a port, an engine, a path. It costs nothing.
    Hindered(String),
}

/// What came of attempts since anything could be kept. It counts all the same.
#[derive(Debug, Clone)]
pub(crate) struct Unkept {
    /// Why each attempt failed.
    pub(crate) failures: Vec<String>,
    /// What hindered the last one.
    pub(crate) hindrance: Option<String>,
    /// Whether the last one was good.
    pub(crate) is_good: bool,
    tries: u32,
    again_at: Instant,
}

impl Unkept {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            failures: Vec::new(),
            hindrance: None,
            is_good: false,
            tries: 0,
            again_at: now,
        }
    }

    /// One that was good and fails before that is kept has failed.
    pub(super) fn add(&mut self, attempt: Attempt) {
        (self.is_good, self.hindrance) = (attempt == Attempt::Good, None);
        match attempt {
            Attempt::Good => {}
            Attempt::Failed(reason) => self.failures.push(reason),
            Attempt::Hindered(reason) => self.hindrance = Some(reason),
        }
    }

    /// Why the last one did not succeed.
    pub(super) fn reason(&self) -> Option<&String> {
        self.hindrance.as_ref().or(self.failures.last())
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.again_at <= now
    }

    pub(super) fn again_at(&self) -> Instant {
        self.again_at
    }

    /// The disk does not take it now.
    pub(crate) fn refused(&mut self, now: Instant) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.tries.min(16)).min(LONGEST_PAUSE);
        self.tries = self.tries.saturating_add(1);
        self.again_at = now + pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_disk_is_asked_at_once_and_then_ever_more_seldom() {
        let began = Instant::now();
        let mut unkept = Unkept::new(began);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let now = unkept.again_at();
            assert!(unkept.is_due(now));
            unkept.refused(now);
            assert!(!unkept.is_due(now));
            pauses.push((unkept.again_at() - now).as_secs());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn what_was_good_and_fails_before_that_is_kept_has_failed() {
        let mut unkept = Unkept::new(Instant::now());
        unkept.add(Attempt::Failed("once".into()));
        unkept.add(Attempt::Good);
        assert!(unkept.is_good);
        unkept.add(Attempt::Failed("twice".into()));
        assert_eq!((unkept.is_good, unkept.failures.len()), (false, 2));
    }
}
