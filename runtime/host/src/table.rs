//! The functions that a library calls: the host table.
#![allow(unsafe_code, reason = "descriptors cross as numbers")]

use crate::context::Context;
use aerolith_plugin_abi::{
    Answer, Bytes, FfiFuture, HostTable, HostTable_Ref, ROption, RSlice, RStr, SinkBox, crossing, leak_host_table,
};
use aerolith_plugin_wire::service::{to_answer, to_sent};
use aerolith_plugin_wire::{Error, Result};
use rustix::fd::{BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

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

/// The host as the instance of this context sees it.
pub(crate) fn host(context: &Arc<Context>) -> aerolith_plugin_abi::Host {
    aerolith_plugin_abi::Host {
        ctx: context.number(),
        table: *TABLE,
    }
}

extern "C" fn log(ctx: u64, level: u8, target: RStr<'_>, message: RStr<'_>, fields: RStr<'_>) {
    if let Ok(context) = Context::of(ctx) {
        context
            .log
            .write(level, target.as_str(), message.as_str(), fields.as_str());
    }
}

extern "C" fn call(ctx: u64, method: RStr<'_>, request: Bytes, sink: ROption<SinkBox>) -> FfiFuture<Answer<Bytes>> {
    match Context::of(ctx) {
        Ok(context) => {
            let reply = context.service.call(method.as_str(), request, sink.into_option());
            crossing(async move { to_answer(reply.await) })
        }
        Err(e) => crossing(std::future::ready(to_answer(Err(e)))),
    }
}

extern "C" fn send(ctx: u64, method: RStr<'_>, item: RSlice<'_, u8>) -> Answer<u8> {
    to_sent(Context::of(ctx).and_then(|context| context.service.send(method.as_str(), item.as_slice())))
}

extern "C" fn spawn(ctx: u64, future: FfiFuture<()>) -> u64 {
    Context::of(ctx)
        .ok()
        .and_then(|context| context.tasks.spawn(future))
        .unwrap_or(0)
}

extern "C" fn abort(ctx: u64, task: u64) {
    if let Ok(context) = Context::of(ctx) {
        context.tasks.abort(task);
    }
}

extern "C" fn sleep(ctx: u64, milliseconds: u64) -> FfiFuture<()> {
    let time = Duration::from_millis(milliseconds);
    let timer = Context::of(ctx).ok().map(|context| {
        let _clock = context.tasks.executor().enter();
        tokio::time::sleep(time)
    });
    crossing(async move {
        match timer {
            Some(timer) => timer.await,
            // A stopped instance that sleeps in a loop must not spin: it never wakes.
            None => std::future::pending().await,
        }
    })
}

extern "C" fn keep(ctx: u64, name: RStr<'_>, fd: i32) -> Answer<()> {
    to_answer(Context::of(ctx).and_then(|context| context.descriptors.keep(name.as_str(), duplicate(fd)?)))
}

/// A duplicate of a descriptor that the plugin names by its number.
pub(crate) fn duplicate(fd: i32) -> Result<OwnedFd> {
    if fd < 0 {
        return Err(Error::invalid(format!("descriptor {fd}")));
    }
    // SAFETY: the number is borrowed for the duration of the system call, which refuses one that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_dupfd_cloexec(borrowed, 3).map_err(|e| Error::invalid(format!("descriptor {fd}: {e}")))
}

extern "C" fn take(ctx: u64, name: RStr<'_>) -> Answer<i32> {
    to_answer(
        Context::of(ctx)
            .and_then(|context| context.descriptors.take(name.as_str()))
            .map(IntoRawFd::into_raw_fd),
    )
}

extern "C" fn level(ctx: u64) -> u8 {
    Context::of(ctx).map_or(0, |context| context.log.level())
}
