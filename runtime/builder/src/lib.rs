//! Packages as their makers see them: folders become archives and the configuration to import, and two of them are
//! compared.
//!
//! This room knows files, archives and the model. It may **not** know the network, the node, plugins, or which platform
//! this machine is.

mod content;
mod tree;

pub use content::Content;
pub use tree::{Kind, Tree, TreeError};
