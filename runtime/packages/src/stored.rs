use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::lease::Lease;
use crate::{Digest, TreeId};

/// Something that the store holds under a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stored {
    /// A file by its digest.
    Blob(Digest),
    /// A tree by its id.
    Tree(TreeId),
    /// What came of a download that is not whole yet, by the SHA-256 of its key.
    Part(Digest),
    /// A download that did not verify, by the digest that it really has.
    Quarantined(Digest),
    /// A tree that is being built or removed, or that a failure left so, by the name of its folder.
    Staging(String),
}

impl Stored {
    /// The kind in one word, as shown to people.
    pub fn kind(&self) -> &'static str {
        match self {
            Stored::Blob(_) => "blob",
            Stored::Tree(_) => "tree",
            Stored::Part(_) => "part",
            Stored::Quarantined(_) => "quarantined",
            Stored::Staging(_) => "staging",
        }
    }

    /// The name, without the kind.
    pub fn name(&self) -> String {
        match self {
            Stored::Blob(digest) | Stored::Part(digest) | Stored::Quarantined(digest) => digest.to_string(),
            Stored::Tree(id) => id.to_string(),
            Stored::Staging(name) => name.clone(),
        }
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}

/// A whole verified file in the store, read-only. It is not cleaned away while a copy of this value lives.
#[derive(Debug, Clone)]
pub struct Blob {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) path: PathBuf,
    /// How its file was when its bytes were hashed on their way here; none when that is longer ago than this value.
    pub(crate) verified: Option<FileState>,
    pub(crate) _lease: Lease,
}

/// A state of a file: another file has another number, and whoever writes to one changes its times (inode(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    pub(crate) fn of(meta: &Metadata) -> Self {
        FileState {
            file: (meta.dev(), meta.ino()),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// A published tree, read-only. It is not cleaned away while a copy of this value lives.
#[derive(Debug, Clone)]
pub struct Tree {
    pub(crate) id: TreeId,
    pub(crate) root: PathBuf,
    pub(crate) _lease: Lease,
}

impl Blob {
    /// The SHA-256 of the bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where it lies; for reading only.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Tree {
    /// The id it was published under.
    pub fn id(&self) -> &TreeId {
        &self.id
    }

    /// The tree's root folder; for reading only.
    pub fn root(&self) -> &Path {
        &self.root
    }
}
