//! A real disk that is full or read-only, or whose files can share their bytes.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use tempfile::TempDir;

use super::invariants::snapshot;
use super::scenarios::noise;
use crate::disk::OsDisk;
use crate::sandbox::{self, SPAWNING, download, text, zip};
use crate::{Content, Digest, Download, Expected, KeptParts, Limits, Part, Store, StoreError, TreeId, Unpack};

/// Mounted until the test ends.
pub(super) struct Mounted {
    pub(super) at: PathBuf,
    _dir: TempDir,
}

impl Mounted {
    /// Nothing where mounting is not allowed; the test says so then.
    fn new() -> Option<Self> {
        Self::of("tmpfs", |at, _| {
            mount(&["-t", "tmpfs", "-o", "size=20m,mode=700", "tmpfs"], at)
        })
    }

    /// A file system whose files can share their bytes, in a file.
    pub(super) fn btrfs() -> Option<Self> {
        Self::of("Btrfs", |at, image| {
            File::create(image).unwrap().set_len(256 << 20).unwrap();
            run(Command::new("mkfs.btrfs").arg("-q").arg(image)) && mount(&["-o", "loop", image.to_str().unwrap()], at)
        })
    }

    fn of(kind: &str, make: impl FnOnce(&Path, &Path) -> bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("disk");
        fs::create_dir(&at).unwrap();
        if make(&at, &dir.path().join("image")) {
            return Some(Mounted { at, _dir: dir });
        }
        eprintln!("SKIPPED: a {kind} cannot be made and mounted here");
        None
    }

    fn remount(&self, how: &str) {
        assert!(mount(&["-o", &format!("remount,{how}")], &self.at));
    }

    pub(super) fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.at).unwrap();
        found.f_bavail * found.f_frsize
    }

    pub(super) fn open(&self) -> Result<Store, StoreError> {
        sandbox::open(Arc::new(OsDisk), &self.at.join("store"), Limits::default())
    }

    /// Leaves so many bytes free.
    fn fill(&self, left: u64) {
        let bytes = usize::try_from(self.free() - left).unwrap();
        fs::write(self.at.join("other"), vec![0; bytes]).unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(&self.at));
    }
}

fn mount(words: &[&str], at: &Path) -> bool {
    run(Command::new("mount").args(words).arg(at))
}

fn run(command: &mut Command) -> bool {
    let _spawning = SPAWNING.write();
    command.status().is_ok_and(|status| status.success())
}

/// A small archive of files that are much larger.
static ARCHIVE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let large = vec![b'x'; 1 << 20];
    zip(&[
        ("program.yml", b"entry: a", 0o100_644),
        ("a", &large, 0o100_755),
        ("b/c", &large, 0o100_644),
    ])
});

fn deploy(store: &Store) -> Result<(), StoreError> {
    let mut ingest = store.ingest(Download::default())?;
    ingest.write(&ARCHIVE)?;
    let content = Content::Object {
        blob: ingest.finish()?,
        unpack: Unpack::Zip,
        file_name: String::new(),
    };
    let name = "a".into();
    store.stage(&[Part { name, content }])?.publish(id())?;
    Ok(())
}

fn id() -> TreeId {
    "t".parse().unwrap()
}

/// The error is the system's, of this kind, and names a path on the disk.
fn assert_is(error: &StoreError, expected: ErrorKind, disk: &Mounted) {
    let text = error.to_string();
    assert!(
        matches!(error, StoreError::Io { source, .. } if source.kind() == expected),
        "{text}"
    );
    assert!(text.contains(disk.at.to_str().unwrap()), "{text}");
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_and_has_its_space_back_at_once() {
    let Some(disk) = Mounted::new() else { return };
    let (store, bytes) = (disk.open().unwrap(), noise(1, 1 << 20));
    let free = disk.free();
    let mut endless = store.ingest(Download::default()).unwrap();
    let error = (0..30).find_map(|_| endless.write(&bytes).err()).unwrap();
    assert_is(&error, ErrorKind::StorageFull, &disk);
    drop(endless);
    assert_eq!(disk.free(), free);
    for left in (0..40).map(|step| step * (64 << 10)) {
        disk.fill(left);
        let free = disk.free();
        match deploy(&store) {
            Err(StoreError::NoSpace { .. }) => {}
            Err(error) => assert_is(&error, ErrorKind::StorageFull, &disk),
            Ok(()) => assert!(left > 2 << 20, "{left} bytes cannot hold it"),
        }
        let was_done = store.tree(&id()).unwrap().is_some();
        store.clean(&KeptParts::default(), |_| false).unwrap();
        assert_eq!(disk.free(), free, "with {left} bytes left");
        fs::remove_file(disk.at.join("other")).unwrap();
        if was_done {
            break;
        }
        deploy(&store).unwrap();
        store.verify(&store.tree(&id()).unwrap().unwrap()).unwrap();
        store.clean(&KeptParts::default(), |_| false).unwrap();
    }
}

#[test]
fn a_disk_that_turns_read_only_changes_nothing_and_works_when_it_is_mended() {
    let Some(disk) = Mounted::new() else { return };
    let store = disk.open().unwrap();
    deploy(&store).unwrap();
    let (before, dest) = (snapshot(&disk.at), disk.at.join("copy"));
    let tree = store.tree(&id()).unwrap().unwrap();
    disk.remount("ro");
    let read_only = |error: &StoreError| assert_is(error, ErrorKind::ReadOnlyFilesystem, &disk);
    read_only(&store.ingest(Download::default()).unwrap_err());
    read_only(&store.stage(&[text("f", "x")]).unwrap_err());
    read_only(&store.checkout(&tree, &dest).unwrap_err());
    read_only(&store.clean(&KeptParts::default(), |_| false).unwrap_err());
    store.verify(&tree).unwrap();
    drop((store, tree));
    read_only(&disk.open().unwrap_err());
    assert_eq!(snapshot(&disk.at), before);
    disk.remount("rw");
    let store = disk.open().unwrap();
    let tree = store.tree(&id()).unwrap().unwrap();
    store.checkout(&tree, &dest).unwrap();
    deploy(&store).unwrap();
}

#[test]
fn a_download_that_a_full_disk_stopped_in_the_middle_is_taken_when_there_is_room() {
    let Some(disk) = Mounted::new() else { return };
    let (store, bytes) = (disk.open().unwrap(), noise(1, 3 << 20));
    let of = || Expected {
        sha256: Some(Digest::of(&bytes)),
        ..Expected::default()
    };
    disk.fill(2 << 20);
    let mut ingest = store.ingest(download("a", of())).unwrap();
    let stopped = bytes.chunks(1 << 16).try_for_each(|piece| ingest.write(piece));
    assert_is(&stopped.unwrap_err(), ErrorKind::StorageFull, &disk);
    drop(ingest);
    fs::remove_file(disk.at.join("other")).unwrap();
    let mut ingest = store.ingest(download("a", of())).unwrap();
    let here = usize::try_from(ingest.offset()).unwrap();
    ingest.write(&bytes[here..]).unwrap();
    assert_eq!(ingest.finish().unwrap().digest(), &Digest::of(&bytes));
}
