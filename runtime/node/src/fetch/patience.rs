//! How long a download is waited for, and when it is tried again. Pure: time and chance are passed in.

use std::time::Duration;

use crate::time::jittered;

/// Tries of one download that bring nothing before its preparation counts as failed; the whole preparation is tried
/// again later.
pub(super) const TRIES: u32 = 4;
/// Time before the second try; it doubles from try to try.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest time between two tries of one preparation. A place that asks for more is asked by a later preparation.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Longest silence of a download, before its head and between two pieces.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// Bytes that must come in each [`WINDOW`]: 1 KiB/s, below which hardly any package ever arrives.
pub(super) const LEAST: u64 = 60 << 10;
/// Time over which the speed is looked at.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// The pauses between the tries of one download.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
}

impl Pauses {
    pub(super) fn new(first: Duration) -> Self {
        Self { next: first }
    }

    /// The pause before the next try: what the place asked for, else the next of a doubling row with up to half of it
    /// taken away by chance, so that a fleet does not come back all at once. Nothing when the place asks for more than
    /// the longest pause.
    pub(super) fn next(&mut self, asked: Option<Duration>, chance: u64) -> Option<Duration> {
        if let Some(asked) = asked {
            return (asked <= LONGEST_PAUSE).then_some(asked);
        }
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(LONGEST_PAUSE);
        Some(jittered(pause, chance))
    }
}

/// Watches that a download does not crawl. Only time spent on waiting for the place counts.
#[derive(Debug, Default)]
pub(super) struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// After `waited` more, `bytes` more came. Answers what came in the window when that was too little.
    pub(super) fn came(&mut self, waited: Duration, bytes: u64) -> Result<(), u64> {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < WINDOW {
            return Ok(());
        }
        let came = std::mem::take(self).bytes;
        if came < LEAST { Err(came) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pause_is_between_half_and_all_of_its_step_however_often_it_is_tried(
            chances in proptest::collection::vec(any::<u64>(), 1..200),
        ) {
            let mut pauses = Pauses::new(FIRST_PAUSE);
            let mut step = FIRST_PAUSE;
            for chance in chances {
                let pause = pauses.next(None, chance).unwrap();
                prop_assert!(pause >= step / 2 && pause <= step, "{pause:?} of {step:?}");
                step = (step * 2).min(LONGEST_PAUSE);
            }
        }
    }

    #[test]
    fn what_the_place_asks_for_is_waited_and_more_than_the_longest_pause_is_not() {
        let mut pauses = Pauses::new(FIRST_PAUSE);
        let two = Duration::from_secs(2);
        assert_eq!(pauses.next(Some(two), 7), Some(two));
        assert_eq!(pauses.next(Some(LONGEST_PAUSE * 2), 7), None);
        assert_eq!(pauses.next(Some(Duration::from_secs(999_999_999)), 7), None);
    }

    #[test]
    fn a_crawl_is_noticed_and_a_slow_but_steady_download_is_not() {
        let (mut crawl, mut steady) = (Pace::default(), Pace::default());
        let second = Duration::from_secs(1);
        let slow = (0..60).map(|_| crawl.came(second, 1)).find(Result::is_err);
        assert_eq!(slow, Some(Err(60)));
        assert!((0..600).all(|_| steady.came(second, 2 << 10).is_ok()));
    }
}
