use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::durable::{exists, remove, sync_dir, sync_tree};
use crate::entry_path::EntryPath;
use crate::error::OnPath;
use crate::lease::Lease;
use crate::links::{self, Kind, Node, Nodes};
use crate::stage::set_mode;
use crate::store::Inner;
use crate::sums::Sums;
use crate::{Rule, StoreError, Tree, TreeId};

/// A tree that is whole but not yet visible. Look into it, make its entry executable, then publish it; dropped
/// before, it is removed.
#[derive(Debug)]
pub struct Staged {
    store: Arc<Inner>,
    dir: StagingDir,
    nodes: Nodes,
    bytes: u64,
}

impl Staged {
    pub(crate) fn new(store: Arc<Inner>, dir: StagingDir, nodes: Nodes, bytes: u64) -> Self {
        Staged {
            store,
            dir,
            nodes,
            bytes,
        }
    }

    /// Bytes that were written for all files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The staging folder, for looking only.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The bytes of a file of the tree, by its path relative to the root; links inside are followed. At most `limit`
    /// bytes: a larger file is refused unread. Errors: [`StoreError::Entry`] when the path leads out, is missing or is
    /// no file.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, StoreError> {
        let place = self.dir.path().join(self.find(path)?.as_str());
        let file = self.store.disk.open(&place).on("open", &place)?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .on("read", &place)?;
        if bytes.len() as u64 > limit {
            return Err(StoreError::entry(path, Rule::FileTooLarge { limit }));
        }
        Ok(bytes)
    }

    /// Sets the execute bits of a program's entry where they are missing, as in a zip made on Windows. Errors:
    /// [`StoreError::Entry`] when the path leads out, is missing or is no file.
    pub fn make_executable(&mut self, path: &str) -> Result<(), StoreError> {
        let file = self.find(path)?;
        set_mode(&*self.store.disk, &self.dir.path().join(file.as_str()), 0o555)?;
        if let Some(Node {
            kind: Kind::File { executable, .. },
            ..
        }) = self.nodes.get_mut(&file)
        {
            *executable = true;
        }
        Ok(())
    }

    /// Makes the tree durable and visible under `id` by one rename, with the digests of its files on record. If there is
    /// such a tree already, that one is answered and this one is dropped.
    pub fn publish(self, id: TreeId) -> Result<Tree, StoreError> {
        let store = Arc::clone(&self.store);
        let (tree, sums) = (store.layout.tree(&id), store.layout.sums_of(&id));
        let is_there = || Ok(exists(&tree)? && exists(&sums)?);
        let sealed = if is_there()? { None } else { Some(self.seal()?) };
        let (_lease, away) = store.staging();
        let published = store.hold_tree(id, || {
            if is_there()? {
                // Whoever renamed it may have failed to make that durable.
                return sync_dir(&*store.disk, &store.layout.trees());
            }
            let sealed = sealed.map_or_else(|| self.seal(), Ok)?;
            store.move_out(&tree, &away)?;
            store.put(&sums, &sealed)?;
            let renamed = store.disk.rename(self.dir.path(), &tree).on("rename a tree to", &tree);
            if renamed.is_err() {
                // What cannot be removed now, the next clean or open takes.
                let _ = remove(&*store.disk, &sums);
            }
            renamed?;
            sync_dir(&*store.disk, &store.layout.trees())
        });
        // Also when another step failed: what was moved away takes space.
        let removed = remove(&*store.disk, &away);
        let published = published?;
        removed.map(|()| published)
    }

    /// Gives the folders their modes, whatever the process's umask made of them, and makes everything durable. Answers
    /// the sums of the tree as they are written to the disk.
    fn seal(&self) -> Result<Vec<u8>, StoreError> {
        let (disk, root) = (&*self.store.disk, self.dir.path());
        set_mode(disk, root, 0o755)?;
        for (path, _) in self.nodes.iter().filter(|(_, node)| node.kind == Kind::Directory) {
            set_mode(disk, &root.join(path.as_str()), 0o755)?;
        }
        sync_tree(disk, root)?;
        let sums = Sums::of(&self.nodes).on("take the digests of", root)?;
        serde_json::to_vec(&sums)
            .map_err(io::Error::from)
            .on("write the digests of", root)
    }

    /// The regular file at which `path` arrives.
    fn find(&self, path: &str) -> Result<EntryPath, StoreError> {
        let limits = &self.store.limits;
        let refuse = |rule| StoreError::entry(path, rule);
        let asked = EntryPath::parse(path, limits).map_err(refuse)?;
        let names = links::resolve(&self.nodes, &asked).map_err(refuse)?;
        match links::at(&self.nodes, &names) {
            Some(Kind::File { .. }) => EntryPath::parse(&names.join("/"), limits).map_err(refuse),
            Some(kind) => Err(refuse(Rule::NotAFile { kind: kind.noun() })),
            None => Err(refuse(if names.is_empty() {
                Rule::NotAFile { kind: "a folder" }
            } else {
                Rule::Missing
            })),
        }
    }
}

