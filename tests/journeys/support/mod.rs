//! What the journeys share: a core that remembers, whole nodes, servers, and the files that cargo built.

pub(crate) mod build;
pub(crate) mod core;
pub(crate) mod depot;
#[path = "../../../plugins/fetcher-s3/tests/store/moto.rs"]
#[allow(dead_code, reason = "the plugin's own tests use the rest of it")]
pub(crate) mod moto;
pub(crate) mod node;
pub(crate) mod package;
pub(crate) mod processes;
pub(crate) mod random;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod terminal;
