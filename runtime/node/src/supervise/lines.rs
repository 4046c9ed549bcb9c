//! How much the log says of ends and waits: of each instance what is new, and of all of them no more than a file can take.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many lines may come at once.
const MOST: u32 = 100;
/// And one more for each such time.
const EVERY: Duration = Duration::from_secs(10);

/// The lines that all instances together may write.
#[derive(Debug)]
pub(crate) struct Lines(Mutex<Room>);

#[derive(Debug)]
struct Room {
    left: u32,
    /// Up to when lines have come back.
    until: Duration,
    /// Lines left out since the last one.
    silent: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self(Mutex::new(Room {
            left: MOST,
            until: Duration::ZERO,
            silent: 0,
        }))
    }
}

impl Lines {
    /// Whether there is room for a line now; if so, how many were left out before it.
    pub(super) fn take(&self, now: Duration) -> Option<u64> {
        let mut room = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let back = now.saturating_sub(room.until).as_secs() / EVERY.as_secs();
        room.left = room.left.saturating_add(u32::try_from(back).unwrap_or(MOST)).min(MOST);
        room.until = match room.left {
            MOST => now,
            _ => room.until + EVERY * u32::try_from(back).unwrap_or(0),
        };
        if room.left == 0 {
            room.silent += 1;
            return None;
        }
        room.left -= 1;
        Some(std::mem::take(&mut room.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_ends_writes_few_lines_and_says_how_many_were_left_out() {
        let (lines, hour) = (Lines::default(), Duration::from_secs(3600));
        let times = (0..36_000).map(|n| hour + Duration::from_millis(n * 100));
        let written: Vec<u64> = times.filter_map(|now| lines.take(now)).collect();
        assert!((400..=480).contains(&written.len()), "{} lines in an hour", written.len());
        assert!(written[..100].iter().all(|silent| *silent == 0));
        assert!(written[101..].iter().all(|silent| *silent >= 98), "{written:?}");
        assert!(lines.take(hour * 24).is_some(), "after a quiet time there is room again");
        assert_eq!(lines.take(hour * 24), Some(0));
    }
}
