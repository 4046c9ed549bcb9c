//! An instance of a C plugin: blocking functions, called on threads of their own.
#![allow(unsafe_code, reason = "the C side of the boundary")]

use crate::context::Context;
use crate::library::CEntry;
use crate::table::duplicate;
use aerolith_plugin_abi::{API, c};
use aerolith_plugin_wire::{Bytes, Code, Error, Reply, Result, Sent, Service, SinkBox, stream};
use rustix::fd::IntoRawFd;
use std::ffi::c_void;
use std::sync::Arc;

/// What a C function calls: it must outlive the instance, so the instance owns it.
struct Table {
    host: c::HostV1,
    context: Arc<Context>,
}

/// One instance behind the C entry.
struct Inner {
    this: *mut c_void,
    entry: CEntry,
    table: Box<Table>,
}

// SAFETY: the header demands functions that may be called from any thread.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: `create` made `this`, and every call holds an `Arc` of this struct: none is running.
        unsafe { (self.entry.destroy)(self.this) }
    }
}

pub(crate) struct CInstance(Arc<Inner>);

impl CInstance {
    pub(crate) fn create(
        entry: CEntry,
        context: &Arc<Context>,
        name: &str,
        config: &[u8],
        state: &[u8],
    ) -> Result<Self> {
        let mut table = Box::new(Table {
            host: HOST,
            context: context.clone(),
        });
        table.host.ctx = (&raw const *table).cast_mut().cast();
        let (mut this, mut message) = (std::ptr::null_mut(), Vec::new());
        let text = |bytes: &[u8]| c::View::of(bytes);
        // SAFETY: all views and the receiver outlive the call; the table lives in a box that the instance keeps.
        let code = unsafe {
            (entry.create)(
                &raw const table.host,
                text(name.as_bytes()),
                text(config),
                text(state),
                &raw mut this,
                into(&mut message),
            )
        };
        if code != 0 {
            return Err(error(code, &message));
        }
        if this.is_null() {
            return Err(Error::new(Code::Internal, "`create` answered no instance"));
        }
        Ok(Self(Arc::new(Inner { this, entry, table })))
    }
}

impl Service for CInstance {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        let (inner, method) = (self.0.clone(), method.to_owned());
        let executor = inner.table.context.tasks.executor().clone();
        let running = executor
            .clone()
            .spawn_blocking(move || inner.blocking_call(&executor, &method, &request, sink));
        Box::pin(async move {
            running
                .await
                .unwrap_or_else(|e| Err(Error::new(Code::Internal, format!("the thread of a C call: {e}"))))
        })
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        // SAFETY: the views outlive the call.
        let code = unsafe { (self.0.entry.send)(self.0.this, c::View::of(method.as_bytes()), c::View::of(item)) };
        match code {
            0 => Ok(Sent::Accepted),
            1 => Ok(Sent::Full),
            code => Err(error(code.saturating_neg(), method.as_bytes())),
        }
    }
}

impl Inner {
    fn blocking_call(
        &self,
        executor: &tokio::runtime::Handle,
        method: &str,
        request: &[u8],
        sink: Option<SinkBox>,
    ) -> Result<Bytes> {
        let mut reply = Vec::new();
        let mut items = sink.map(|sink| Items {
            executor,
            sink: stream::Stream::new(sink),
        });
        let receiver = items.as_mut().map(|items| c::Receiver {
            take: take_item,
            into: (&raw mut *items).cast(),
        });
        let receiver = receiver.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: views, receivers and what they point to outlive the call.
        let code = unsafe {
            (self.entry.call)(
                self.this,
                c::View::of(method.as_bytes()),
                c::View::of(request),
                receiver,
                into(&mut reply),
            )
        };
        if code == 0 {
            Ok(Bytes::from(reply))
        } else {
            Err(error(code, &reply))
        }
    }
}

struct Items<'a> {
    executor: &'a tokio::runtime::Handle,
    sink: stream::Stream<Bytes>,
}

fn error(code: i32, message: &[u8]) -> Error {
    Error::new(
        Code::from_number(u32::try_from(code).unwrap_or(0)),
        String::from_utf8_lossy(message),
    )
}

fn into(vector: &mut Vec<u8>) -> c::Receiver {
    c::Receiver {
        take: append,
        into: (&raw mut *vector).cast(),
    }
}

