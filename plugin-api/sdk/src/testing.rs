//! A host for unit tests: everything a plugin asks of the core is answered from memory, without a daemon or a library.
//!
//! ```no_run
//! # use aerolith_plugin::{Plugin, Context, Result, testing::Host};
//! # struct Mine; impl Plugin for Mine { type Config = (); fn create(_: Context, _: ()) -> Result<Self> { Ok(Mine) } }
//! let host = Host::new();
//! let plugin: Mine = host.create("mine-1", "{}").unwrap();
//! host.block_on(plugin.start()).unwrap();
//! ```

#![allow(unsafe_code, reason = "descriptors cross as numbers")]

use crate::scope::Scope;
use crate::wire::host::{Event, Failure, Metric, Process};
use crate::wire::service::{Behind, from_answer, to_answer};
use crate::wire::{Reply, payload};
use crate::{Bytes, Context, Error, Plugin, Result, Sent, Service};
use aerolith_plugin_abi::{
    Answer, FfiFuture, Host as AbiHost, HostTable, HostTable_Ref, ROption, RSlice, RStr, SinkBox, crossing,
    leak_host_table,
};
use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// What a test's plugin has said and left behind.
#[derive(Default, Debug)]
pub struct Seen {
    /// Log lines as `level target message fields`.
    pub log: Vec<String>,
    /// Metrics in order.
    pub metrics: Vec<Metric>,
    /// Events in order.
    pub events: Vec<Event>,
    /// Failures that the plugin reported.
    pub failures: Vec<Failure>,
    /// Processes that it reported.
    pub processes: Vec<Process>,
    /// The descriptor store.
    pub descriptors: BTreeMap<String, OwnedFd>,
}

struct Shared {
    runtime: Runtime,
    seen: Mutex<Seen>,
    others: Option<Box<dyn Service>>,
    tasks: Mutex<Vec<tokio::task::AbortHandle>>,
}

/// A host in memory.
pub struct Host {
    number: u64,
    shared: Arc<Shared>,
}

static HOSTS: LazyLock<Mutex<BTreeMap<u64, Arc<Shared>>>> = LazyLock::new(Mutex::default);
static TABLE: LazyLock<HostTable_Ref> = LazyLock::new(|| {
    leak_host_table(HostTable {
        log,
        call,
        send,
        spawn,
        abort,
        sleep,
        keep,
        take,
        level,
    })
});

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of(ctx: u64) -> Option<Arc<Shared>> {
    lock(&HOSTS).get(&ctx).cloned()
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host to which no other plugin belongs.
    #[must_use]
    pub fn new() -> Self {
        Self::build(None)
    }

    /// A host that passes calls of other capabilities on to a service.
    #[must_use]
    pub fn with(others: impl Service) -> Self {
        Self::build(Some(Box::new(others)))
    }

    #[allow(clippy::expect_used, reason = "a test without threads cannot go on")]
    fn build(others: Option<Box<dyn Service>>) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread for the host");
        let shared = Arc::new(Shared {
            runtime,
            seen: Mutex::default(),
            others,
            tasks: Mutex::default(),
        });
        let mut hosts = lock(&HOSTS);
        let number = hosts.last_key_value().map_or(1, |(last, _)| last + 1);
        hosts.insert(number, shared.clone());
        Self { number, shared }
    }

    /// Makes a plugin from its configuration, JSON.
    ///
    /// # Errors
    /// What the plugin's `create` answers, or what is wrong with the JSON.
    pub fn create<P: Plugin>(&self, instance: &str, config: &str) -> Result<P> {
        self.succeed(instance, config, b"")
    }

    /// Makes a plugin that takes over from a predecessor.
    ///
    /// # Errors
    /// As [`Host::create`].
    pub fn succeed<P: Plugin>(&self, instance: &str, config: &str, state: &[u8]) -> Result<P> {
        let host = AbiHost {
            ctx: self.number,
            table: *TABLE,
        };
        let scope = Scope::new(host, instance, 1).map_err(Error::io)?;
        let _entered = self.shared.runtime.enter();
        P::create(Context::new(scope, state), payload::decode(config.as_bytes())?)
    }

    /// Makes an instance through the waist, as a program does that links the plugin in.
    ///
    /// # Errors
    /// What `create` answers.
    pub fn instance(&self, root: aerolith_plugin_abi::Root_Ref, name: &str, config: &str) -> Result<Behind> {
        let host = AbiHost {
            ctx: self.number,
            table: *TABLE,
        };
        let bytes = RSlice::from_slice;
        let made = (root.create())(host, RStr::from_str(name), bytes(config.as_bytes()), bytes(b""));
        from_answer(made).map(Behind)
    }

    /// Runs a future of the plugin to its end.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.shared.runtime.block_on(future)
    }

    /// What the plugin has said and left behind so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.shared.seen)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        lock(&HOSTS).remove(&self.number);
        for task in lock(&self.shared.tasks).drain(..) {
            task.abort();
        }
    }
}

