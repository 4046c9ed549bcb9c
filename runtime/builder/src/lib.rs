//! Packages as their makers see them: folders become archives and the configuration to import, and two of them are
//! compared.
//!
//! This room knows files, archives and the model. It may **not** know the network, the node, plugins, or what a
//! platform's name means.

mod archive;
mod compare;
mod content;
mod draft;
mod error;
mod exact;
mod file_url;
mod layout;
mod publish;
mod tarball;
mod tree;
mod zipped;

pub use archive::Format;
pub use compare::{Change, Side, compare};
pub use content::identify;
pub use draft::{Archive, Draft, Request, Version};
pub use error::BuildError;
pub use file_url::file_url;
pub use layout::ANY;
pub use tree::{Kind, Tree, TreeError};
