//! Waiting for a descriptor of the system's own kind: a process, a watch.

use rustix::fd::OwnedFd;
use std::io;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the runtime that is entered, for reading.
///
/// # Errors
/// When the runtime takes no further descriptor.
#[allow(
    deprecated,
    reason = "its successor is unsafe: it wants promised what an `OwnedFd` keeps, one open descriptor"
)]
pub(crate) fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
