//! The waist in plain C: the layout of `plugin-api/c/aerolith_plugin.h`, field by field.
//!
//! Rules, as in CLAP and in Envoy's dynamic modules: one exported symbol; every table begins with its size and is only
//! ever appended to; nobody frees the other side's memory, results are handed to a callback that copies.

use std::ffi::c_void;

/// The symbol that a C plugin exports, with its terminating NUL.
pub const ENTRY_SYMBOL: &[u8] = b"aerolith_plugin_v1\0";

/// Borrowed bytes; text is UTF-8. Valid for the call that carries it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// First byte; may be null when `len` is 0.
    pub ptr: *const u8,
    /// Number of bytes.
    pub len: usize,
}

impl View {
    /// A view of bytes that outlive the call.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        Self {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// The bytes.
    ///
    /// # Safety
    /// `ptr` must be valid for `len` bytes as long as the result is used.
    #[must_use]
    pub const unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// Takes bytes from the other side and copies them. Answers 0, or a code when no more is wanted.
pub type Take = unsafe extern "C" fn(into: *mut c_void, data: View) -> i32;

/// Where a C function leaves an error beside the code that it answers.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Receiver {
    /// Called any number of times before the function returns.
    pub take: Take,
    /// Passed to `take`.
    pub into: *mut c_void,
}

/// `aerolith_host`: what the core does for a C plugin.
#[repr(C)]
#[derive(Debug)]
pub struct HostV1 {
    /// `sizeof(aerolith_host)` of the side that wrote it.
    pub size: u32,
    /// Minor of the API that the host speaks.
    pub api_minor: u32,
    /// Passed back to every function.
    pub ctx: *mut c_void,
    /// Level 1 (error) to 5 (trace); `fields` is a JSON object or empty.
    pub log: unsafe extern "C" fn(ctx: *mut c_void, level: u8, target: View, message: View, fields: View),
    /// Calls a method of `host/1` or of another plugin, and waits for the answer.
    pub call: unsafe extern "C" fn(ctx: *mut c_void, method: View, request: View, reply: Receiver) -> i32,
    /// The one-way path: 0 taken, 1 no room, else a negative code.
    pub send: unsafe extern "C" fn(ctx: *mut c_void, method: View, item: View) -> i32,
    /// Leaves a duplicate of a descriptor in the descriptor store.
    pub keep: unsafe extern "C" fn(ctx: *mut c_void, name: View, fd: i32) -> i32,
    /// Takes a descriptor out of the store, or answers -1.
    pub take: unsafe extern "C" fn(ctx: *mut c_void, name: View) -> i32,
}

/// `aerolith_plugin`: what a C plugin exports under [`ENTRY_SYMBOL`].
#[repr(C)]
#[derive(Debug)]
pub struct PluginV1 {
    /// `sizeof(aerolith_plugin)` of the side that wrote it.
    pub size: u32,
    /// Major of the C entry: 1.
    pub entry_major: u32,
    /// The manifest, the same text as in the file's section.
    pub manifest: View,
    /// Makes an instance; on failure leaves the message in `error` and answers a code.
    pub create: Option<
        unsafe extern "C" fn(
            host: *const HostV1,
            instance: View,
            config: View,
            state: View,
            out: *mut *mut c_void,
            error: Receiver,
        ) -> i32,
    >,
    /// Answers a call from any thread; it may block. `items` takes the items of a stream, `reply` the answer or the
    /// error's message. Answers 0 or a code.
    pub call: Option<
        unsafe extern "C" fn(
            this: *mut c_void,
            method: View,
            request: View,
            items: *const Receiver,
            reply: Receiver,
        ) -> i32,
    >,
    /// The one-way path: 0 taken, 1 no room, else a negative code. Must not block.
    pub send: Option<unsafe extern "C" fn(this: *mut c_void, method: View, item: View) -> i32>,
    /// Ends the instance; no call is running.
    pub destroy: Option<unsafe extern "C" fn(this: *mut c_void)>,
}

// SAFETY: immutable tables of functions that may be called from any thread, as the header demands.
unsafe impl Sync for HostV1 {}
// SAFETY: as above.
unsafe impl Send for HostV1 {}
// SAFETY: as above.
unsafe impl Sync for PluginV1 {}
