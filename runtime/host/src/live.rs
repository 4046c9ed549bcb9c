//! One instance that is alive: its calls run on the host's executor, with a deadline, and end with it.

use crate::context::Context;
use crate::library::Door;
use crate::tasks::Tasks;
use aerolith_plugin_wire::{Bytes, Code, Error, Kind, Reply, Result, Sent, SinkBox, kind_of};
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What a live instance tells its slot.
pub(crate) type OnPanic = Box<dyn Fn(&str) + Send + Sync>;

pub(crate) struct Live {
    /// Taken by the close.
    door: ArcSwapOption<Door>,
    context: Arc<Context>,
    calls: Arc<Tasks>,
    deadline: Duration,
    generation: u64,
    on_panic: OnPanic,
}

impl Live {
    pub(crate) fn new(
        door: Door,
        context: Arc<Context>,
        deadline: Duration,
        generation: u64,
        on_panic: OnPanic,
    ) -> Arc<Self> {
        let calls = Tasks::new(context.tasks.executor().clone());
        Arc::new(Self {
            door: ArcSwapOption::from_pointee(door),
            context,
            calls,
            deadline,
            generation,
            on_panic,
        })
    }

    /// Which of the slot's lives this is.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// A call with the deadline of its kind.
    pub(crate) fn call(self: &Arc<Self>, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        let deadline = match kind_of(method) {
            Some(Kind::Call) | None if sink.is_none() => Some(self.deadline),
            _ => None,
        };
        self.call_within(method, request, sink, deadline)
    }

    /// A call. The plugin is polled on the executor, so that one that blocks holds up nobody who waits for it.
    pub(crate) fn call_within(
        self: &Arc<Self>,
        method: &str,
        request: Bytes,
        sink: Option<SinkBox>,
        deadline: Option<Duration>,
    ) -> Reply {
        let (live, name) = (self.clone(), method.to_owned());
        let (answer, answered) = oneshot::channel();
        let running = {
            let (live, name) = (Arc::downgrade(self), name.clone());
            self.calls.spawn(async move {
                let Some(door) = live.upgrade().and_then(|live| live.door.load_full()) else {
                    return;
                };
                let reply = door.call(&name, request, sink);
                drop(door);
                // Nobody waits any more: the answer is nobody's.
                let _ = answer.send(reply.await);
            })
        };
        let Some(number) = running else {
            return Box::pin(std::future::ready(Err(gone())));
        };
        let cancel = Cancel {
            calls: self.calls.clone(),
            number,
        };
        Box::pin(async move {
            let _cancel = cancel;
            let answered = async { answered.await.unwrap_or_else(|_| Err(gone())) };
            let result = match deadline {
                Some(deadline) => tokio::time::timeout(deadline, answered).await.unwrap_or_else(|_| {
                    Err(Error::new(
                        Code::Timeout,
                        format!("`{name}` did not answer within {deadline:?}"),
                    ))
                }),
                None => answered.await,
            };
            live.watch(&result);
            result
        })
    }

    /// The one-way path, on the caller's thread.
    pub(crate) fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        let door = self.door.load();
        let result = door.as_ref().ok_or_else(gone)?.send(method, item);
        self.watch(&result);
        result
    }

    fn watch<T>(&self, result: &Result<T>) {
        if let Err(Error {
            code: Code::Panic,
            message,
            ..
        }) = result
        {
            (self.on_panic)(message);
        }
    }

    /// Cancels every call and task, then lets the instance go. False when some of its code still blocks a thread: then
    /// the instance is leaked, for it cannot be dropped under running code.
    pub(crate) async fn close(&self) -> bool {
        let (calls, tasks) = (self.calls.close().await, self.context.close().await);
        let door = self.door.swap(None);
        if !(calls && tasks) {
            std::mem::forget(door);
            return false;
        }
        let dropped = self.calls.executor().spawn_blocking(move || drop(door));
        tokio::time::timeout(Duration::from_secs(5), dropped).await.is_ok()
    }
}

fn gone() -> Error {
    Error::stopped("the instance has stopped")
}

/// Cancels a call when nobody waits for it any more.
struct Cancel {
    calls: Arc<Tasks>,
    number: u64,
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.calls.abort(self.number);
    }
}
