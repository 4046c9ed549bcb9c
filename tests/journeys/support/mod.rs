//! What the journeys share: a core that remembers, whole nodes, servers, and the files that cargo built.

pub(crate) mod build;
pub(crate) mod core;
pub(crate) mod depot;
pub(crate) mod node;
pub(crate) mod package;
pub(crate) mod processes;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod terminal;