/// A folder that nobody else may look into and that removes itself. Once renamed away there is nothing left to remove.
#[derive(Debug)]
pub(crate) struct StagingDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// In the store, so that it is not taken for a leftover.
    lease: Option<Lease>,
}

impl StagingDir {
    /// One in the store.
    pub(crate) fn create(store: &Inner) -> Result<Self, StoreError> {
        let (lease, path) = store.staging();
        let mut dir = Self::at(&store.disk, path)?;
        dir.lease = Some(lease);
        Ok(dir)
    }

    /// One elsewhere.
    pub(crate) fn at(disk: &Arc<dyn Disk>, path: PathBuf) -> Result<Self, StoreError> {
        disk.create_dir(&path, 0o700).on("create the folder", &path)?;
        Ok(StagingDir {
            disk: Arc::clone(disk),
            path,
            lease: None,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StagingDir {
    /// An error here is of no use to anyone: the next clean or open takes it.
    fn drop(&mut self) {
        let _ = remove(&*self.disk, &self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sandbox::{Sandbox, mode, names, object, tar, text, zip};
    use crate::{StoreError, Unpack};
    use zip::System;
    use zip::write::SimpleFileOptions;

    fn staged(sandbox: &Sandbox) -> Staged {
        let bytes = zip(&[
            ("bin/app", b"#!/bin/sh", 0o100_644),
            ("run", b"bin/app", 0o120_777),
            ("root", b".", 0o120_777),
            ("gone", b"nothing", 0o120_777),
        ]);
        sandbox
            .store()
            .stage(&[object(sandbox, "a", &bytes, Unpack::Zip)])
            .unwrap()
    }

    fn id(text: &str) -> TreeId {
        text.parse().unwrap()
    }

    #[test]
    fn a_published_tree_is_read_only_and_found_again() {
        let sandbox = Sandbox::new();
        let staged = staged(&sandbox);
        assert_eq!(mode(staged.path()), 0o700, "nobody looks into an unfinished tree");
        let tree = staged.publish(id("t")).unwrap();
        assert_eq!((mode(tree.root()), mode(&tree.root().join("bin"))), (0o755, 0o755));
        assert_eq!(tree.root(), sandbox.root().join("trees/t"));
        assert_eq!(mode(&tree.root().join("bin/app")), 0o444);
        assert_eq!(sandbox.store().tree(&id("t")).unwrap().unwrap().root(), tree.root());
        assert_eq!(names(&sandbox.root().join("trees")), ["t"]);
    }

    #[test]
    fn a_zip_made_on_windows_gets_the_x_bit_of_its_entry() {
        let sandbox = Sandbox::new();
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        writer
            .start_file("bin/app", SimpleFileOptions::default().system(System::Dos))
            .unwrap();
        let bytes = writer.finish().unwrap().into_inner();
        let mut staged = sandbox
            .store()
            .stage(&[object(&sandbox, "a", &bytes, Unpack::Zip)])
            .unwrap();
        assert_eq!(mode(&staged.path().join("bin/app")), 0o444);
        staged.make_executable("./bin/app").unwrap();
        let tree = staged.publish(id("t")).unwrap();
        assert_eq!(mode(&tree.root().join("bin/app")), 0o555);
    }

    #[test]
    fn an_entry_that_is_a_link_inside_makes_its_file_executable() {
        let sandbox = Sandbox::new();
        let mut staged = staged(&sandbox);
        staged.make_executable("root/run").unwrap();
        assert_eq!(mode(&staged.path().join("bin/app")), 0o555);
    }

    #[test]
    fn an_entry_outside_missing_or_no_file_is_refused_with_the_reason() {
        let sandbox = Sandbox::new();
        let mut staged = staged(&sandbox);
        for (entry, expected) in [
            ("/bin/sh", Rule::Absolute),
            ("../app", Rule::Climbs),
            ("bin", Rule::NotAFile { kind: "a folder" }),
            ("root", Rule::NotAFile { kind: "a folder" }),
            ("absent", Rule::Missing),
            ("gone", Rule::Missing),
            ("bin/app/x", Rule::Missing),
        ] {
            let error = staged.make_executable(entry).unwrap_err();
            assert_eq!(error.rule(), Some(&expected), "{entry}");
            assert!(error.to_string().contains(&format!("`{entry}`")), "{error}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_a_limit() {
        let sandbox = Sandbox::new();
        let staged = staged(&sandbox);
        assert_eq!(staged.read("run", 9).unwrap(), b"#!/bin/sh");
        assert_eq!(
            staged.read("run", 8).unwrap_err().rule(),
            Some(&Rule::FileTooLarge { limit: 8 })
        );
        assert_eq!(staged.read("program.yml", 8).unwrap_err().rule(), Some(&Rule::Missing));
    }

    #[test]
    fn the_sums_on_record_are_of_what_was_written_however_a_file_came() {
        let sandbox = Sandbox::new();
        let linked = tar(&[
            ("one", b"same", b'0', 0o644),
            ("two", b"one", b'1', 0o644),
            ("one", b"same", b'0', 0o755),
        ]);
        let parts = [
            object(&sandbox, "a", &linked, Unpack::Tar),
            object(&sandbox, "b", &zip(&[("two", b"same", 0o100_644)]), Unpack::Zip),
            text("three", ""),
        ];
        let mut staged = sandbox.store().stage(&parts).unwrap();
        staged.make_executable("three").unwrap();
        let tree = staged.publish(id("t")).unwrap();
        sandbox.store().verify(&tree).unwrap();
        let modes = ["one", "two", "three"].map(|name| mode(&tree.root().join(name)));
        assert_eq!(modes, [0o555, 0o444, 0o555]);
    }

    #[test]
    fn a_tree_that_several_threads_write_and_make_durable_is_what_its_sums_say() {
        let sandbox = Sandbox::new();
        let names: Vec<_> = (0..500).map(|n| format!("d{}/f{n}", n % 7)).collect();
        let bytes: Vec<_> = (0..500).map(|n| vec![n as u8; 3000 + n]).collect();
        let entries: Vec<_> = names
            .iter()
            .zip(&bytes)
            .map(|(n, b)| (n.as_str(), &b[..], 0o100_644))
            .collect();
        let part = object(&sandbox, "a", &zip(&entries), Unpack::Zip);
        let tree = sandbox.store().stage(&[part]).unwrap().publish(id("t")).unwrap();
        sandbox.store().verify(&tree).unwrap();
        assert_eq!(fs::read(tree.root().join("d3/f10")).unwrap(), bytes[10]);
    }

    #[test]
    fn publishing_an_id_twice_keeps_the_first_tree() {
        let sandbox = Sandbox::new();
        let first = sandbox.store().stage(&[text("f", "first")]).unwrap();
        let second = sandbox.store().stage(&[text("f", "second")]).unwrap();
        first.publish(id("t")).unwrap();
        let tree = second.publish(id("t")).unwrap();
        assert_eq!(fs::read(tree.root().join("f")).unwrap(), b"first");
        assert_eq!(names(&sandbox.root().join("trees")), ["t"]);
    }

    #[test]
    fn a_staged_tree_dropped_unpublished_leaves_nothing() {
        let sandbox = Sandbox::new();
        let path = staged(&sandbox).path().to_owned();
        assert!(!path.exists());
        assert_eq!(names(&sandbox.root().join("trees")), [""; 0]);
    }

    #[test]
    fn an_error_while_publishing_names_the_place() {
        let sandbox = Sandbox::new();
        let staged = staged(&sandbox);
        fs::remove_dir_all(staged.path()).unwrap();
        let error = staged.publish(id("t")).unwrap_err();
        assert!(
            matches!(&error, StoreError::Io { .. }) && error.to_string().contains(".staging-"),
            "{error}"
        );
        assert!(sandbox.store().tree(&id("t")).unwrap().is_none());
    }
}