unsafe extern "C" fn append(vector: *mut c_void, data: c::View) -> i32 {
    // SAFETY: `into` made this receiver of a vector that outlives the call; the view is valid for the call.
    unsafe { (*vector.cast::<Vec<u8>>()).extend_from_slice(data.bytes()) };
    0
}

unsafe extern "C" fn take_item(items: *mut c_void, data: c::View) -> i32 {
    // SAFETY: `blocking_call` made this receiver; the view is valid for the call.
    let (items, data) = unsafe { (&*items.cast::<Items<'_>>(), data.bytes()) };
    match items.executor.block_on(items.sink.write_raw(data.to_vec())) {
        Ok(()) => 0,
        Err(e) => number(e.code),
    }
}

const fn number(code: Code) -> i32 {
    code as i32
}

const HOST: c::HostV1 = c::HostV1 {
    size: size_of::<c::HostV1>() as u32,
    api_minor: API.minor,
    ctx: std::ptr::null_mut(),
    log: host_log,
    call: host_call,
    send: host_send,
    keep: host_keep,
    take: host_take,
};

/// The context behind the pointer that C code was given, unless its instance has stopped: code that runs on after that
/// reaches the core no more.
///
/// # Safety
/// `ctx` must be the one of the instance's host table, while the instance is not destroyed.
unsafe fn context(ctx: *mut c_void) -> Result<Arc<Context>> {
    // SAFETY: the caller's promise.
    Context::of(unsafe { &*ctx.cast::<Table>() }.context.number())
}

/// A view as text; what is no UTF-8 is replaced.
///
/// # Safety
/// The view must be valid for the call.
unsafe fn text(view: c::View) -> String {
    // SAFETY: the caller's promise.
    String::from_utf8_lossy(unsafe { view.bytes() }).into_owned()
}

unsafe extern "C" fn host_log(ctx: *mut c_void, level: u8, target: c::View, message: c::View, fields: c::View) {
    // SAFETY: the header demands the instance's own ctx and views that are valid for the call.
    let (context, [target, message, fields]) = unsafe { (context(ctx), [target, message, fields].map(|v| text(v))) };
    if let Ok(context) = context {
        context.log.write(level, &target, &message, &fields);
    }
}

unsafe extern "C" fn host_call(ctx: *mut c_void, method: c::View, request: c::View, reply: c::Receiver) -> i32 {
    // SAFETY: as in `host_log`.
    let (context, method, request) = unsafe { (context(ctx), text(method), request.bytes().to_vec()) };
    let answer = context.and_then(|context| {
        let call = context.service.call(&method, request.into(), None);
        block_on(&context, call)
    });
    let (code, answer) = match answer {
        Ok(answer) => (0, answer),
        Err(e) => (number(e.code), Bytes::from(e.message.into_bytes())),
    };
    // SAFETY: the receiver is valid for the call.
    let refused = unsafe { (reply.take)(reply.into, c::View::of(&answer)) };
    if code == 0 { refused } else { code }
}

/// Waits on a thread of the C plugin's. A thread that polls futures must not wait: it answers `Busy`.
fn block_on(context: &Context, call: Reply) -> Result<Bytes> {
    let executor = context.tasks.executor().clone();
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| executor.block_on(call)))
        .unwrap_or_else(|_| Err(Error::new(Code::Busy, "a host call from `send` cannot wait")))
}

unsafe extern "C" fn host_send(ctx: *mut c_void, method: c::View, item: c::View) -> i32 {
    // SAFETY: as in `host_log`.
    let (context, method, item) = unsafe { (context(ctx), text(method), item.bytes()) };
    match context.and_then(|context| context.service.send(&method, item)) {
        Ok(Sent::Accepted) => 0,
        Ok(Sent::Full) => 1,
        Err(e) => -number(e.code),
    }
}

unsafe extern "C" fn host_keep(ctx: *mut c_void, name: c::View, fd: i32) -> i32 {
    // SAFETY: as in `host_log`.
    let (context, name) = unsafe { (context(ctx), text(name)) };
    let kept = context.and_then(|context| context.descriptors.keep(&name, duplicate(fd)?));
    kept.map_or_else(|e| number(e.code), |()| 0)
}

unsafe extern "C" fn host_take(ctx: *mut c_void, name: c::View) -> i32 {
    // SAFETY: as in `host_log`.
    let (context, name) = unsafe { (context(ctx), text(name)) };
    context
        .and_then(|context| context.descriptors.take(&name))
        .map_or(-1, IntoRawFd::into_raw_fd)
}
