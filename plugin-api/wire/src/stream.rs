//! Streams: a typed end to write into, and a bounded queue to read from. Neither knows a runtime.

use crate::service::{from_answer, to_answer};
use crate::{Error, Result, payload};
use aerolith_plugin_abi::{Answer, Bytes, FfiFuture, PluginError, RNone, ROption, RSome, SinkBox, crossing};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// The end that a streaming method writes its items into. Dropping it ends the stream.
pub struct Stream<T> {
    sink: SinkBox,
    item: PhantomData<fn(T)>,
}

impl<T> Stream<T> {
    /// Types a sink.
    #[must_use]
    pub const fn new(sink: SinkBox) -> Self {
        Self {
            sink,
            item: PhantomData,
        }
    }

    /// Ends the stream early, saying why.
    pub fn fail(self, error: Error) {
        aerolith_plugin_abi::Sink::close(&self.sink, RSome(error.into()));
    }
}

impl Stream<Bytes> {
    /// Ready once the receiver has room for more.
    ///
    /// # Errors
    /// [`crate::Code::Stopped`] when nobody reads any more.
    pub async fn write_raw(&self, item: impl Into<Bytes>) -> Result<()> {
        from_answer(aerolith_plugin_abi::Sink::write(&self.sink, item.into()).await)
    }
}

impl<T: Serialize> Stream<T> {
    /// Ready once the receiver has room for more.
    ///
    /// # Errors
    /// [`crate::Code::Stopped`] when nobody reads any more.
    pub async fn write(&self, item: &T) -> Result<()> {
        let item = payload::encode(item)?;
        from_answer(aerolith_plugin_abi::Sink::write(&self.sink, item).await)
    }
}

/// The end that reads a stream's items in order.
pub struct Items<T> {
    queue: async_channel::Receiver<Result<Bytes>>,
    item: PhantomData<fn() -> T>,
}

/// A sink and the end that reads from it, with room for `capacity` items in between.
#[must_use]
pub fn channel<T>(capacity: usize) -> (SinkBox, Items<T>) {
    let (sender, queue) = async_channel::bounded(capacity.max(1));
    (
        aerolith_plugin_abi::sink(Queue(sender)),
        Items {
            queue,
            item: PhantomData,
        },
    )
}

impl Items<Bytes> {
    /// The next item, or nothing at the end.
    ///
    /// # Errors
    /// The reason for which the writer ended the stream early.
    pub async fn next_raw(&mut self) -> Result<Option<Bytes>> {
        self.queue.recv().await.ok().transpose()
    }
}

impl<T: DeserializeOwned> Items<T> {
    /// The next item, or nothing at the end.
    ///
    /// # Errors
    /// The reason for which the writer ended the stream early; an item that is no `T`.
    pub async fn next(&mut self) -> Result<Option<T>> {
        match self.queue.recv().await {
            Ok(item) => payload::decode(&item?).map(Some),
            Err(_) => Ok(None),
        }
    }
}

struct Queue(async_channel::Sender<Result<Bytes>>);

impl aerolith_plugin_abi::Sink for Queue {
    fn write(&self, item: Bytes) -> FfiFuture<Answer<()>> {
        let sender = self.0.clone();
        crossing(async move {
            to_answer(
                sender
                    .send(Ok(item))
                    .await
                    .map_err(|_| Error::stopped("nobody reads this stream any more")),
            )
        })
    }

    fn close(&self, reason: ROption<PluginError>) {
        if let RSome(reason) = reason {
            // A full queue keeps what it has: the reader then sees the end without the reason.
            let _ = self.0.try_send(Err(reason.into()));
        }
        self.0.close();
    }
}

/// A sink that passes items on unread to a function, which answers when it has room for more.
pub fn forward<F>(
    write: impl Fn(Bytes) -> F + Send + Sync + 'static,
    close: impl Fn(Option<Error>) + Send + Sync + 'static,
) -> SinkBox
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    aerolith_plugin_abi::sink(Forward { write, close })
}

struct Forward<W, C> {
    write: W,
    close: C,
}

impl<W, C, F> aerolith_plugin_abi::Sink for Forward<W, C>
where
    W: Fn(Bytes) -> F + Send + Sync,
    C: Fn(Option<Error>) + Send + Sync,
    F: Future<Output = Result<()>> + Send + 'static,
{
    fn write(&self, item: Bytes) -> FfiFuture<Answer<()>> {
        let written = (self.write)(item);
        crossing(async move { to_answer(written.await) })
    }

    fn close(&self, reason: ROption<PluginError>) {
        (self.close)(match reason {
            RSome(e) => Some(e.into()),
            RNone => None,
        });
    }
}
