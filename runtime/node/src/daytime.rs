//! The time of day, for people and for order among versions; never for measuring.

use std::time::{Duration, SystemTime};

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since 1970 of what comes after a pause.
pub(crate) fn ms_after(pause: Duration) -> u64 {
    now_ms().saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
}
