//! No panic leaves the library: not of a call, a poll, a task or a drop.

use crate::scope::Scope;
use crate::{Code, Error, Result};
use std::any::Any;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

thread_local! {
    /// What the panic hook saw last on this thread: the text with its place in the source.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs code of the plugin; a panic becomes an error.
pub(crate) fn run<T>(scope: &Scope, code: impl FnOnce() -> Result<T>) -> Result<T> {
    scope.enter(|| unwound(code).unwrap_or_else(|message| Err(Error::new(Code::Panic, message))))
}

/// Runs code and catches its panic's text.
pub(crate) fn unwound<T>(code: impl FnOnce() -> T) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(text)
}

/// The hook's part: remembers a panic for the guard that will catch it.
pub(crate) fn saw(message: String) {
    let _ = SEEN.try_with(|seen| seen.replace(Some(message)));
}

fn text(payload: Box<dyn Any + Send>) -> String {
    let seen = SEEN.try_with(RefCell::take).ok().flatten();
    let message = seen.unwrap_or_else(|| payload_text(&*payload));
    // A payload of the plugin's own type may panic once more when it is dropped.
    let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
    message
}

/// What a panic was called with.
pub(crate) fn payload_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".into())
}

/// A value whose drop is guarded.
pub(crate) struct Quiet<T>(ManuallyDrop<T>);

impl<T> Quiet<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }

    pub(crate) fn as_ref(&self) -> &T {
        &self.0
    }

    pub(crate) fn get(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Quiet<T> {
    #[allow(
        unsafe_code,
        reason = "the one place where a drop is taken out of the compiler's hands"
    )]
    fn drop(&mut self) {
        let value = &mut self.0;
        // SAFETY: this is the drop of the owner: nobody uses the value afterwards.
        if let Err(message) = unwound(|| unsafe { ManuallyDrop::drop(value) }) {
            tracing::error!(panic = message, "panic in a drop");
        }
    }
}

/// A future of the plugin, polled and dropped in its scope, whose panic becomes an error.
struct Guarded<F: Future> {
    future: Option<Quiet<Pin<Box<F>>>>,
    scope: Arc<Scope>,
}

impl<F: Future> Guarded<F> {
    fn poll_caught(&mut self, cx: &mut task::Context<'_>) -> Poll<std::result::Result<F::Output, String>> {
        let Some(future) = &mut self.future else {
            return Poll::Ready(Err("polled after its end".into()));
        };
        let polled = self.scope.enter(|| unwound(|| future.get().as_mut().poll(cx)));
        let done = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(message) => Err(message),
        };
        let finished = self.future.take();
        self.scope.enter(|| drop(finished));
        Poll::Ready(done)
    }
}

impl<F: Future> Drop for Guarded<F> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.scope.enter(|| drop(future));
        }
    }
}

struct Call<F: Future>(Guarded<F>);

impl<T, F: Future<Output = Result<T>>> Future for Call<F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Result<T>> {
        self.0
            .poll_caught(cx)
            .map(|r| r.unwrap_or_else(|message| Err(Error::new(Code::Panic, message))))
    }
}

struct Task<F: Future, R>(Guarded<F>, R);

impl<F: Future<Output = ()>, R: Fn(String) + Unpin> Future for Task<F, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        self.0
            .poll_caught(cx)
            .map(|r| r.unwrap_or_else(|message| (self.1)(message)))
    }
}

/// A call of the plugin's, guarded.
pub(crate) fn call<T>(
    scope: Arc<Scope>,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> impl Future<Output = Result<T>> + Send + 'static {
    Call(Guarded {
        future: Some(Quiet::new(Box::pin(future))),
        scope,
    })
}

/// A task of the plugin's, guarded; `report` hears of its panic.
pub(crate) fn task(
    scope: Arc<Scope>,
    future: impl Future<Output = ()> + Send + 'static,
    report: impl Fn(String) + Send + Unpin + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    Task(
        Guarded {
            future: Some(Quiet::new(Box::pin(future))),
            scope,
        },
        report,
    )
}
