//! The node: desired state on disk, plans executed through plugins, instances supervised, a bus for what happens.
//!
//! This is where pure decisions meet the machine. It may **not** know how a plugin is loaded or where one comes from
//! (it asks [`Plugins`] for whoever offers a capability), what another system's files look like, HTTP, or how an
//! instance is really run: that is the engines' business, as digests and archives are the package store's.

mod bus;
mod durable;
mod lock;
mod metrics;
mod state;
mod topic;

pub use bus::{Bus, Events};
pub use durable::FileError;
pub use lock::LockError;
pub use metrics::{MetricError, Metrics};
pub use state::{Damaged, ResourceId};
pub use topic::{BadTopic, Filter};
