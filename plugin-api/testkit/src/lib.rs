//! Conformance suites: what every plugin must do, and what a plugin of a capability must do.
//!
//! A suite speaks to a [`Service`](aerolith_plugin_wire::Service), so it cannot know, and may not ask, whether the plugin
//! is linked in, loaded from a library, in a child process, or written in C: the same suite serves all four. It answers a
//! [`Report`], in which each check has a name and each failure its reason; no check ends the others.
//!
//! ```no_run
//! # async fn test(service: std::sync::Arc<dyn aerolith_plugin_wire::Service>) {
//! aerolith_plugin_testkit::accel::run(&service).await.assert_clean();
//! # }
//! ```
//!
//! Suites run on a tokio runtime with time enabled. [`plugins`] builds plugin crates and learns where their libraries lie.

mod expect;
mod instance;
pub mod plugins;
mod report;

pub mod accel;
pub mod arch;
pub mod calls;
pub mod engine;
pub mod fetcher;
pub mod life;

pub use report::{Failed, Report};
