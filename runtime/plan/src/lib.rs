//! The planner: what is desired and what is observed in, the steps that may be taken now out; and the policies that
//! decide alone, such as when to restart.
//!
//! Everything here is pure and deterministic. This room may not know files, processes, plugins, clocks (time is passed
//! in) or randomness; it says what to do and never does it.

mod fingerprint;
mod goals;
mod id;
mod observed;
mod planner;
pub mod probe;
pub mod restart;
pub mod trial;
mod verdict;

pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use goals::{Generation, Goal, Goals, Job, Library, PlanError, Target, Updates};
pub use id::{InstanceId, InvalidInstanceId, RunId, ServiceId, VersionId};
pub use observed::{Fitness, Observed, Seen, State, Trial};
pub use planner::{Step, plan};
pub use verdict::{Verdict, is_up, verdict};
