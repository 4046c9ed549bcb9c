//! Running what blocks, as all work on files does, on a thread for that.

use tokio::task::{JoinError, spawn_blocking};

/// The thread ended before what it ran did: a fault of the program.
#[derive(Debug, thiserror::Error)]
#[error("the thread that works on files ended early: {0}")]
pub struct LostThread(#[from] JoinError);

impl From<LostThread> for String {
    fn from(error: LostThread) -> Self {
        error.to_string()
    }
}

/// Runs what blocks. It begins at once, and goes to its end though nobody waits for that.
pub(crate) fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, LostThread>> {
    let done = spawn_blocking(step);
    async { Ok(done.await?) }
}

/// The same, for who only tells why it failed.
pub(crate) fn trying<T: Send + 'static, E: ToString + Send + 'static>(
    step: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> impl Future<Output = Result<T, String>> {
    let done = blocking(step);
    async { done.await?.map_err(|error| error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_loss_of_the_thread_and_told_as_every_other_failure() {
        let answer: Result<u32, String> = trying(|| Err("no")).await;
        assert_eq!(answer.unwrap_err(), "no");
        let lost = blocking(|| panic!("as meant")).await.map(|()| 1).unwrap_err();
        assert!(lost.to_string().contains("as meant"), "{lost}");
        assert_eq!(trying(|| Ok::<_, LostThread>(2)).await, Ok(2));
    }
}
