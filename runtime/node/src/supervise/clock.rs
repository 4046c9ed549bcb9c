//! The time that supervision goes by. Nobody can set it, so a wrong date, or one put right, changes nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Tells the time since the machine's boot. While the daemon runs it goes on as timers do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    origin: Instant,
    /// The time since the boot at the origin.
    boot: Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
        Self {
            origin: Instant::now(),
            boot: Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), nanoseconds),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.boot.saturating_add(self.origin.elapsed())
    }

    /// Ready at a time; never without one.
    pub(super) async fn until(&self, at: Option<Duration>) {
        match at {
            Some(at) => tokio::time::sleep(at.saturating_sub(self.now())).await,
            None => std::future::pending().await,
        }
    }
}
