//! What the journeys share: a core that remembers, and the files that cargo built.

pub(crate) mod build;
pub(crate) mod core;
