//! A store in a folder of its own, and what must hold of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aerolith_packages::{Content, Download, Limits, Part, Rule, Staged, Store, StoreError, Unpack};
use tempfile::TempDir;

pub(crate) struct Shelf {
    dir: TempDir,
    pub(crate) store: Store,
}

impl Shelf {
    pub(crate) fn new(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store"), limits).unwrap();
        Shelf { dir, store }
    }

    pub(crate) fn part(&self, name: &str, bytes: &[u8], unpack: Unpack) -> Part {
        let mut ingest = self.store.ingest(Download::default()).unwrap();
        bytes.chunks(1 << 20).for_each(|chunk| ingest.write(chunk).unwrap());
        let blob = ingest.finish().unwrap();
        let file_name = "object".into();
        Part {
            name: name.into(),
            content: Content::Object {
                blob,
                unpack,
                file_name,
            },
        }
    }

    pub(crate) fn stage(&self, bytes: &[u8], unpack: Unpack) -> Result<Staged, StoreError> {
        self.store.stage(&[self.part("pkg", bytes, unpack)])
    }

    /// What is left in the store beside its blobs, or has got out of it.
    pub(crate) fn left(&self) -> Vec<String> {
        let names = |dir: &Path| -> Vec<String> {
            let entries = fs::read_dir(dir).unwrap();
            entries
                .map(|entry| entry.unwrap().path().display().to_string())
                .collect()
        };
        let root = self.dir.path().join("store");
        let mut left = [names(&root.join("trees")), names(&root.join("ingest"))].concat();
        left.extend(
            names(self.dir.path())
                .into_iter()
                .filter(|name| !name.ends_with("/store")),
        );
        left
    }
}

/// A package that must be refused: by this rule, at this entry.
pub(crate) struct Hostile {
    pub(crate) what: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) unpack: Unpack,
    pub(crate) entry: &'static str,
    pub(crate) rule: fn(&Rule) -> bool,
}

/// `hostile!(what, bytes, kind, entry, rule pattern)`.
#[macro_export]
macro_rules! hostile {
    ($what:expr, $bytes:expr, $unpack:expr, $entry:expr, $($rule:tt)+) => {
        $crate::shelf::Hostile {
            what: $what,
            bytes: $bytes,
            unpack: $unpack,
            entry: $entry,
            rule: |rule| matches!(rule, $($rule)+),
        }
    };
}

/// Stages each package; tells what is wrong with any of them.
pub(crate) fn refuse_all(packages: &[Hostile]) {
    let shelf = Shelf::new(Limits::default());
    let wrong: Vec<String> = packages.iter().filter_map(|package| refuse(&shelf, package)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn refuse(shelf: &Shelf, package: &Hostile) -> Option<String> {
    let what = package.what;
    let error = match shelf.stage(&package.bytes, package.unpack) {
        Ok(_) => return Some(format!("{what}: unpacked")),
        Err(error) => error,
    };
    let text = error.to_string();
    let named = match package.entry {
        "" => text.starts_with("package object `pkg`: "),
        entry => text.starts_with(&format!("package object `pkg`, entry `{entry}")),
    };
    let left = shelf.left();
    let good =
        error.rule().is_some_and(package.rule) && named && left.is_empty() && !text.contains(['\n', '\0', '\u{1b}']);
    (!good).then(|| format!("{what}: {text}; left: {left:?}"))
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    File(Vec<u8>),
    Program(Vec<u8>),
    Folder,
    Link(String),
}

/// Everything below a folder.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Found> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let what = if meta.is_symlink() {
                Found::Link(fs::read_link(&path).unwrap().to_str().unwrap().into())
            } else if meta.is_dir() {
                folders.push(path.clone());
                Found::Folder
            } else {
                let bytes = fs::read(&path).unwrap();
                match meta.permissions().mode() & 0o7777 {
                    0o444 => Found::File(bytes),
                    0o555 => Found::Program(bytes),
                    mode => panic!("{} has the mode {mode:o}", path.display()),
                }
            };
            found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().into(), what);
        }
    }
    found
}
