//! How often the driver looks at everything: at once when something happens, but seldom while very much does.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The driver is idle at least so long between two looks, and so many times as long as the last one took.
const LEAST: Duration = Duration::from_millis(2);
const TIMES: u32 = 4;
/// And no longer than this, however long it took, as when it has cleaned.
const MOST: Duration = Duration::from_millis(100);

/// A storm of changes gives few looks, which leave the processor to others. A change that comes alone waits for nothing, and
/// neither does what is urgent.
#[derive(Debug)]
pub(super) struct Calm {
    until: Instant,
}

impl Calm {
    pub(super) fn new() -> Self {
        Self { until: Instant::now() }
    }

    /// A look that began then has ended.
    pub(super) fn looked(&mut self, began: Instant) {
        self.until = Instant::now() + (began.elapsed() * TIMES).clamp(LEAST, MOST);
    }

    /// Ready once something has changed and it is time to look again, which it is at once for what is urgent. Cancelling the
    /// wait may lose a change: look then too.
    pub(super) async fn changed(&self, changed: &Notify, is_urgent: impl Fn() -> bool) {
        changed.notified().await;
        let mut time = std::pin::pin!(tokio::time::sleep_until(self.until));
        while !is_urgent() {
            tokio::select! {
                () = &mut time => return,
                () = changed.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_alone_waits_for_nothing_and_a_storm_gives_few_looks() {
        let (changed, mut calm) = (Notify::new(), Calm::new());
        let began = Instant::now();
        changed.notify_one();
        calm.changed(&changed, || false).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        let mut looks = 0;
        while began.elapsed() < Duration::from_secs(1) {
            let look = Instant::now();
            tokio::time::advance(Duration::from_millis(8)).await;
            calm.looked(look);
            looks += 1;
            changed.notify_one();
            calm.changed(&changed, || false).await;
        }
        calm.looked(began);
        assert!((20..=25).contains(&looks), "{looks} looks of 8 ms each in a second");
        let urgent = Instant::now();
        changed.notify_one();
        calm.changed(&changed, || true).await;
        assert_eq!(urgent.elapsed(), Duration::ZERO);
    }
}
