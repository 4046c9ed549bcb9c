//! The smallest host of a C plugin: loads it, and calls the entry directly.

use aerolith_plugin::wire::Reply;
use aerolith_plugin::{Bytes, Code, Error, Result, Sent, Service};
use aerolith_plugin_abi::SinkBox;
use aerolith_plugin_abi::c::{ENTRY_SYMBOL, HostV1, PluginV1, Receiver, View};
use std::ffi::c_void;
use std::path::Path;
use std::sync::Arc;

/// A library that was loaded, for ever.
pub(crate) struct Library(&'static PluginV1);

impl Library {
    pub(crate) fn load(path: &Path) -> Self {
        // SAFETY: loading the plugin runs no code of its own; the symbol is a table of this layout, as the test of the
        // layouts shows, and lives as long as its library, which is never unloaded.
        let entry = unsafe {
            let library = Box::leak(Box::new(libloading::Library::new(path).unwrap()));
            &**library.get::<*const PluginV1>(ENTRY_SYMBOL).unwrap()
        };
        assert_eq!((entry.size as usize, entry.entry_major), (size_of::<PluginV1>(), 1));
        Self(entry)
    }

    pub(crate) fn manifest(&self) -> &'static [u8] {
        // SAFETY: the manifest lies in the library, which is never unloaded.
        unsafe { self.0.manifest.bytes() }
    }

    pub(crate) fn create(&self, config: &str) -> Result<Instance> {
        let (mut this, mut message) = (std::ptr::null_mut(), Vec::new());
        let (name, config, state) = (View::of(b"monitor-1"), View::of(config.as_bytes()), View::of(b""));
        // SAFETY: every view and receiver outlives the call, and the host everything.
        let code = unsafe { (self.0.create.unwrap())(&HOST, name, config, state, &mut this, into(&mut message)) };
        answered(code, message).map(|_| Instance(Arc::new(Raw { entry: self.0, this })))
    }
}

/// An instance; calls under way keep it alive.
pub(crate) struct Instance(Arc<Raw>);

struct Raw {
    entry: &'static PluginV1,
    this: *mut c_void,
}

// SAFETY: the header demands that every function may be called from any thread, several at once.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: this is the last owner, so no call is running.
        unsafe { (self.entry.destroy.unwrap())(self.this) };
    }
}

impl Raw {
    fn call(&self, method: &str, request: &[u8]) -> Result<Bytes> {
        let mut reply = Vec::new();
        let (method, request) = (View::of(method.as_bytes()), View::of(request));
        // SAFETY: every view and receiver outlives the call.
        let code =
            unsafe { (self.entry.call.unwrap())(self.this, method, request, std::ptr::null(), into(&mut reply)) };
        answered(code, reply)
    }
}

impl Service for Instance {
    fn call(&self, method: &str, request: Bytes, _: Option<SinkBox>) -> Reply {
        let (raw, method) = (self.0.clone(), method.to_owned());
        Box::pin(async move {
            let answer = tokio::task::spawn_blocking(move || raw.call(&method, &request)).await;
            answer.unwrap_or_else(|e| Err(Error::new(Code::Panic, e)))
        })
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        // SAFETY: both views outlive the call.
        let code = unsafe { (self.0.entry.send.unwrap())(self.0.this, View::of(method.as_bytes()), View::of(item)) };
        match code {
            0 => Ok(Sent::Accepted),
            1 => Ok(Sent::Full),
            code => Err(Error::new(Code::from_number(code.unsigned_abs()), method)),
        }
    }
}

fn answered(code: i32, bytes: Vec<u8>) -> Result<Bytes> {
    match code {
        0 => Ok(bytes.into()),
        code => Err(Error::new(
            Code::from_number(code.unsigned_abs()),
            String::from_utf8_lossy(&bytes),
        )),
    }
}

fn into(buffer: &mut Vec<u8>) -> Receiver {
    Receiver {
        take,
        into: std::ptr::from_mut(buffer).cast(),
    }
}

unsafe extern "C" fn take(into: *mut c_void, data: View) -> i32 {
    // SAFETY: `into` is the buffer of a receiver that outlives the call, and the plugin's view is valid.
    unsafe { (*into.cast::<Vec<u8>>()).extend_from_slice(data.bytes()) };
    0
}

/// A host that hears the log and has nothing else to give.
static HOST: HostV1 = HostV1 {
    size: size_of::<HostV1>() as u32,
    api_minor: aerolith_plugin_abi::API.minor,
    ctx: std::ptr::null_mut(),
    log: host_log,
    call: host_call,
    send: host_send,
    keep: host_keep,
    take: host_take,
};

unsafe extern "C" fn host_log(_: *mut c_void, level: u8, target: View, message: View, fields: View) {
    assert!((1..=5).contains(&level));
    for view in [target, message, fields] {
        // SAFETY: the plugin's views are valid for the call.
        assert!(std::str::from_utf8(unsafe { view.bytes() }).is_ok());
    }
}

unsafe extern "C" fn host_call(_: *mut c_void, _: View, _: View, _: Receiver) -> i32 {
    Code::Unimplemented as i32
}

unsafe extern "C" fn host_send(_: *mut c_void, _: View, _: View) -> i32 {
    -(Code::Unimplemented as i32)
}

unsafe extern "C" fn host_keep(_: *mut c_void, _: View, _: i32) -> i32 {
    Code::Unimplemented as i32
}

unsafe extern "C" fn host_take(_: *mut c_void, _: View) -> i32 {
    -1
}
