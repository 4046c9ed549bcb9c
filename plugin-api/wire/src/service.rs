//! The one shape that both sides of the boundary have: bytes in, bytes out, by method name.

use crate::{Error, Result};
use aerolith_plugin_abi::{ACCEPTED, Answer, Bytes, FULL, InstanceBox, PluginError, RErr, ROk, RSlice, RStr, SinkBox};
use std::pin::Pin;
use std::sync::Arc;

/// An answer under way. Dropping it cancels the work.
pub type Reply = Pin<Box<dyn Future<Output = Result<Bytes>> + Send>>;

/// What became of an item on the one-way path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It was taken.
    Accepted,
    /// There was no room: nothing was taken, try later.
    Full,
}

/// Whoever answers methods by name: a plugin instance, the core, a proxy for a child process.
pub trait Service: Send + Sync + 'static {
    /// Answers a method (`engine/1.start`); a streaming method writes its items into `sink`.
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply;

    /// The hot one-way path.
    ///
    /// # Errors
    /// [`crate::Code::Unimplemented`] for an unknown method; whatever the method itself refuses.
    fn send(&self, method: &str, item: &[u8]) -> Result<Sent>;
}

impl<S: Service + ?Sized> Service for Arc<S> {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        (**self).call(method, request, sink)
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        (**self).send(method, item)
    }
}

impl<S: Service + ?Sized> Service for Box<S> {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        (**self).call(method, request, sink)
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        (**self).send(method, item)
    }
}

/// An instance behind the waist: of a library, or linked in.
pub struct Behind(pub InstanceBox);

impl Service for Behind {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        let answer = aerolith_plugin_abi::Instance::call(&self.0, RStr::from_str(method), request, sink.into());
        Box::pin(async move { from_answer(answer.await) })
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        from_sent(aerolith_plugin_abi::Instance::send(
            &self.0,
            RStr::from_str(method),
            RSlice::from_slice(item),
        ))
    }
}

/// An answer of the waist as a result.
///
/// # Errors
/// The error that the answer holds.
pub fn from_answer<T>(answer: Answer<T>) -> Result<T> {
    match answer {
        ROk(value) => Ok(value),
        RErr(e) => Err(e.into()),
    }
}

/// A result as an answer of the waist.
pub fn to_answer<T>(result: Result<T>) -> Answer<T> {
    match result {
        Ok(value) => ROk(value),
        Err(e) => RErr(PluginError::from(e)),
    }
}

/// What a `send` across the waist answered.
///
/// # Errors
/// The error that the answer holds.
pub fn from_sent(answer: Answer<u8>) -> Result<Sent> {
    match answer {
        ROk(FULL) => Ok(Sent::Full),
        ROk(_) => Ok(Sent::Accepted),
        RErr(e) => Err(Error::from(e)),
    }
}

/// What a `send` across the waist is to answer.
pub fn to_sent(result: Result<Sent>) -> Answer<u8> {
    to_answer(result.map(|sent| match sent {
        Sent::Accepted => ACCEPTED,
        Sent::Full => FULL,
    }))
}
