//! How slow is too slow: a server that sends a byte now and then is never silent, and never done.

use std::time::Duration;

/// What a server must bring within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Bytes per second on average; 0 for as slow as it likes.
    pub bytes_per_second: u64,
    /// The time over which the average is taken.
    pub over: Duration,
}

/// Slower than the floor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server sent {bytes} bytes in {waited:?}: expected {} bytes a second at least", .floor.bytes_per_second)]
pub struct TooSlow {
    /// What came.
    pub bytes: u64,
    /// Within which time.
    pub waited: Duration,
    /// What was expected.
    pub floor: Floor,
}

/// The pace of one body. Only the time spent waiting for the server counts, never that in which nobody reads.
#[derive(Debug)]
pub struct Pace {
    floor: Floor,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Nothing has come and no time has passed.
    #[must_use]
    pub const fn new(floor: Floor) -> Self {
        Self {
            floor,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Notes a wait and the bytes that ended it. Each full span is judged by itself.
    ///
    /// # Errors
    /// [`TooSlow`], at the latest at the end of the second span that is.
    pub fn note(&mut self, waited: Duration, bytes: u64) -> Result<(), TooSlow> {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.waited < self.floor.over {
            return Ok(());
        }
        let (waited, bytes) = (self.waited, self.bytes);
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        // Sizes and times of a download are far below the 52 bits that an f64 keeps.
        #[allow(clippy::cast_precision_loss, reason = "see above")]
        let least = self.floor.bytes_per_second as f64 * waited.as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "see above")]
        let enough = bytes as f64 >= least;
        if enough {
            return Ok(());
        }
        Err(TooSlow {
            bytes,
            waited,
            floor: self.floor,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOOR: Floor = Floor {
        bytes_per_second: 1024,
        over: Duration::from_secs(60),
    };
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_trickle_is_too_slow_when_the_span_is_over_and_not_before() {
        let mut pace = Pace::new(FLOOR);
        for _ in 0..59 {
            assert_eq!(pace.note(SECOND, 1), Ok(()));
        }
        let error = pace.note(SECOND, 1).unwrap_err();
        assert_eq!((error.bytes, error.waited), (60, FLOOR.over));
        assert!(
            error
                .to_string()
                .contains("60 bytes in 60s: expected 1024 bytes a second"),
            "{error}"
        );
    }

    #[test]
    fn a_long_silence_among_quick_pieces_is_no_trickle() {
        let mut pace = Pace::new(FLOOR);
        assert_eq!(pace.note(Duration::from_secs(59), 70_000), Ok(()));
        assert_eq!(pace.note(SECOND, 1), Ok(()));
    }

    #[test]
    fn a_quick_beginning_does_not_pay_for_a_trickle() {
        let mut pace = Pace::new(FLOOR);
        assert_eq!(pace.note(FLOOR.over, 1 << 40), Ok(()));
        assert!(pace.note(FLOOR.over, 60).is_err());
    }

    #[test]
    fn without_a_floor_nothing_is_too_slow() {
        let mut pace = Pace::new(Floor {
            bytes_per_second: 0,
            ..FLOOR
        });
        assert_eq!(pace.note(Duration::from_secs(1 << 40), 0), Ok(()));
    }

    proptest! {
        #[test]
        fn what_keeps_the_floor_in_every_wait_is_never_too_slow(waits in proptest::collection::vec(1_u64..100, 1..50)) {
            let mut pace = Pace::new(FLOOR);
            for seconds in waits {
                prop_assert_eq!(pace.note(Duration::from_secs(seconds), seconds * 1024), Ok(()));
            }
        }
    }
}
