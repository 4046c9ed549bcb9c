//! What a plugin is written with: implement [`Plugin`] and the trait of a capability, then write [`export_plugin!`].
//!
//! ```
//! use aerolith_plugin::wire::arch::{ArchResolver, Choice, Objects, Platform};
//! use aerolith_plugin::{Context, Plugin, Result, export_plugin};
//!
//! struct Pdp11;
//!
//! impl Plugin for Pdp11 {
//!     type Config = ();
//!     fn create(_context: Context, _config: ()) -> Result<Self> {
//!         Ok(Self)
//!     }
//! }
//!
//! impl ArchResolver for Pdp11 {
//!     async fn platform(&self) -> Result<Platform> {
//!         Ok(Platform { name: "unix-pdp11".into(), ..Platform::default() })
//!     }
//!     async fn resolve(&self, objects: Objects) -> Result<Choice> {
//!         Ok(Choice { chosen: objects.objects.into_iter().map(|o| o.name).collect(), ..Choice::default() })
//!     }
//! }
//!
//! export_plugin! { plugin: Pdp11, name: "arch-pdp11", vendor: "Digital", provides: [arch] }
//! # fn main() {}
//! ```
//!
//! Everything in a plugin runs guarded: a panic in a call, a poll, a spawned task or a drop becomes an error and never
//! crosses the library's edge. A plugin knows nothing of the core's crates; what it may ask of the core is [`Context`].
//!
//! A plugin sets no signal handler, working directory, umask, environment variable, rlimit or subreaper flag: those are
//! the process's, and the process is the core's. It waits only for pids that it started.

#[cfg(panic = "abort")]
compile_error!(
    "an Aerolith plugin must unwind, or a panic in it would end the whole node: build with `panic = \"unwind\"`"
);

mod context;
#[doc(hidden)]
pub mod export;
mod guard;
mod log;
#[doc(hidden)]
pub mod manifest;
mod plugin;
mod scope;
#[cfg(feature = "testing")]
pub mod testing;

pub use aerolith_plugin_abi as abi;
pub use aerolith_plugin_wire as wire;
pub use context::{Context, Core, Task};
pub use plugin::Plugin;
pub use tracing;
pub use wire::{Bytes, Code, Error, Result, Sent, Service, Stream};
