//! What the operator of the node demands: of packages, and of what services ask of the host.

mod asked;
mod host_paths;
mod packages;
mod workloads;

pub(crate) use asked::{Asked, HostPath};
pub use packages::{Edited, Forbidden, PackagePolicy, Signatures};
pub(crate) use workloads::Rules;
pub use workloads::{HostPathRule, NotAllowed, WorkloadPolicy};
