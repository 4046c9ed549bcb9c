//! Futures that may panic, and what is made of it: the task that awaits one goes on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// What a future comes to, or the words that it panicked with. It is dropped then, so nobody sees what it left half done.
pub(super) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map_or_else(|panic| Poll::Ready(Err(words(&*panic))), |poll| poll.map(Ok))
    })
    .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without words".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_like_any_other() {
        assert_eq!(caught(async { 1 }).await, Ok(1));
        let torn = caught(async {
            tokio::task::yield_now().await;
            panic!("at {}", 7)
        });
        assert_eq!(torn.await, Err::<(), _>("at 7".into()));
    }
}