extern "C" fn log(ctx: u64, level: u8, target: RStr<'_>, message: RStr<'_>, fields: RStr<'_>) {
    if let Some(host) = of(ctx) {
        lock(&host.seen)
            .log
            .push(format!("{level} {target} {message} {fields}"));
    }
}

extern "C" fn call(ctx: u64, method: RStr<'_>, request: Bytes, sink: ROption<SinkBox>) -> FfiFuture<Answer<Bytes>> {
    let reply: Reply = match of(ctx).as_ref().and_then(|host| host.others.as_ref()) {
        Some(others) => others.call(method.as_str(), request, sink.into_option()),
        None => crate::wire::__unimplemented(method.as_str()),
    };
    crossing(async move { to_answer(reply.await) })
}

extern "C" fn send(ctx: u64, method: RStr<'_>, item: RSlice<'_, u8>) -> Answer<u8> {
    crate::wire::service::to_sent(record(ctx, method.as_str(), item.as_slice()))
}

fn record(ctx: u64, method: &str, item: &[u8]) -> Result<Sent> {
    let host = of(ctx).ok_or_else(|| Error::stopped("the host of this test is gone"))?;
    let mut seen = lock(&host.seen);
    match method {
        "host/1.metric" => seen.metrics.push(payload::decode(item)?),
        "host/1.publish" => seen.events.push(payload::decode(item)?),
        "host/1.failed" => seen.failures.push(payload::decode(item)?),
        "host/1.process" => seen.processes.push(payload::decode(item)?),
        _ => {
            drop(seen);
            return host
                .others
                .as_ref()
                .map_or_else(|| Err(Error::unimplemented(method)), |o| o.send(method, item));
        }
    }
    Ok(Sent::Accepted)
}

extern "C" fn spawn(ctx: u64, future: FfiFuture<()>) -> u64 {
    let Some(host) = of(ctx) else { return 0 };
    let task = host.runtime.spawn(future).abort_handle();
    let mut tasks = lock(&host.tasks);
    tasks.push(task);
    tasks.len() as u64
}

extern "C" fn abort(ctx: u64, task: u64) {
    let Some(host) = of(ctx) else { return };
    let index = usize::try_from(task).unwrap_or(0).wrapping_sub(1);
    if let Some(task) = lock(&host.tasks).get(index) {
        task.abort();
    }
}

extern "C" fn sleep(ctx: u64, milliseconds: u64) -> FfiFuture<()> {
    let entered = of(ctx);
    let _guard = entered.as_ref().map(|host| host.runtime.enter());
    let sleep = entered
        .is_some()
        .then(|| tokio::time::sleep(Duration::from_millis(milliseconds)));
    crossing(async move {
        if let Some(sleep) = sleep {
            sleep.await;
        }
    })
}

extern "C" fn keep(ctx: u64, name: RStr<'_>, fd: i32) -> Answer<()> {
    // SAFETY: the plugin's descriptor is open during the call.
    let copy = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned();
    to_answer(copy.map_err(Error::io).map(|copy| {
        if let Some(host) = of(ctx) {
            lock(&host.seen).descriptors.insert(name.as_str().into(), copy);
        }
    }))
}

extern "C" fn take(ctx: u64, name: RStr<'_>) -> Answer<i32> {
    let taken = of(ctx).and_then(|host| lock(&host.seen).descriptors.remove(name.as_str()));
    to_answer(
        taken
            .map(IntoRawFd::into_raw_fd)
            .ok_or_else(|| Error::not_found(format!("no descriptor {name}"))),
    )
}

extern "C" fn level(_: u64) -> u8 {
    5
}
