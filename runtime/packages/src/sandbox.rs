//! What the tests of this room share: a store in a folder of its own, and archives made on the spot.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::disk::{Disk, OsDisk};
use crate::{Blob, Content, Download, Expected, Limits, Part, Rule, Store, StoreError, Tree, Unpack};

/// Written to from the start of a process until that one runs for certain, and so has given up what it inherits: the
/// locks of stores that are open at the time.
pub(crate) static SPAWNING: RwLock<()> = RwLock::new(());

/// Opens a store while no test is just starting a process, which might have the lock of one that was closed.
pub(crate) fn open(disk: Arc<dyn Disk>, root: &Path, limits: Limits) -> Result<Store, StoreError> {
    let _spawning = SPAWNING.read();
    Store::open_on(disk, root.to_owned(), limits)
}

pub(crate) struct Sandbox {
    store: Store,
    root: PathBuf,
    dir: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        let root = dir.path().join("store");
        Sandbox {
            store: open(Arc::new(OsDisk), &root, limits).unwrap(),
            root,
            dir,
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path beside the store.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.dir.path().join("outside").join(name)
    }

    pub(crate) fn blob(&self, bytes: &[u8]) -> Blob {
        let mut ingest = self.store.ingest(Download::default()).unwrap();
        ingest.write(bytes).unwrap();
        ingest.finish().unwrap()
    }

    /// Damages a stored file.
    pub(crate) fn overwrite(&self, path: &Path, bytes: &[u8]) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Closes the store and keeps its folder.
    pub(crate) fn close(self) -> TempDir {
        self.dir
    }
}

/// A download with this key, from a place of the same name.
pub(crate) fn download(key: &str, expected: Expected) -> Download {
    Download {
        key: key.into(),
        source: format!("http://h/{key}"),
        expected,
    }
}

pub(crate) fn text(name: &str, text: &str) -> Part {
    Part {
        name: name.into(),
        content: Content::Text(text.into()),
    }
}

pub(crate) fn object(sandbox: &Sandbox, name: &str, bytes: &[u8], unpack: Unpack) -> Part {
    Part {
        name: name.into(),
        content: Content::Object {
            blob: sandbox.blob(bytes),
            unpack,
            file_name: "object".into(),
        },
    }
}

/// A program of which a copy was made, with an entry `run` that leads through links.
pub(crate) fn checked_out(sandbox: &Sandbox) -> (Tree, PathBuf) {
    let zip = zip(&[
        ("bin/app", b"#!/bin/sh", 0o100_755),
        ("bin/other", b"1", 0o100_644),
        ("bin/models/one", b"weights", 0o100_644),
        ("bin/latest", b"models/one", 0o120_777),
        ("lib", b"bin", 0o120_777),
        ("run", b"lib/../lib/app", 0o120_777),
    ]);
    let parts = [
        object(sandbox, "a", &zip, Unpack::Zip),
        text("program.yml", "entry: run"),
    ];
    let staged = sandbox.store().stage(&parts).unwrap();
    let tree = staged.publish("t".parse().unwrap()).unwrap();
    let dest = sandbox.outside("app");
    sandbox.store().checkout(&tree, &dest).unwrap();
    (tree, dest)
}

/// The names in a folder, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A zip of (name, content, Unix mode with its kind).
pub(crate) fn zip(entries: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content, mode) in entries {
        let options = SimpleFileOptions::default().unix_permissions(mode & 0o7777);
        match mode & 0o170_000 {
            0o120_000 => zip
                .add_symlink(*name, std::str::from_utf8(content).unwrap(), options)
                .unwrap(),
            0o040_000 => zip.add_directory(*name, options).unwrap(),
            _ => {
                zip.start_file(*name, options).unwrap();
                zip.write_all(content).unwrap();
            }
        }
    }
    zip.finish().unwrap().into_inner()
}

/// A tar of (name, content or link target, type flag, mode), written as it is told, bad names included.
pub(crate) fn tar(entries: &[(&str, &[u8], u8, u32)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content, flag, mode) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(tar::EntryType::new(*flag));
        header.set_mode(*mode);
        let is_link = matches!(flag, b'1' | b'2');
        if is_link {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content);
        }
        let body: &[u8] = if is_link { b"" } else { content };
        header.set_size(body.len() as u64);
        header.set_cksum();
        tar.append(&header, body).unwrap();
    }
    tar.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// The rule that refuses the parts. Nothing may be left of them.
pub(crate) fn refusal(sandbox: &Sandbox, parts: &[Part]) -> StoreError {
    let error = sandbox.store().stage(parts).expect_err("these parts must be refused");
    assert_eq!(
        names(&sandbox.root().join("trees")),
        [""; 0],
        "something is left after: {error}"
    );
    assert_eq!(names(&sandbox.outside("")), [""; 0], "something got out: {error}");
    error
}

/// The rule that refuses one archive, under the default limits.
pub(crate) fn rule(bytes: &[u8], unpack: Unpack) -> Rule {
    let sandbox = Sandbox::new();
    let error = refusal(&sandbox, &[object(&sandbox, "pkg", bytes, unpack)]);
    assert!(error.to_string().contains("`pkg`"), "the archive is not named: {error}");
    error.rule().unwrap_or_else(|| panic!("no rule: {error}")).clone()
}
