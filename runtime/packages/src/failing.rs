//! A disk that fails at a step, or is nearly full, and what the store makes of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::disk::{Disk, OsDisk, Writing};
use crate::sandbox::{download, names, zip};
use crate::{Digest, Expected, KeptParts, Limits, Store, StoreError, TreeId, Unpack, Validator};

/// Fails at one step, counted from 1, with EIO; 0 is never.
#[derive(Debug, Default)]
struct Failing {
    at: AtomicU64,
    steps: Arc<AtomicU64>,
    /// Bytes it says are free.
    free: Option<u64>,
}

impl Failing {
    fn step(&self) -> io::Result<()> {
        step(&self.steps, self.at.load(SeqCst))
    }

    fn arm(&self, at: u64) {
        self.steps.store(0, SeqCst);
        self.at.store(at, SeqCst);
    }

    fn failed(&self) -> bool {
        self.steps.load(SeqCst) >= self.at.load(SeqCst)
    }

    fn written(&self, file: Box<dyn Writing>) -> Box<dyn Writing> {
        Box::new(FailingFile {
            file,
            at: self.at.load(SeqCst),
            steps: self.steps.clone(),
        })
    }
}

fn step(steps: &AtomicU64, at: u64) -> io::Result<()> {
    if steps.fetch_add(1, SeqCst) + 1 == at {
        Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()))
    } else {
        Ok(())
    }
}

impl Disk for Failing {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Writing>> {
        self.step()
            .and_then(|()| OsDisk.create(path, mode))
            .map(|file| self.written(file))
    }

    fn resume(&self, path: &Path, length: u64) -> io::Result<Box<dyn Writing>> {
        self.step()
            .and_then(|()| OsDisk.resume(path, length))
            .map(|file| self.written(file))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.step().and_then(|()| OsDisk.open(path))
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.step().and_then(|()| OsDisk.create_dir(path, mode))
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| OsDisk.symlink(target, path))
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.step().and_then(|()| OsDisk.set_mode(path, mode))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| OsDisk.sync(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().and_then(|()| OsDisk.rename(from, to))
    }

