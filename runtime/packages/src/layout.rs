use std::path::{Path, PathBuf};

use crate::{Digest, Md5, TreeId};

/// Where everything lies in a store.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// How the name of a tree begins that is being built or removed.
pub(crate) const STAGING: &str = ".staging-";

/// How the name of a note ends that belongs to the file of the same name without it.
pub(crate) const NOTE: &str = "json";

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Layout { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Every folder of the store.
    pub(crate) fn folders(&self) -> [PathBuf; 7] {
        [
            self.new_files(),
            self.parts(),
            self.blobs(),
            self.md5s(),
            self.trees(),
            self.sums(),
            self.quarantine(),
        ]
    }

    pub(crate) fn new_files(&self) -> PathBuf {
        self.root.join("new")
    }

    pub(crate) fn parts(&self) -> PathBuf {
        self.root.join("ingest")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    pub(crate) fn md5s(&self) -> PathBuf {
        self.root.join("blobs/md5")
    }

    pub(crate) fn trees(&self) -> PathBuf {
        self.root.join("trees")
    }

    pub(crate) fn sums(&self) -> PathBuf {
        self.root.join("sums")
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// What came of the download whose key has this digest.
    pub(crate) fn part(&self, key: &Digest) -> PathBuf {
        self.parts().join(key.to_string())
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.to_string())
    }

    pub(crate) fn md5(&self, md5: &Md5) -> PathBuf {
        self.md5s().join(md5.to_string())
    }

    pub(crate) fn tree(&self, id: &TreeId) -> PathBuf {
        self.trees().join(id.as_str())
    }

    pub(crate) fn sums_of(&self, id: &TreeId) -> PathBuf {
        self.sums().join(id.as_str())
    }

    pub(crate) fn quarantined(&self, digest: &Digest) -> PathBuf {
        self.quarantine().join(digest.to_string())
    }
}

/// The note that belongs to a file.
pub(crate) fn note_of(file: &Path) -> PathBuf {
    file.with_extension(NOTE)
}
