use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::disk::{Disk, OsDisk};
use crate::durable::{exists, make_dirs, parent, remove, sync_dir};
use crate::error::OnPath;
use crate::layout::{Layout, STAGING, note_of};
use crate::lease::{Lease, Leases};
use crate::stored::{Blob, Stored, Tree};
use crate::{Digest, Limits, StoreError, TreeId, lock};

/// An open package store. Clones share it; the lock on the root is given back when the last clone, and the last
/// [`Ingest`](crate::Ingest) or [`Staged`](crate::Staged) made from it, is dropped.
#[derive(Debug, Clone)]
pub struct Store(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) layout: Layout,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) limits: Limits,
    pub(crate) leases: Leases,
    next: AtomicU64,
    _lock: File,
}

impl Store {
    /// Opens the store at `root`, making the folder when it is absent, and removes what a crash left half-done, but
    /// for downloads that can go on. Errors: [`StoreError::Locked`] with the holder's pid when it is open already, or
    /// what the file system says.
    pub fn open(root: impl Into<PathBuf>, limits: Limits) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(OsDisk), root.into(), limits)
    }

    pub(crate) fn open_on(disk: Arc<dyn Disk>, root: PathBuf, limits: Limits) -> Result<Self, StoreError> {
        make_dirs(&*disk, &root)?;
        let layout = Layout::new(root);
        let lock = lock::take(&layout)?;
        let inner = Inner {
            layout,
            disk,
            limits,
            leases: Leases::default(),
            next: AtomicU64::new(0),
            _lock: lock,
        };
        inner.make_folders()?;
        inner.sweep()?;
        Ok(Store(Arc::new(inner)))
    }

    /// The stored file with this digest, if there is one.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Blob>, StoreError> {
        let path = self.0.layout.blob(digest);
        found(self.0.hold_blob(*digest, || {
            fs::metadata(&path).on("look at", &path).map(|meta| meta.len())
        }))
    }

    /// The published tree with this id, if there is one and the digests of its files are on record.
    pub fn tree(&self, id: &TreeId) -> Result<Option<Tree>, StoreError> {
        let (root, sums) = (self.0.layout.tree(id), self.0.layout.sums_of(id));
        found(self.0.hold_tree(id.clone(), || {
            [&root, &sums]
                .into_iter()
                .try_for_each(|path| fs::symlink_metadata(path).on("look at", path).map(drop))
        }))
    }
}

