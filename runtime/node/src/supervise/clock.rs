//! The time that supervision goes by. Nobody can set it, so a wrong date, or one put right, changes nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::time::since_boot;

/// Tells the time since the machine's boot. While the daemon runs it goes on as timers do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    origin: Instant,
    /// The time since the boot at the origin.
    boot: Duration,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            boot: since_boot(),
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
