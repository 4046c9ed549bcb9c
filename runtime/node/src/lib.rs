//! The node: desired state on disk, plans executed through plugins, instances supervised, a bus for what happens.
//!
//! This is where pure decisions meet the machine. It may **not** know how a plugin is loaded or where one comes from
//! (it asks [`Plugins`] for whoever offers a capability), what another system's files look like, HTTP, or how an
//! instance is really run: that is the engines' business, as digests and archives are the package store's.

mod admission;
mod blocking;
mod bus;
mod chance;
mod desired;
mod difference;
mod driver;
mod durable;
mod enforcement;
mod environment;
mod fetch;
mod folders;
mod foundation;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hosted;
mod jobs;
mod kv;
mod layout;
mod lock;
mod metrics;
mod news;
mod node;
mod pins;
mod plugins;
mod policy;
mod ports;
mod prepare;
mod processes;
mod program;
mod record;
mod registry;
mod rollout;
mod services;
mod state;
mod status;
mod supervise;
mod time;
mod topic;
mod trial;
mod uses;
mod workload;
mod workspace;

pub use aerolith_plan::Updates;
pub use blocking::LostThread;
pub use bus::{Bus, Events};
pub use difference::{Action, ApplicationChange, ResourceChange, ServiceChange};
pub use driver::CleanError;
pub use durable::FileError;
pub use enforcement::WrongUser;
pub use fetch::FetchError;
pub use foundation::{Foundation, OpenError, Settings};
pub use layout::{MountError, WrongHostPath};
pub use lock::LockError;
pub use metrics::{MetricError, Metrics};
pub use node::{
    Applied, ChangeError, Deployed, Logs, LogsError, Misfit, Node, PackageItem, PackageState, PlannedStep, RetryError,
    Unfit, Versioned,
};
pub use plugins::{NoProvider, Plugins};
pub use policy::{Edited, Forbidden, HostPathRule, NotAllowed, PackagePolicy, Signatures, WorkloadPolicy};
pub use ports::{InvalidRange, PortConflict, PortRange};
pub use prepare::PrepareError;
pub use processes::Processes;
pub use program::PackageError;
pub use rollout::{Rollout, Stage};
pub use services::Services;
pub use state::{Damaged, Outcome, ResourceId, RollbackError, StateError};
pub use status::{
    ApplicationStatus, Aspect, Condition, InstanceStatus, NodeStatus, Reason, ServiceStatus, Summary, Truth,
};
pub use supervise::Phase;
pub use topic::{BadTopic, Filter};
pub use trial::{Trial, Tried, Unresolved, choose};
