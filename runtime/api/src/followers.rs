//! Who follows a stream: so few that connections are always left for whoever asks something.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::{Failure, Reason};
use crate::serve::MOST_CONNECTIONS;

/// Streams that may be followed at once.
const MOST: usize = MOST_CONNECTIONS / 2;

/// The room for streams.
#[derive(Debug, Clone)]
pub(crate) struct Followers(Arc<Semaphore>);

impl Default for Followers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Followers {
    /// A place for one stream, until it is dropped.
    pub(crate) fn join(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.0.clone().try_acquire_owned().map_err(|_| {
            let what = format!("{MOST} streams of events and logs are followed already, which is as many as may be");
            Failure::new(Reason::Unavailable, what).hint("end one, or ask without following")
        })
    }
}
