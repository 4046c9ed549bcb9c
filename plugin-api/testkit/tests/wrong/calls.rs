//! Services that cannot stand many calls, or the end of one.

use crate::fails_only;
use aerolith_plugin_testkit::calls::{self, Call};
use aerolith_plugin_wire::{Bytes, Error, Reply, Result, Sent, Service, SinkBox, Stream};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Refuses a second call while one is under way.
    OneAtATime,
    /// Counts itself as busy for ever when a call is dropped.
    Leaks,
    /// Never notices that nobody reads.
    Deaf,
    /// Goes on writing from a task of its own when its call is dropped.
    RunsOn,
}

struct Counter {
    fault: Fault,
    under_way: Arc<AtomicU32>,
}

/// Counts down when it goes.
struct Guard(Arc<AtomicU32>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn write_all(stream: Stream<Bytes>, fault: Fault) -> Result<()> {
    for number in 0..200_u8 {
        let written = stream.write_raw(vec![number]).await;
        match fault {
            Fault::Deaf if written.is_err() => std::future::pending().await,
            _ => written?,
        }
    }
    Ok(())
}

impl Service for Counter {
    fn call(&self, _: &str, _: Bytes, sink: Option<SinkBox>) -> Reply {
        let (fault, under_way) = (self.fault, self.under_way.clone());
        Box::pin(async move {
            let others = under_way.fetch_add(1, Ordering::Relaxed);
            let mut guard = Some(Guard(under_way));
            if others > 0 && matches!(fault, Fault::OneAtATime | Fault::Leaks) {
                return Err(Error::new(aerolith_plugin_wire::Code::Busy, "one at a time"));
            }
            let leak = guard.take_if(|_| fault == Fault::Leaks).map(ManuallyDrop::new);
            tokio::task::yield_now().await;
            if let Some(sink) = sink {
                let written = write_all(Stream::new(sink), fault);
                match fault {
                    Fault::RunsOn => tokio::spawn(written).await.map_err(Error::io)??,
                    _ => written.await?,
                }
            }
            drop((guard, leak.map(ManuallyDrop::into_inner)));
            Ok(Bytes::new())
        })
    }

    fn send(&self, method: &str, _: &[u8]) -> Result<Sent> {
        Err(Error::unimplemented(method))
    }
}

async fn suite_of(fault: Fault, call: Call<'_>, expected: &[&str]) {
    let service: Arc<dyn Service> = Arc::new(Counter {
        fault,
        under_way: Arc::default(),
    });
    fails_only(&calls::run(&service, &[call]).await, expected);
}

#[tokio::test]
async fn a_service_without_a_fault_passes() {
    suite_of(Fault::None, Call::of("counter/1.count", b""), &[]).await;
    suite_of(Fault::None, Call::stream("counter/1.count", b""), &[]).await;
}

#[tokio::test]
async fn one_that_stands_one_call_at_a_time_fails() {
    suite_of(
        Fault::OneAtATime,
        Call::of("counter/1.count", b""),
        &["64 calls at once answer as one alone"],
    )
    .await;
}

#[tokio::test]
async fn one_that_does_not_clean_up_after_a_dropped_call_fails() {
    let expected = [
        "64 calls at once answer as one alone",
        "a call dropped half way harms nothing",
    ];
    suite_of(Fault::Leaks, Call::of("counter/1.count", b""), &expected).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_notice_that_nobody_reads_fails() {
    suite_of(
        Fault::Deaf,
        Call::stream("counter/1.count", b""),
        &["a stream that nobody reads ends"],
    )
    .await;
}

#[tokio::test]
async fn one_whose_stream_outlives_its_call_fails() {
    suite_of(
        Fault::RunsOn,
        Call::stream("counter/1.count", b""),
        &["a stream whose call is dropped ends"],
    )
    .await;
}
