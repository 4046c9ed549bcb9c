//! The four types that cross: root, instance, sink, host table; and the error that each answer may hold.
#![allow(
    non_local_definitions,
    non_camel_case_types,
    missing_docs,
    reason = "written by abi_stable's derive macros"
)]

use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RBox, RVec};
use abi_stable::{StableAbi, declare_root_module_statics, package_version_strings, sabi_trait};
use async_ffi::FutureExt as _;

pub use abi_stable::std_types::{RErr, RNone, ROk, ROption, RResult, RSlice, RSome, RStr, RString};
pub use async_ffi::FfiFuture;

/// Owned bytes. They are freed by the side that made them, whoever drops them.
pub type Bytes = RVec<u8>;

/// What every call answers.
pub type Answer<T> = RResult<T, PluginError>;

/// The one error that crosses. Frozen for ever: whatever is new goes into `detail`, which is JSON or empty.
#[repr(C)]
#[derive(StableAbi, Debug, Clone, PartialEq, Eq)]
pub struct PluginError {
    /// One of the numbers of `aerolith_plugin_wire::Code`; an unknown one means "internal".
    pub code: u32,
    /// Bit 0: trying again may help.
    pub flags: u32,
    /// For people: what was wanted, what was found, what to do.
    pub message: RString,
    /// JSON, or empty.
    pub detail: RString,
}

/// Bit 0 of [`PluginError::flags`].
pub const RETRYABLE: u32 = 1;

/// Answer of a `send` that was taken.
pub const ACCEPTED: u8 = 0;
/// Answer of a `send` that found no room: nothing was taken, try later.
pub const FULL: u8 = 1;

/// Receives a stream of items, in either direction. Dropping it ends the stream as well as closing it does.
#[sabi_trait]
pub trait Sink: Send + Sync {
    /// Ready once the receiver has room for more: that is the back-pressure.
    fn write(&self, item: Bytes) -> FfiFuture<Answer<()>>;

    /// Ends the stream, with the reason when it ended early.
    #[sabi(last_prefix_field)]
    fn close(&self, reason: ROption<PluginError>);
}

/// A sink of either side.
pub type SinkBox = Sink_TO<'static, RBox<()>>;

/// One configured copy of a plugin. Method names carry their capability: `engine/1.start`.
#[sabi_trait]
pub trait Instance: Send + Sync {
    /// Everything that has an answer. Dropping the future cancels the work.
    fn call(&self, method: RStr<'_>, request: Bytes, sink: ROption<SinkBox>) -> FfiFuture<Answer<Bytes>>;

    /// The hot one-way path: [`ACCEPTED`] or [`FULL`], at once.
    #[sabi(last_prefix_field)]
    fn send(&self, method: RStr<'_>, item: RSlice<'_, u8>) -> Answer<u8>;
}

/// An instance of a plugin, owned by the host.
pub type InstanceBox = Instance_TO<'static, RBox<()>>;

/// What the core does for a plugin. Everything that is not of the executor, the log or a descriptor is a method of
/// `host/1` or of another plugin's capability, reached through `call` and `send`.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = HostTable_Ref)))]
#[sabi(missing_field(option))]
pub struct HostTable {
    /// Level 1 (error) to 5 (trace); `fields` is a JSON object or empty.
    pub log: extern "C" fn(ctx: u64, level: u8, target: RStr<'_>, message: RStr<'_>, fields: RStr<'_>),
    /// Calls a method of `host/1`, or of another plugin within the permissions.
    pub call:
        extern "C" fn(ctx: u64, method: RStr<'_>, request: Bytes, sink: ROption<SinkBox>) -> FfiFuture<Answer<Bytes>>,
    /// The one-way path of the same.
    pub send: extern "C" fn(ctx: u64, method: RStr<'_>, item: RSlice<'_, u8>) -> Answer<u8>,
    /// Runs a future on the host's executor until it ends, is aborted, or the instance stops. Answers the task's number.
    pub spawn: extern "C" fn(ctx: u64, future: FfiFuture<()>) -> u64,
    /// Drops a spawned future.
    pub abort: extern "C" fn(ctx: u64, task: u64),
    /// Ready after so many milliseconds.
    pub sleep: extern "C" fn(ctx: u64, milliseconds: u64) -> FfiFuture<()>,
    /// Leaves a duplicate of a descriptor in the instance's descriptor store, under a name.
    pub keep: extern "C" fn(ctx: u64, name: RStr<'_>, fd: i32) -> Answer<()>,
    /// Takes a descriptor out of the store: the caller owns it from then on.
    #[sabi(last_prefix_field)]
    pub take: extern "C" fn(ctx: u64, name: RStr<'_>) -> Answer<i32>,
    /// API 0.2: the most verbose level that the log wants now, 0 (nothing) to 5 (trace). A host without it wants all.
    pub level: extern "C" fn(ctx: u64) -> u8,
}

/// The host as an instance sees it. `ctx` names the instance; it is worth nothing once the instance has stopped.
#[repr(C)]
#[derive(StableAbi, Copy, Clone)]
pub struct Host {
    pub ctx: u64,
    pub table: HostTable_Ref,
}

// SAFETY: a number and a reference to a leaked, immutable table of functions, which are all callable from any thread.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

/// The root of a library.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = Root_Ref)))]
#[sabi(missing_field(option))]
pub struct Root {
    /// The manifest, with the API range: the same text as in the file's section.
    pub manifest: extern "C" fn() -> RStr<'static>,
    /// Makes an instance from its name, its configuration (JSON), and the state that a predecessor left (or nothing).
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(
        host: Host,
        instance: RStr<'_>,
        config: RSlice<'_, u8>,
        state: RSlice<'_, u8>,
    ) -> Answer<InstanceBox>,
}

impl RootModule for Root_Ref {
    declare_root_module_statics! {Root_Ref}
    const BASE_NAME: &'static str = "aerolith_plugin";
    const NAME: &'static str = "aerolith_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// Wraps a future for the crossing. It must not panic: guard it first.
pub fn crossing<T: 'static>(future: impl Future<Output = T> + Send + 'static) -> FfiFuture<T> {
    future.into_ffi()
}

/// Wraps an instance for the crossing.
pub fn instance(instance: impl Instance + 'static) -> InstanceBox {
    Instance_TO::from_value(instance, abi_stable::sabi_trait::TD_Opaque)
}

/// Wraps a sink for the crossing.
pub fn sink(sink: impl Sink + 'static) -> SinkBox {
    Sink_TO::from_value(sink, abi_stable::sabi_trait::TD_Opaque)
}
