use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FlockOperation;

use crate::durable::sync_dir;
use crate::error::{OnPath, escape};
use crate::lease::{Lease, Leases};
use crate::{Digest, Limits, StoreError, TreeId};

/// An open package store. Clones share it; the lock on the root is given back when the last clone, and the last
/// [`Ingest`](crate::Ingest) or [`Staged`](crate::Staged) made from it, is dropped.
#[derive(Debug, Clone)]
pub struct Store(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    root: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) leases: Leases,
    next: AtomicU64,
    _lock: File,
}

/// Something the store holds under a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stored {
    /// A file by its digest.
    Blob(Digest),
    /// A tree by its id.
    Tree(TreeId),
}

/// A whole verified file in the store, read-only. It is not cleaned away while a copy of this value lives.
#[derive(Debug, Clone)]
pub struct Blob {
    digest: Digest,
    size: u64,
    path: PathBuf,
    _lease: Lease,
}

/// A published tree, read-only. It is not cleaned away while a copy of this value lives.
#[derive(Debug, Clone)]
pub struct Tree {
    id: TreeId,
    root: PathBuf,
    _lease: Lease,
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

impl Store {
    /// Opens the store at `root`, making the folder when it is absent, and removes what a crash left half-done.
    /// Errors: [`StoreError::Locked`] with the holder's pid when it is open already, or what the file system says.
    pub fn open(root: impl Into<PathBuf>, limits: Limits) -> Result<Self, StoreError> {
        let root = root.into();
        fs::create_dir_all(&root).on("create the folder", &root)?;
        let lock = lock(&root)?;
        let inner = Inner {
            root,
            limits,
            leases: Leases::default(),
            next: AtomicU64::new(0),
            _lock: lock,
        };
        for dir in [inner.ingests(), inner.blobs(), inner.trees()] {
            fs::create_dir_all(&dir).on("create the folder", &dir)?;
        }
        sync_dir(&inner.root.join("blobs"))?;
        sync_dir(&inner.root)?;
        inner.sweep()?;
        Ok(Store(Arc::new(inner)))
    }

