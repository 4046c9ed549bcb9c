//! What a plugin may ask of the core.

use crate::guard;
use crate::scope::Scope;
use crate::wire::Reply;
use crate::wire::host::{Client, Event, Failure, Metric, MetricKind, Process};
use crate::wire::service::{from_answer, from_sent};
use crate::{Bytes, Error, Result, Sent, Service};
use aerolith_plugin_abi::{Host, RSlice, RStr, SinkBox};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// The core, as one instance sees it. Cheap to clone; worth nothing once the instance has stopped.
#[derive(Clone)]
pub struct Context {
    scope: Arc<Scope>,
    inherited: Arc<[u8]>,
}

/// The core as a [`Service`]: methods of `host/1`, and of other plugins as far as permitted.
///
/// `arch::Client(context.core())` calls the node's architecture resolver.
#[derive(Clone, Copy)]
pub struct Core(Host);

/// A task on the core's executor. Dropping this lets it run on.
pub struct Task {
    host: Host,
    number: u64,
}

impl Context {
    pub(crate) fn new(scope: Arc<Scope>, inherited: &[u8]) -> Self {
        Self {
            scope,
            inherited: inherited.into(),
        }
    }

    /// The instance's name in the operator's configuration.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.scope.instance()
    }

    /// What a predecessor's `drain` answered, when this instance takes over from one; else nothing.
    #[must_use]
    pub fn inherited(&self) -> &[u8] {
        &self.inherited
    }

    /// The core's services and other plugins' capabilities.
    #[must_use]
    pub fn core(&self) -> Core {
        Core(self.scope.host())
    }

    /// The core's own methods, typed.
    #[must_use]
    pub fn host(&self) -> Client<Core> {
        Client(self.core())
    }

    /// Runs a future on the core's executor until it ends, is aborted, or the instance stops. A panic in it ends the
    /// instance, which the core then restarts.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Task {
        let host = self.scope.host();
        let context = self.clone();
        let task = guard::task(self.scope.clone(), future, move |message| {
            // Nobody is left to tell when even this fails.
            let _ = context.host().failed(&Failure {
                message,
                panicked: true,
            });
        });
        Task {
            host,
            number: (host.table.spawn())(host.ctx, aerolith_plugin_abi::crossing(task)),
        }
    }

    /// Waits on the core's clock; works without a runtime of the plugin's own.
    pub async fn sleep(&self, time: Duration) {
        let host = self.scope.host();
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        (host.table.sleep())(host.ctx, milliseconds).await;
    }

    /// Sets a gauge, in base units.
    pub fn gauge(&self, name: &str, value: f64, labels: &[(&str, &str)]) {
        self.metric(name, MetricKind::Gauge, value, labels);
    }

    /// Adds to a counter.
    pub fn count(&self, name: &str, add: f64, labels: &[(&str, &str)]) {
        self.metric(name, MetricKind::Counter, add, labels);
    }

    fn metric(&self, name: &str, kind: MetricKind, value: f64, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        if let Err(e) = self.host().metric(&Metric {
            name: name.into(),
            kind,
            value,
            labels,
        }) {
            tracing::debug!(name, error = %e, "metric not taken");
        }
    }

    /// Puts an event on the bus.
    ///
    /// # Errors
    /// When the manifest does not ask for the topic or the operator does not grant it.
    pub fn publish(&self, topic: &str, data: serde_json::Value) -> Result<Sent> {
        self.host().publish(&Event {
            topic: topic.into(),
            data,
        })
    }

    /// Tells the core what happens to a process of the plugin's.
    ///
    /// # Errors
    /// When the manifest does not ask for `processes`.
    pub fn process(&self, process: &Process) -> Result<Sent> {
        self.host().process(process)
    }

    /// Leaves a duplicate of a descriptor in the instance's descriptor store, for a successor or for itself.
    ///
    /// # Errors
    /// When the manifest does not ask for `descriptors`, or the store is full.
    pub fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) -> Result<()> {
        let host = self.scope.host();
        from_answer((host.table.keep())(
            host.ctx,
            RStr::from_str(name),
            descriptor.as_raw_fd(),
        ))
    }

    /// Takes a descriptor out of the store; nothing when there is none of that name.
    ///
    /// # Errors
    /// When the manifest does not ask for `descriptors`.
    #[allow(unsafe_code, reason = "a descriptor crosses as a number")]
    pub fn take(&self, name: &str) -> Result<Option<OwnedFd>> {
        let host = self.scope.host();
        match from_answer((host.table.take())(host.ctx, RStr::from_str(name))) {
            // SAFETY: the core gives the descriptor away: it is open, and owned by nobody else.
            Ok(number) => Ok(Some(unsafe { OwnedFd::from_raw_fd(number) })),
            Err(Error {
                code: crate::Code::NotFound,
                ..
            }) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl Service for Core {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        let answer = (self.0.table.call())(self.0.ctx, RStr::from_str(method), request, sink.into());
        Box::pin(async move { from_answer(answer.await) })
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        from_sent((self.0.table.send())(
            self.0.ctx,
            RStr::from_str(method),
            RSlice::from_slice(item),
        ))
    }
}

impl Task {
    /// Drops the task where it stands.
    pub fn abort(self) {
        (self.host.table.abort())(self.host.ctx, self.number);
    }
}
