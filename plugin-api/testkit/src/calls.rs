//! Calls as such: many at once, and calls that are dropped half way.

use crate::Report;
use crate::expect::{ensure, told};
use crate::instance::Shared;
use crate::report::Outcome;
use aerolith_plugin_wire::{Bytes, Code, Reply, Result, stream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How many calls are made at once.
const AT_ONCE: usize = 64;
/// A call that is dropped at its n-th poll, for n from 1 to this.
const POLLS: usize = 16;
/// A call that is not polled again for so long is dropped where it stands.
const STILL: Duration = Duration::from_millis(100);

/// A call that a suite may make any number of times.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Such as `accel/1.stats`.
    pub method: &'a str,
    /// Its request.
    pub request: &'a [u8],
    /// Whether it answers items.
    pub streams: bool,
}

impl<'a> Call<'a> {
    /// A call with one answer.
    #[must_use]
    pub const fn of(method: &'a str, request: &'a [u8]) -> Self {
        Self {
            method,
            request,
            streams: false,
        }
    }

    /// A call that answers items. It must end once nobody reads them.
    #[must_use]
    pub const fn stream(method: &'a str, request: &'a [u8]) -> Self {
        Self {
            method,
            request,
            streams: true,
        }
    }
}

/// Runs the suite on an instance that was started. The calls must answer the same each time.
pub async fn run(service: &Shared, calls: &[Call<'_>]) -> Report {
    let mut report = Report::default();
    report
        .check(
            "64 calls at once answer as one alone",
            each(calls, async |c| at_once(service, c).await),
        )
        .await;
    report
        .check(
            "a call dropped half way harms nothing",
            each(calls, async |c| cancelled(service, c).await),
        )
        .await;
    let streams: Vec<_> = calls.iter().copied().filter(|c| c.streams).collect();
    if !streams.is_empty() {
        report
            .check(
                "a stream that nobody reads ends",
                each(&streams, async |c| unread(service, c).await),
            )
            .await;
        report
            .check(
                "a stream whose call is dropped ends",
                each(&streams, async |c| dropped(service, c).await),
            )
            .await;
    }
    report
}

async fn each(calls: &[Call<'_>], check: impl AsyncFn(Call<'_>) -> Outcome) -> Outcome {
    for call in calls {
        check(*call).await.map_err(|why| format!("{}: {why}", call.method))?;
    }
    Ok(())
}

/// Everything that a call answers: its items and its reply, or its error.
#[derive(Debug, PartialEq, Eq)]
struct Whole {
    items: Vec<Vec<u8>>,
    reply: std::result::Result<Vec<u8>, (Code, String)>,
}

fn begin(service: &Shared, call: Call<'_>, room: usize) -> (Reply, stream::Items<Bytes>) {
    let (sink, items) = stream::channel(room);
    (
        service.call(call.method, Bytes::from(call.request), call.streams.then_some(sink)),
        items,
    )
}

async fn whole(service: &Shared, call: Call<'_>) -> Whole {
    let (reply, mut items) = begin(service, call, 4);
    let reply = tokio::spawn(reply);
    let mut read = Vec::new();
    while let Ok(Some(item)) = items.next_raw().await {
        read.push(item.into());
    }
    let reply = match reply.await {
        Ok(reply) => reply.map(Into::into).map_err(|e| (e.code, e.message)),
        Err(e) => Err((Code::Panic, e.to_string())),
    };
    Whole { items: read, reply }
}

async fn at_once(service: &Shared, call: Call<'_>) -> Outcome {
    let alone = whole(service, call).await;
    let broken = matches!(
        &alone.reply,
        Err((Code::Panic | Code::Unimplemented | Code::Timeout, _))
    );
    ensure!(!broken, "alone it answers {:?}", alone.reply);
    let (method, request) = (call.method.to_owned(), call.request.to_vec());
    let many: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (service, method, request) = (service.clone(), method.clone(), request.clone());
            tokio::spawn(async move {
                whole(
                    &service,
                    Call {
                        method: &method,
                        request: &request,
                        streams: call.streams,
                    },
                )
                .await
            })
        })
        .collect();
    for (number, one) in many.into_iter().enumerate() {
        let found = one.await.map_err(|e| e.to_string())?;
        ensure!(
            found == alone,
            "call {number} of {AT_ONCE} answers {found:?}, alone it is {alone:?}"
        );
    }
    Ok(())
}

async fn cancelled(service: &Shared, call: Call<'_>) -> Outcome {
    let before = whole(service, call).await;
    for polls in 1..=POLLS {
        let (reply, _items) = begin(service, call, AT_ONCE);
        let ended = tokio::time::timeout(STILL, Midway { reply, polls }).await;
        let after = whole(service, call).await;
        ensure!(
            after == before,
            "after a call that was dropped at poll {polls} it answers {after:?}, before {before:?}"
        );
        if matches!(ended, Ok(true)) {
            break;
        }
    }
    Ok(())
}

/// Polls a reply so many times; true when it came to its end by then.
struct Midway {
    reply: Reply,
    polls: usize,
}

impl Future for Midway {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        self.polls = self.polls.saturating_sub(1);
        match self.reply.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if self.polls == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    }
}

async fn unread(service: &Shared, call: Call<'_>) -> Outcome {
    let (reply, items) = begin(service, call, 1);
    drop(items);
    let reply: Result<Bytes> = reply.await;
    match reply {
        Err(e) if e.code == Code::Panic => Err(format!("it answered {}", told(&e))),
        _ => Ok(()),
    }
}

async fn dropped(service: &Shared, call: Call<'_>) -> Outcome {
    let (reply, mut items) = begin(service, call, 1);
    let calling = tokio::spawn(reply);
    // Once an item has come the call is well under way; a stream without one has ended instead.
    let _ = items.next_raw().await;
    calling.abort();
    let _ = calling.await;
    let mut left = 0;
    while let Ok(Some(_)) = items.next_raw().await {
        left += 1;
        ensure!(
            left <= AT_ONCE,
            "it goes on writing: {left} items after its call was dropped"
        );
    }
    Ok(())
}
