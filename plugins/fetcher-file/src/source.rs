//! What a path leads to. Opening and reading run on the runtime's blocking threads.

use crate::regular::{Regular, failed};
use crate::state::State;
use crate::tree::Tree;
use aerolith_plugin::{Bytes, Error, Result, Stream};
use std::path::PathBuf;
use tokio::fs;

/// Something that has bytes.
pub(crate) enum Source {
    /// Its own.
    File(Regular),
    /// Those of an archive of what is in it.
    Directory(Tree),
}

impl Source {
    /// Opens a regular file or a directory; links on the way are followed. Anything else is refused before it is opened,
    /// for opening a device or a pipe may do something or wait.
    pub(crate) async fn open(path: PathBuf) -> Result<Self> {
        let met = fs::metadata(&path).await.map_err(|e| failed(&path, &e))?;
        if met.is_dir() {
            return Tree::list(path).await.map(Self::Directory);
        }
        if !met.is_file() {
            return Err(Error::invalid(format!(
                "`{}` is a device, pipe or socket: expected a regular file or a directory",
                path.display()
            )));
        }
        Regular::open(path).await.map(Self::File)
    }

    pub(crate) fn state(&self) -> State {
        match self {
            Self::File(file) => file.state(),
            Self::Directory(tree) => tree.state(),
        }
    }

    /// Delivers the bytes from `offset` to the end. Answers how many.
    pub(crate) async fn deliver(self, offset: u64, into: &Stream<Bytes>) -> Result<u64> {
        match self {
            Self::File(file) => file.deliver(offset, into).await,
            Self::Directory(tree) => tree.deliver(offset, into).await,
        }
    }
}
