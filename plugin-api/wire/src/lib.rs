//! What is said across the plugin boundary: one declaration per capability, its request and reply types.
//!
//! From one declaration ([`capability!`]) come the async trait that a plugin implements, the dispatch that answers bytes
//! with it, the typed client, and the list of methods for the manifest. Everything here speaks through [`Service`], so
//! it does not know whether the other side is linked in, a library, a child process, or written in C; nor does it know
//! a runtime, a file or a socket.
//!
//! Payloads are JSON of serde types unless declared `raw`. How a minor version evolves: unknown fields are tolerated,
//! new fields have defaults, enumerations have an `Unknown`, and a method that the other side does not know answers
//! [`Code::Unimplemented`], upon which the client takes the declared default.

mod capability;
mod error;
pub mod payload;
pub mod service;
pub mod stream;

pub mod accel;
pub mod arch;
pub mod bridge;
pub mod engine;
pub mod fetcher;
pub mod frame;
pub mod function;
pub mod host;
pub mod hub;
pub mod link;
pub mod manifest;
pub mod plugin;

#[doc(hidden)]
pub use capability::__unimplemented;
pub use error::{Code, Error, Result};
pub use service::{Reply, Sent, Service};
pub use stream::Stream;

pub use aerolith_plugin_abi::{Bytes, SinkBox};

/// A capability as declared: its name with major version, its methods, and whether it may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Such as `engine/1`.
    pub id: &'static str,
    /// Method names, without the capability.
    pub methods: &'static [&'static str],
    /// What kind each of them is, in the same order.
    pub kinds: &'static [Kind],
    /// False until a real plugin has proven it.
    pub stable: bool,
}

/// What kind of method it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One answer, within the host's deadline.
    Call,
    /// One answer, whenever it comes.
    Open,
    /// Items and then an answer, whenever it comes.
    Stream,
    /// One-way, at once.
    Send,
}

/// The kind of a method by its full name (`engine/1.start`), when this API declares it.
#[must_use]
pub fn kind_of(method: &str) -> Option<Kind> {
    let (id, name) = method.rsplit_once('.')?;
    let capability = CAPABILITIES.iter().find(|c| c.id == id)?;
    let position = capability.methods.iter().position(|m| *m == name)?;
    capability.kinds.get(position).copied()
}

/// Every capability of this API, `plugin/1` and `host/1` included.
pub const CAPABILITIES: &[Capability] = &[
    plugin::CAPABILITY,
    host::CAPABILITY,
    fetcher::CAPABILITY,
    arch::CAPABILITY,
    engine::CAPABILITY,
    hub::CAPABILITY,
    bridge::CAPABILITY,
    accel::CAPABILITY,
    link::CAPABILITY,
    function::CAPABILITY,
];

#[cfg(test)]
mod tests;