    /// The stored file with this digest, if there is one.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Blob>, StoreError> {
        let path = self.0.blob_path(digest);
        match self.0.hold_blob(*digest, || {
            fs::metadata(&path).on("look at", &path).map(|meta| meta.len())
        }) {
            Ok(blob) => Ok(Some(blob)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The published tree with this id, if there is one.
    pub fn tree(&self, id: &TreeId) -> Result<Option<Tree>, StoreError> {
        let root = self.0.tree_path(id);
        match self.0.hold_tree(id.clone(), || {
            fs::symlink_metadata(&root).on("look at", &root).map(drop)
        }) {
            Ok(tree) => Ok(Some(tree)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Inner {
    pub(crate) fn ingests(&self) -> PathBuf {
        self.root.join("ingest")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    pub(crate) fn trees(&self) -> PathBuf {
        self.root.join("trees")
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.to_string())
    }

    pub(crate) fn tree_path(&self, id: &TreeId) -> PathBuf {
        self.trees().join(id.as_str())
    }

    /// A place for a download. The number is free: the lock keeps others out and `open` swept the folder.
    pub(crate) fn ingest_path(&self) -> PathBuf {
        self.ingests().join(self.number().to_string())
    }

    /// A place for a tree that is being built or removed.
    pub(crate) fn staging_path(&self) -> PathBuf {
        self.trees().join(format!("{STAGING}{}", self.number()))
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs `step`, after which the blob is stored and which answers its size, and leases the blob.
    pub(crate) fn hold_blob(
        &self,
        digest: Digest,
        step: impl FnOnce() -> Result<u64, StoreError>,
    ) -> Result<Blob, StoreError> {
        let (lease, size) = self.leases.with(&Stored::Blob(digest), step)?;
        Ok(Blob {
            digest,
            size,
            path: self.blob_path(&digest),
            _lease: lease,
        })
    }

    /// Runs `step`, after which the tree is stored, and leases the tree.
    pub(crate) fn hold_tree(
        &self,
        id: TreeId,
        step: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<Tree, StoreError> {
        let (lease, ()) = self.leases.with(&Stored::Tree(id.clone()), step)?;
        Ok(Tree {
            root: self.tree_path(&id),
            id,
            _lease: lease,
        })
    }

    /// Removes what a crash left in `ingest/` and in staging.
    fn sweep(&self) -> Result<(), StoreError> {
        for path in names_in(&self.ingests())? {
            remove(&path)?;
        }
        for path in names_in(&self.trees())? {
            if path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(STAGING.as_bytes()))
            {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

const STAGING: &str = ".staging-";

/// The paths in a folder.
pub(crate) fn names_in(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(dir).on("list", dir)?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).on("list", dir))
        .collect()
}

/// Removes a file or a whole folder; one that is gone already is no error. Follows no link.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.on("remove", path),
    }
}

pub(crate) fn is_absent(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// Takes the root's lock and notes who holds it. The system gives it back when the process ends, however it ends.
fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join("lock");
    let mut writing = OpenOptions::new();
    let writing = writing.write(true).create(true).truncate(false).open(&path);
    let mut pid = writing.on("open", &path)?;
    // Held for reading only, so that the store never keeps its disk from being remounted.
    let file = File::open(&path).on("open", &path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut noted = String::new();
            file.take(32).read_to_string(&mut noted).on("read", &path)?;
            let holder = match noted.trim() {
                "" => "another process".to_owned(),
                pid => format!("process {}", escape(pid)),
            };
            return Err(StoreError::Locked {
                root: root.to_owned(),
                holder,
            });
        }
        Err(error) => return Err(error).on("lock", &path),
    }
    pid.set_len(0)
        .and_then(|()| writeln!(pid, "{}", std::process::id()))
        .on("write", &path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, names};

    #[test]
    fn a_second_open_is_refused_and_names_the_first_ones_pid() {
        let sandbox = Sandbox::new();
        let error = Store::open(sandbox.root(), Limits::default()).unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
        assert!(
            error.to_string().contains(&format!("process {}", std::process::id())),
            "{error}"
        );
    }

    #[test]
    fn the_lock_lives_as_long_as_an_unfinished_download() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Limits::default()).unwrap();
        let ingest = store.ingest(crate::Expected::default()).unwrap();
        drop(store);
        Store::open(dir.path(), Limits::default()).unwrap_err();
        drop(ingest);
        Store::open(dir.path(), Limits::default()).unwrap();
    }

    #[test]
    fn what_a_crash_left_is_removed_at_open_and_nothing_else_is() {
        let sandbox = Sandbox::new();
        let blob = sandbox.blob(b"kept");
        let root = sandbox.root().to_owned();
        let dir = sandbox.close();
        fs::write(root.join("ingest/7"), "half").unwrap();
        fs::create_dir_all(root.join("trees/.staging-3/deep/er")).unwrap();
        fs::write(root.join("trees/.staging-3/deep/er/f"), "half").unwrap();
        std::os::unix::fs::symlink(dir.path(), root.join("trees/.staging-3/link")).unwrap();
        fs::create_dir(root.join("trees/whole")).unwrap();
        let store = Store::open(&root, Limits::default()).unwrap();
        assert!(names(&root.join("ingest")).is_empty());
        assert_eq!(names(&root.join("trees")), ["whole"]);
        assert_eq!(store.blob(blob.digest()).unwrap().unwrap().size(), 4);
        assert!(store.tree(&"whole".parse().unwrap()).unwrap().is_some());
    }

    #[test]
    fn what_is_not_stored_is_none() {
        let sandbox = Sandbox::new();
        assert!(sandbox.store().blob(&Digest::of(b"?")).unwrap().is_none());
        assert!(sandbox.store().tree(&"absent".parse().unwrap()).unwrap().is_none());
    }
}