    fn rename_to_free(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().and_then(|()| OsDisk.rename_to_free(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| OsDisk.remove_file(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| OsDisk.remove_dir(path))
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        self.free.map_or_else(|| OsDisk.free(path), Ok)
    }
}

#[derive(Debug)]
struct FailingFile {
    file: Box<dyn Writing>,
    at: u64,
    steps: Arc<AtomicU64>,
}

impl Write for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        step(&self.steps, self.at).and_then(|()| self.file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Writing for FailingFile {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        step(&self.steps, self.at).and_then(|()| self.file.cut(length))
    }

    fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        step(&self.steps, self.at).and_then(|()| self.file.set_mode(mode))
    }

    fn sync(&mut self) -> io::Result<()> {
        step(&self.steps, self.at).and_then(|()| self.file.sync())
    }

    fn share(&mut self, from: &File) -> io::Result<bool> {
        self.file.share(from)
    }
}

/// From the first byte of a download to its published tree.
fn deploy(store: &Store, bytes: &[u8]) -> Result<(), StoreError> {
    let expected = Expected {
        sha256: Some(Digest::of(bytes)),
        ..Expected::default()
    };
    let mut ingest = store.ingest(download("a", expected))?;
    let rest = usize::try_from(ingest.offset()).unwrap();
    ingest.write(&bytes[rest..])?;
    let blob = ingest.finish()?;
    let part = crate::Part {
        name: "a".into(),
        content: crate::Content::Object {
            blob,
            unpack: Unpack::Zip,
            file_name: "a".into(),
        },
    };
    store.stage(&[part])?.publish(id())?;
    Ok(())
}

fn id() -> TreeId {
    "t".parse().unwrap()
}

#[test]
fn a_disk_that_fails_at_any_step_leaves_nothing_half_done_and_the_next_try_succeeds() {
    let bytes = zip(&[
        ("program.yml", b"entry: bin/app", 0o100_644),
        ("bin/app", b"#!/bin/sh", 0o100_755),
        ("run", b"bin/app", 0o120_777),
    ]);
    let mut clean = false;
    for at in 1..1_000 {
        let dir = tempfile::tempdir().unwrap();
        let (root, disk) = (dir.path().join("store"), Arc::new(Failing::default()));
        let store = Store::open_on(disk.clone(), root.clone(), Limits::default()).unwrap();
        disk.arm(at);
        let result = deploy(&store, &bytes);
        clean = !disk.failed();
        disk.arm(0);
        if let Err(error) = &result {
            assert!(error.is_of_the_disk(), "step {at}: {error}");
        }
        for name in names(&root.join("blobs/sha256")) {
            let stored = fs::read(root.join("blobs/sha256").join(&name)).unwrap();
            assert_eq!(Digest::of(&stored).to_string(), name, "step {at}: half a blob");
        }
        if let Some(tree) = store.tree(&id()).unwrap() {
            store.verify(&tree).unwrap();
        }
        deploy(&store, &bytes).unwrap_or_else(|error| panic!("after step {at}: {error}"));
        let tree = store.tree(&id()).unwrap().unwrap();
        assert_eq!(fs::read(tree.root().join("run")).unwrap(), b"#!/bin/sh");
        drop(tree);
        drop(store);
        let store = Store::open(&root, Limits::default()).unwrap();
        store.clean(&KeptParts::default(), |_| false).unwrap();
        for folder in ["ingest", "blobs/sha256", "trees", "sums", "new"] {
            assert_eq!(
                names(&root.join(folder)),
                [""; 0],
                "step {at} leaves something in {folder}"
            );
        }
        if clean {
            break;
        }
    }
    assert!(clean, "every step was failed once");
}

#[test]
fn a_download_cut_off_goes_on_when_the_store_is_opened_again_and_never_with_other_bytes() {
    let bytes: Vec<u8> = (0..1_u32 << 20).flat_map(u32::to_le_bytes).collect();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let expected = || Expected {
        sha256: Some(Digest::of(&bytes)),
        ..Expected::default()
    };
    let validator = || Validator {
        etag: Some("\"1\"".into()),
        last_modified: None,
    };
    let store = Store::open(&root, Limits::default()).unwrap();
    let mut ingest = store.ingest(download("a", expected())).unwrap();
    ingest.announce(validator(), Some(bytes.len() as u64)).unwrap();
    ingest.write(&bytes[..3 << 20]).unwrap();
    // As a kill does, which drops nothing.
    std::mem::forget(ingest);
    let copy = dir.path().join("copy");
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(&root)
        .arg(&copy)
        .status();
    assert!(copied.unwrap().success());

    let store = Store::open(&copy, Limits::default()).unwrap();
    let mut ingest = store.ingest(download("a", expected())).unwrap();
    let offset = usize::try_from(ingest.offset()).unwrap();
    assert!((1 << 20..=3 << 20).contains(&offset), "{offset} bytes were vouched for");
    assert_eq!(ingest.validator(), &validator());
    ingest.write(&bytes[offset..]).unwrap();
    assert_eq!(ingest.finish().unwrap().size(), bytes.len() as u64);

    let other = dir.path().join("other");
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(&root)
        .arg(&other)
        .status();
    assert!(copied.unwrap().success());
    let part = names(&other.join("ingest"))
        .into_iter()
        .find(|name| !name.ends_with(".json"))
        .unwrap();
    fs::write(other.join("ingest").join(part), vec![0; 3 << 20]).unwrap();
    let store = Store::open(&other, Limits::default()).unwrap();
    assert_eq!(
        store.ingest(download("a", expected())).unwrap().offset(),
        0,
        "torn bytes are thrown away"
    );
}

#[test]
fn what_did_not_verify_lies_in_quarantine_with_its_reason_and_the_oldest_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let limits = Limits {
        quarantine_files: 2,
        ..Limits::default()
    };
    let store = Store::open(&root, limits).unwrap();
    let wrong = Expected {
        sha256: Some(Digest::of(b"promised")),
        ..Expected::default()
    };
    for (key, bytes) in [("a", b"one"), ("b", b"two"), ("c", b"six")] {
        let mut ingest = store.ingest(download(key, wrong.clone())).unwrap();
        ingest.write(bytes).unwrap();
        ingest.finish().unwrap_err();
    }
    let kept = names(&root.join("quarantine"));
    assert_eq!(kept.len(), 4, "two files with a note each: {kept:?}");
    let last = Digest::of(b"six").to_string();
    assert_eq!(fs::read(root.join("quarantine").join(&last)).unwrap(), b"six");
    let note = fs::read_to_string(root.join(format!("quarantine/{last}.json"))).unwrap();
    assert!(
        note.contains("http://h/c") && note.contains("sha256 mismatch"),
        "{note}"
    );
    assert!(store.blob(&Digest::of(b"six")).unwrap().is_none());
}

#[test]
fn what_cannot_fit_is_refused_before_a_byte_of_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Failing {
        free: Some(1_000),
        ..Failing::default()
    };
    let root = dir.path().join("store");
    let store = Store::open_on(Arc::new(disk), root.clone(), Limits::default()).unwrap();
    let expected = Expected {
        size: Some(2_000),
        ..Expected::default()
    };
    let error = store.ingest(download("a", expected)).unwrap_err();
    assert!(matches!(error, StoreError::NoSpace { free: 1_000, .. }), "{error}");
    assert_eq!(names(&root.join("ingest")), [""; 0]);
}
