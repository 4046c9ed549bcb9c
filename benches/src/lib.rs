//! Nothing but benches: `cargo bench -p benches` measures, `cargo test -p benches --benches` runs each once.
//!
//! Every suite measures its floor and, where there is one, a peer in the same run: machines are noisy and differ, so only
//! ratios of one run mean anything. `docs/records/` keeps the last ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what benches share; they fail where they stand"
)]

mod daemon;
mod place;
mod times;

pub use daemon::{Daemon, Events, Node, head};
pub use place::Place;
pub use times::{Times, ms};

/// The profile that plugins are built with: as they ship where time is measured, else quickly.
pub const PLUGIN: &str = if cfg!(debug_assertions) { "dev" } else { "plugin" };

/// The profile that the daemon is built with, likewise.
pub const DAEMON: &str = if cfg!(debug_assertions) { "dev" } else { "release" };
