//! A time of day before which a version is not deployed. Pure: what the clock says is passed in.

use std::time::Duration;

/// The clock may be put right at any time, so nobody waits for a time of day longer than this without looking at it.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Waits for a time of day. All that follows from one look at the clock agrees.
#[derive(Debug, Clone)]
pub(super) struct StartAt {
    /// Milliseconds since 1970; nothing where there is nothing to wait for.
    at_ms: Option<u64>,
    /// How long it was until then at the last look.
    early_by: Option<Duration>,
}

impl StartAt {
    /// Has not looked at the clock yet.
    pub(super) fn new(at_ms: Option<u64>) -> Self {
        Self { at_ms, early_by: None }
    }

    /// The time may have come, or gone back. What has begun is not early any more, whatever the clock says.
    pub(super) fn look(&mut self, now_ms: u64, has_begun: bool) {
        let ahead = self.at_ms.filter(|_| !has_begun).map(|at| at.saturating_sub(now_ms));
        self.early_by = ahead.filter(|ahead| *ahead > 0).map(Duration::from_millis);
    }

    pub(super) fn is_early(&self) -> bool {
        self.early_by.is_some()
    }

    /// Milliseconds since 1970 for which it waits.
    pub(super) fn awaited_ms(&self) -> Option<u64> {
        self.at_ms.filter(|_| self.is_early())
    }

    /// After how long the clock is to be looked at again.
    pub(super) fn look_again(&self) -> Option<Duration> {
        self.early_by.map(|early| early.min(LOOK_AGAIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;
    const YEAR: u64 = 365 * DAY;
    /// Some day of 2026.
    const NOW: u64 = 56 * YEAR;

    fn looked(at_ms: u64, now_ms: u64) -> StartAt {
        let mut start_at = StartAt::new(Some(at_ms));
        start_at.look(now_ms, false);
        start_at
    }

    #[test]
    fn it_waits_for_a_time_to_come_and_never_long_without_a_look_at_the_clock() {
        for (ahead, again) in [
            (0, None),
            (1, Some(1)),
            (30_000, Some(30_000)),
            (DAY, Some(30_000)),
            (YEAR, Some(30_000)),
        ] {
            let start_at = looked(NOW + ahead, NOW);
            assert_eq!(start_at.look_again(), again.map(Duration::from_millis));
            assert_eq!(start_at.awaited_ms(), again.map(|_| NOW + ahead));
        }
        let mut at_once = StartAt::new(None);
        at_once.look(0, false);
        assert!(!at_once.is_early() && at_once.look_again().is_none());
    }

    #[test]
    fn a_clock_that_jumps_makes_it_due_at_once_or_lets_it_wait_again() {
        let mut start_at = looked(NOW + DAY, NOW);
        for (now, is_early) in [
            (NOW - DAY, true),
            (NOW + 10 * YEAR, false),
            (0, true),
            (NOW + DAY - 1, true),
            (NOW + DAY, false),
            (NOW, true),
        ] {
            start_at.look(now, false);
            assert_eq!(start_at.is_early(), is_early, "at {now}");
        }
    }

    #[test]
    fn what_has_begun_does_not_wait_whatever_the_clock_says() {
        let mut start_at = looked(NOW, 0);
        start_at.look(0, true);
        assert!(!start_at.is_early() && start_at.awaited_ms().is_none());
    }
}
