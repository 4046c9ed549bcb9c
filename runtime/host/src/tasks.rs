//! Work on the executor that belongs to somebody, and ends with him.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How long a close waits for work that does not let itself be cancelled because it blocks in a poll.
const PATIENCE: Duration = Duration::from_secs(5);

/// A set of running futures.
#[derive(Debug)]
pub(crate) struct Tasks {
    executor: Handle,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    closed: bool,
    next: u64,
    handles: HashMap<u64, JoinHandle<()>>,
}

impl Tasks {
    pub(crate) fn new(executor: Handle) -> Arc<Self> {
        Arc::new(Self {
            executor,
            running: Mutex::default(),
        })
    }

    pub(crate) const fn executor(&self) -> &Handle {
        &self.executor
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a future; nothing once the set is closed.
    pub(crate) fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) -> Option<u64> {
        let mut running = self.running();
        if running.closed {
            return None;
        }
        running.next += 1;
        let (number, set) = (running.next, Arc::downgrade(self));
        // The lock is held: the task cannot remove itself before it is entered.
        let handle = self.executor.spawn(async move {
            future.await;
            if let Some(set) = set.upgrade() {
                set.running().handles.remove(&number);
            }
        });
        running.handles.insert(number, handle);
        Some(number)
    }

    /// Drops a future where it stands.
    pub(crate) fn abort(&self, number: u64) {
        let handle = self.running().handles.remove(&number);
        if let Some(handle) = handle {
            handle.abort();
        }
    }

    /// Cancels everything, takes nothing more, and waits until nothing runs. False when something still blocks.
    pub(crate) async fn close(&self) -> bool {
        let handles: Vec<_> = {
            let mut running = self.running();
            running.closed = true;
            running.handles.drain().map(|(_, handle)| handle).collect()
        };
        handles.iter().for_each(JoinHandle::abort);
        let ended = async {
            for handle in handles {
                // Cancelled or panicked: it does not run any more, which is all that counts here.
                let _ = handle.await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::sync::oneshot;

    struct Tell(Option<oneshot::Sender<()>>);

    impl Drop for Tell {
        fn drop(&mut self) {
            let _ = self.0.take().map(|tell| tell.send(()));
        }
    }

    #[tokio::test]
    async fn a_close_drops_what_runs_and_takes_nothing_more() {
        let tasks = Tasks::new(Handle::current());
        let (tell, told) = oneshot::channel();
        let held = Tell(Some(tell));
        tasks.spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        assert!(tasks.close().await);
        told.await.unwrap();
        assert_eq!(tasks.spawn(async {}), None);
    }

    #[tokio::test]
    async fn a_finished_future_leaves_no_trace() {
        let tasks = Tasks::new(Handle::current());
        let (tell, told) = oneshot::channel();
        tasks.spawn(async move { tell.send(()).unwrap() }).unwrap();
        told.await.unwrap();
        while !tasks.running().handles.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
