//! Why the state cannot be opened.

use std::path::PathBuf;

use super::head::SCHEMA;
use crate::durable::FileError;

/// Why the state cannot be opened. Nothing has changed on disk then, unless the file system refused half-way.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A newer release wrote it.
    #[error(
        "the state in {} is of schema {schema}, written by {}, but this is aerolith {}, which reads up to schema \
         {SCHEMA}: start the release that wrote it or a newer one, or put back the data folder as it was before the \
         upgrade; nothing has been changed",
        folder.display(), release(.written_by), env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The folder of the state.
        folder: PathBuf,
        /// Its schema.
        schema: u64,
        /// The version of the daemon that wrote it, where it says so.
        written_by: Option<String>,
    },
    /// The node's key is none.
    #[error(
        "the node's key {} has {found} bytes instead of 32: put the right file back; if it is lost for ever, move this \
         one away, start again, and apply the secrets again",
        path.display()
    )]
    Key {
        /// Its file.
        path: PathBuf,
        /// Bytes in it.
        found: usize,
    },
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
}

fn release(written_by: &Option<String>) -> String {
    match written_by {
        Some(version) => format!("aerolith {version}"),
        None => "a newer release".into(),
    }
}
