//! Times and pauses: of day, for people; since the boot, for ages.

use std::time::{Duration, SystemTime};

/// Milliseconds since 1970, for people and for order among versions; never for measuring.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, as_ms)
}

/// Milliseconds since 1970 of what comes after a pause, for people.
pub(crate) fn ms_after(pause: Duration) -> u64 {
    now_ms().saturating_add(as_ms(pause))
}

/// The time since the machine's boot, which nobody can set.
pub(crate) fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), nanoseconds)
}

/// One moment by both clocks: the one that runs since the boot, and the one that people set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) since_boot: Duration,
    pub(crate) ms: u64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            since_boot: since_boot(),
            ms: now_ms(),
        }
    }

    /// Milliseconds since 1970 of an earlier moment, as the clock is set now.
    pub(crate) fn ms_of(&self, earlier: Duration) -> u64 {
        self.ms.saturating_sub(as_ms(self.since_boot.saturating_sub(earlier)))
    }
}

/// Between half of `pause` and all of it. Pure: chance is passed in.
pub(crate) fn jittered(pause: Duration, chance: u64) -> Duration {
    let half = pause / 2;
    let share = u32::try_from(chance % 1024).unwrap_or(0);
    half + half * share / 1023
}

fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