/// What is not there is no error.
fn found<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Inner {
    /// Makes the folders where they are missing, and every name durable: a process that was killed may have given one
    /// without coming to its sync, and from now on what it names is answered.
    fn make_folders(&self) -> Result<(), StoreError> {
        let (disk, root) = (&*self.disk, self.layout.root());
        for folder in self.layout.folders() {
            make_dirs(disk, &folder)?;
            sync_dir(disk, &folder)?;
        }
        sync_dir(disk, &root.join("blobs"))?;
        sync_dir(disk, root)?;
        match sync_dir(disk, parent(root)) {
            // Then the root is not of our making either.
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            other => other,
        }
    }

    /// A name that nothing else has: the lock keeps others out, and `open` swept what carried such names.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A free place for a tree that is being built or removed. While the lease lives it is not taken for a leftover.
    pub(crate) fn staging(&self) -> (Lease, PathBuf) {
        let name = format!("{STAGING}{}", self.number());
        let path = self.layout.trees().join(&name);
        (self.leases.hold(Stored::Staging(name)), path)
    }

    /// Takes a tree out of the store. Whoever holds it keeps what it has open.
    pub(crate) fn withdraw(&self, id: &TreeId) -> Result<(), StoreError> {
        let (_lease, away) = self.staging();
        drop(
            self.leases
                .with(&Stored::Tree(id.clone()), || self.move_tree_out(id, &away))?,
        );
        remove(&*self.disk, &away)
    }

    /// Takes its name from a tree, first the digests that make it trusted.
    pub(crate) fn move_tree_out(&self, id: &TreeId, away: &Path) -> Result<(), StoreError> {
        remove(&*self.disk, &self.layout.sums_of(id))?;
        self.move_out(&self.layout.tree(id), away)
    }

    /// Takes its name from something in the store, if it is there, by one rename, so that nobody sees half of it while it
    /// is removed.
    pub(crate) fn move_out(&self, path: &Path, away: &Path) -> Result<(), StoreError> {
        if !exists(path)? {
            return Ok(());
        }
        self.disk.rename(path, away).on("move out of the store", path)?;
        sync_dir(&*self.disk, parent(path))
    }

    /// Gives a small file its name and content, durable, in one step.
    pub(crate) fn put(&self, to: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let new = self.layout.new_files().join(self.number().to_string());
        let put = self.write_new(&new, bytes).and_then(|()| {
            self.disk.rename(&new, to).on("rename a new file to", to)?;
            sync_dir(&*self.disk, parent(to))
        });
        if put.is_err() {
            // The next open sweeps what cannot be removed now.
            let _ = self.disk.remove_file(&new);
        }
        put
    }

    /// Gives a file of the store its note.
    pub(crate) fn put_note(&self, file: &Path, note: &impl Serialize) -> Result<(), StoreError> {
        let path = note_of(file);
        let bytes = serde_json::to_vec(note).map_err(io::Error::from).on("write", &path)?;
        self.put(&path, &bytes)
    }

    fn write_new(&self, new: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.disk.create(new, 0o644).on("create", new)?;
        file.write_all(bytes).and_then(|()| file.sync()).on("write", new)
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
            path: self.layout.blob(&digest),
            verified: None,
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
            root: self.layout.tree(&id),
            id,
            _lease: lease,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Download;
    use crate::sandbox::{self, Sandbox, names, text};

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
        let open = || sandbox::open(Arc::new(OsDisk), dir.path(), Limits::default());
        let store = open().unwrap();
        let ingest = store.ingest(Download::default()).unwrap();
        drop(store);
        open().unwrap_err();
        drop(ingest);
        open().unwrap();
    }

    #[test]
    fn what_a_crash_left_is_removed_at_open_and_nothing_else_is() {
        let sandbox = Sandbox::new();
        let blob = sandbox.blob(b"kept");
        let whole = "whole".parse().unwrap();
        let staged = sandbox.store().stage(&[text("f", "x")]).unwrap();
        let kept = (*blob.digest(), staged.publish(whole).unwrap().id().clone());
        drop(blob);
        let root = sandbox.root().to_owned();
        let dir = sandbox.close();
        let orphan = Digest::of(b"orphan").to_string();
        for file in [
            format!("ingest/{orphan}"),
            "ingest/7.json".into(),
            "new/3".into(),
            "sums/gone".into(),
            format!("quarantine/{orphan}"),
            "quarantine/7.json".into(),
        ] {
            fs::write(root.join(file), "half").unwrap();
        }
        fs::create_dir_all(root.join("trees/.staging-3/deep/er")).unwrap();
        fs::write(root.join("trees/.staging-3/deep/er/f"), "half").unwrap();
        std::os::unix::fs::symlink(dir.path(), root.join("trees/.staging-3/link")).unwrap();
        let store = sandbox::open(Arc::new(OsDisk), &root, Limits::default()).unwrap();
        for folder in ["ingest", "new", "quarantine"] {
            assert_eq!(names(&root.join(folder)), [""; 0], "{folder}");
        }
        assert_eq!(names(&root.join("trees")), ["whole"]);
        assert_eq!(names(&root.join("sums")), ["whole"]);
        assert_eq!(store.blob(&kept.0).unwrap().unwrap().size(), 4);
        assert!(store.tree(&kept.1).unwrap().is_some());
    }

    #[test]
    fn what_is_not_stored_is_none() {
        let sandbox = Sandbox::new();
        assert!(sandbox.store().blob(&Digest::of(b"?")).unwrap().is_none());
        assert!(sandbox.store().tree(&"absent".parse().unwrap()).unwrap().is_none());
    }

    #[test]
    fn a_tree_without_the_digests_of_its_files_is_not_trusted_and_gives_way_to_the_next() {
        let sandbox = Sandbox::new();
        let (id, path): (TreeId, _) = ("t".parse().unwrap(), sandbox.root().join("trees/t"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("f"), "by hand").unwrap();
        assert!(sandbox.store().tree(&id).unwrap().is_none());
        let staged = sandbox.store().stage(&[text("f", "true")]).unwrap();
        let tree = staged.publish(id).unwrap();
        assert_eq!(fs::read(tree.root().join("f")).unwrap(), b"true");
        assert_eq!(names(&sandbox.root().join("trees")), ["t"]);
    }
}
