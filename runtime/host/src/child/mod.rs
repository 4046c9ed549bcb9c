//! A plugin in a process of its own: the same library, the same methods, over a socket.
//!
//! Both ends speak the same frames and answer the other's calls, so that the child's plugin reaches the core as it would
//! in the daemon. A descriptor travels with the frame that names it.

mod frame;
mod helper;
mod link;
pub(crate) mod parent;
mod peer;

pub use helper::run;
