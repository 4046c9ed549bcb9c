//! What the store is asked for while its machine or its disk fails.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use fastrand::Rng;

use super::machine::Sharing;
use crate::disk::Disk;
use crate::durable::exists;
use crate::sandbox::{download, open, text, zip};
use crate::taken::Taken;
use crate::{
    Blob, Content, Digest, Download, Expected, Ingest, KeptParts, Limits, Part, Store, StoreError, Stored, TreeId,
    Unpack, Validator,
};

/// A store's place, `store`, and another folder, `outside`, on a disk.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) place: PathBuf,
}

/// What was reported done, so that no cut may take it back.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    pub(crate) blobs: BTreeSet<Digest>,
    pub(crate) trees: BTreeSet<TreeId>,
    /// Paths below the place that are, with everything in them, as they are at the end.
    pub(crate) paths: BTreeSet<PathBuf>,
    pub(crate) gone: Vec<Stored>,
}

/// Why a scenario did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did what it must not.
    #[error("{0}")]
    Wrong(String),
}

pub(crate) type Outcome = Result<(), Failure>;

pub(crate) fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(Failure::Wrong(otherwise()))
    }
}

/// Something to do, which can be done again wherever it was stopped, and ends in one state.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Makes what it needs, on a disk without fault.
    pub(crate) before: fn(&World) -> Outcome,
    pub(crate) job: fn(&World, &mut Promises) -> Outcome,
    /// Whether a tree is damaged in it, which may be found at any time.
    pub(crate) rots: bool,
    /// What the disk can do on which it is done.
    pub(crate) sharing: Sharing,
}

pub(crate) const SCENARIOS: [Scenario; 9] = [
    scenario("download", |_| Ok(()), cut_off),
    scenario("changed", |_| Ok(()), changed),
    scenario("mismatch", |_| Ok(()), mismatch),
    scenario("publish", |_| Ok(()), publish),
    scenario("unsummed", unsummed, |world, promises| small(&world.open()?, promises)),
    scenario("clean", filled, clean),
    Scenario {
        sharing: Sharing::Works,
        ..scenario("checkout", partial_left, checkout)
    },
    scenario("restore", damaged, restore),
    Scenario {
        rots: true,
        ..scenario("rotten", edited, rotten)
    },
];

const fn scenario(
    name: &'static str,
    before: fn(&World) -> Outcome,
    job: fn(&World, &mut Promises) -> Outcome,
) -> Scenario {
    Scenario {
        name,
        before,
        job,
        rots: false,
        sharing: Sharing::Unknown,
    }
}

/// A checkout that is whole or absent.
pub(crate) const COPY: &str = "outside/new";
/// A checkout that was damaged, and the paths of it that are restored.
const DAMAGED: &str = "outside/app";
const PATHS: [&str; 3] = ["run", "lib/one", "deep/er/f"];

impl World {
    pub(crate) fn open(&self) -> Result<Store, StoreError> {
        let limits = Limits {
            quarantine_files: 1,
            ..Limits::default()
        };
        open(Arc::clone(&self.disk), &self.store(), limits)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.place.join("store")
    }

    /// Writes a file as somebody else does.
    fn put(&self, path: &Path, bytes: &[u8]) -> Outcome {
        let write = || {
            if exists(path).unwrap() {
                self.disk.set_mode(path, 0o644)?;
                self.disk.resume(path, 0)?.write_all(bytes)
            } else {
                self.disk.create(path, 0o644)?.write_all(bytes)
            }
        };
        write().map_err(|error| Failure::Wrong(error.to_string()))
    }

    fn remove(&self, path: &Path) -> Outcome {
        Ok(crate::durable::remove(&*self.disk, path)?)
    }
}

/// Bytes enough for a note in the middle.
/// Bytes that do not shrink.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

static BULK: LazyLock<Vec<u8>> = LazyLock::new(|| noise(1, 300_000));

static PROGRAM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    zip(&[
        ("program.yml", b"entry: bin/app", 0o100_644),
        ("bin/app", b"#!/bin/sh", 0o100_755),
        ("bin/data", &noise(2, 3_000), 0o100_644),
        ("lib", b"deep", 0o120_777),
        ("run", b"bin/app", 0o120_777),
        ("deep/one", b"1", 0o100_644),
        ("deep/er/f", b"22", 0o100_644),
        ("empty/", b"", 0o040_755),
    ])
});

fn by_sha256(bytes: &[u8]) -> Expected {
    Expected {
        sha256: Some(Digest::of(bytes)),
        ..Expected::default()
    }
}

fn by_md5(bytes: &[u8]) -> Expected {
    let mut taken = Taken::new(true);
    taken.add(bytes);
    Expected {
        md5: taken.md5(),
        ..Expected::default()
    }
}

fn id(text: &str) -> TreeId {
    text.parse().unwrap()
}

/// Begins a download from a place that has the state `tag` now; anew, when another one was begun.
fn begin(store: &Store, download: Download, tag: &str, size: u64) -> Result<Ingest, StoreError> {
    let validator = || Validator {
        etag: Some(tag.into()),
        last_modified: None,
    };
    let mut ingest = store.ingest(download)?;
    match ingest.announce(validator(), Some(size)) {
        Err(StoreError::Changed { .. }) => {
            ingest.restart()?;
            ingest.announce(validator(), Some(size))?;
        }
        other => other?,
    }
    Ok(ingest)
}

/// Writes what is missing of `bytes`, in pieces.
fn go_on(ingest: &mut Ingest, bytes: &[u8]) -> Result<(), StoreError> {
    let here = usize::try_from(ingest.offset()).unwrap().min(bytes.len());
    bytes[here..].chunks(100_000).try_for_each(|piece| ingest.write(piece))
}

/// Takes a whole download; it must have come to what it should be.
fn take(store: &Store, key: &str, expected: Expected, bytes: &[u8], promises: &mut Promises) -> Result<Blob, Failure> {
    let mut ingest = store.ingest(download(key, expected))?;
    go_on(&mut ingest, bytes)?;
    finish(ingest, bytes, promises)
}

fn finish(ingest: Ingest, bytes: &[u8], promises: &mut Promises) -> Result<Blob, Failure> {
    let blob = ingest.finish()?;
    must(*blob.digest() == Digest::of(bytes), || {
        format!("{} is no blob of these bytes", blob.digest())
    })?;
    promises.blobs.insert(*blob.digest());
    Ok(blob)
}

/// A download that is dropped in the middle and gone on with.
fn cut_off(world: &World, promises: &mut Promises) -> Outcome {
    let (store, bytes) = (world.open()?, BULK.as_slice());
    let of = || download("bulk", by_sha256(bytes));
    let mut ingest = begin(&store, of(), "1", bytes.len() as u64)?;
    go_on(&mut ingest, &bytes[..280_000])?;
    drop(ingest);
    let mut ingest = begin(&store, of(), "1", bytes.len() as u64)?;
    go_on(&mut ingest, bytes)?;
    finish(ingest, bytes, promises).map(drop)
}

/// A download known by MD5 whose place changes in the middle, that is given up, and then taken; another one is left.
fn changed(world: &World, promises: &mut Promises) -> Outcome {
    let (store, old, new) = (world.open()?, noise(3, 3_000), noise(4, 3_000));
    let of = || download("page", by_md5(&new));
    let mut ingest = begin(&store, of(), "old", 3_000)?;
    go_on(&mut ingest, &old[..2_000])?;
    drop(ingest);
    let mut ingest = begin(&store, of(), "new", 3_000)?;
    go_on(&mut ingest, &new[..1_500])?;
    drop(ingest);
    begin(&store, of(), "new", 3_000)?.discard();
    let mut ingest = begin(&store, of(), "new", 3_000)?;
    go_on(&mut ingest, &new)?;
    drop(finish(ingest, &new, promises)?);
    let mut left = store.ingest(download("left", by_sha256(&new)))?;
    Ok(go_on(&mut left, &new[..1_000])?)
}

/// Two downloads that are not what was promised, of which one fits into the quarantine, and then the right one.
fn mismatch(world: &World, promises: &mut Promises) -> Outcome {
    let store = world.open()?;
    for (key, bytes) in [("one", b"login".as_slice()), ("two", b"<html>")] {
        match take(&store, key, by_sha256(b"right"), bytes, promises) {
            Err(Failure::Store(StoreError::Mismatch { .. })) => {}
            Err(other) => return Err(other),
            Ok(_) => return Err(Failure::Wrong("a mismatch was taken".into())),
        }
    }
    take(&store, "three", by_sha256(b"right"), b"right", promises).map(drop)
}

/// From the first byte of a download to its published tree.
fn deploy(store: &Store, promises: &mut Promises) -> Outcome {
    let blob = take(store, "program", by_sha256(&PROGRAM), &PROGRAM, promises)?;
    let object = Content::Object {
        blob,
        unpack: Unpack::Zip,
        file_name: "program".into(),
    };
    let program = Part {
        name: "program".into(),
        content: object,
    };
    let mut staged = store.stage(&[program, text("notes", "n")])?;
    staged.make_executable("deep/one")?;
    staged.publish(id("t"))?;
    promises.trees.insert(id("t"));
    Ok(())
}

/// Tried again when the disk refused, and then done with other bytes under the same id, which changes nothing.
fn publish(world: &World, promises: &mut Promises) -> Outcome {
    let store = world.open()?;
    deploy(&store, promises).or_else(|_| deploy(&store, promises))?;
    store.stage(&[text("other", "bytes")])?.publish(id("t"))?;
    Ok(())
}

fn deployed(world: &World) -> Result<Store, Failure> {
    let store = world.open()?;
    deploy(&store, &mut Promises::default())?;
    Ok(store)
}

/// A tree of one file.
fn small(store: &Store, promises: &mut Promises) -> Outcome {
    store.stage(&[text("f", "x")])?.publish(id("small"))?;
    promises.trees.insert(id("small"));
    Ok(())
}

/// A tree that nobody trusts and that the next one replaces.
fn unsummed(world: &World) -> Outcome {
    small(&world.open()?, &mut Promises::default())?;
    world.remove(&world.store().join("sums/small"))
}

fn filled(world: &World) -> Outcome {
    let (store, mut promises) = (deployed(world)?, Promises::default());
    take(&store, "md5", by_md5(b"by its md5"), b"by its md5", &mut promises)?;
    small(&store, &mut promises)?;
    let mut part = store.ingest(download("left", by_sha256(b"whole")))?;
    Ok(part.write(b"who")?)
}

/// Cleans twice, the second time of everything.
fn clean(world: &World, promises: &mut Promises) -> Outcome {
    let store = world.open()?;
    let small = Stored::Tree(id("small"));
    if store.tree(&id("small"))?.is_some() {
        promises.trees.insert(id("small"));
    }
    promises.gone = store.clean(&KeptParts::default(), |what| *what == small)?.removed;
    promises.trees.clear();
    promises
        .gone
        .extend(store.clean(&KeptParts::default(), |_| false)?.removed);
    Ok(())
}

fn partial_left(world: &World) -> Outcome {
    deployed(world)?;
    let partial = world.place.join("outside/.new.partial");
    world.disk.create_dir(&partial, 0o700).unwrap();
    world.put(&partial.join("half"), b"half")
}

fn checkout(world: &World, promises: &mut Promises) -> Outcome {
    let (store, dest) = (world.open()?, world.place.join(COPY));
    let tree = store.tree(&id("t"))?;
    let tree = tree.ok_or_else(|| Failure::Wrong("the tree is gone".into()))?;
    if !exists(&dest)? {
        store.checkout(&tree, &dest)?;
        promises.paths.insert(COPY.into());
    }
    Ok(())
}

fn damaged(world: &World) -> Outcome {
    let (store, dest) = (deployed(world)?, world.place.join(DAMAGED));
    let tree = store.tree(&id("t"))?.unwrap();
    store.checkout(&tree, &dest)?;
    world.put(&dest.join("bin/app"), b"evil")?;
    for path in ["lib", "run", "deep"] {
        world.remove(&dest.join(path))?;
    }
    world.disk.create_dir(&dest.join("lib"), 0o755).unwrap();
    world.put(&dest.join("lib/one"), b"mine")?;
    world.disk.symlink(Path::new("empty"), &dest.join("deep")).unwrap();
    Ok(())
}

fn restore(world: &World, promises: &mut Promises) -> Outcome {
    let (store, dest) = (world.open()?, world.place.join(DAMAGED));
    let tree = store.tree(&id("t"))?;
    let tree = tree.ok_or_else(|| Failure::Wrong("the tree is gone".into()))?;
    let published = store.published(&tree, &PATHS)?;
    let restored = store.restore(&tree, &published, &dest)?;
    let left = store.differs(&published, &dest)?;
    must(left.is_empty(), || format!("not restored: {left:?}"))?;
    let paths = restored.iter().map(|found| Path::new(DAMAGED).join(&found.path));
    promises.paths.extend(paths);
    Ok(())
}

fn edited(world: &World) -> Outcome {
    small(&world.open()?, &mut Promises::default())?;
    let file = world.store().join("trees/small/f");
    world.put(&file, b"evil")?;
    world.disk.set_mode(&file, 0o444).unwrap();
    Ok(())
}

fn rotten(world: &World, promises: &mut Promises) -> Outcome {
    let store = world.open()?;
    if let Some(tree) = store.tree(&id("small"))? {
        match store.verify(&tree) {
            Ok(()) | Err(StoreError::RottenTree { .. }) => {}
            Err(other) => return Err(other.into()),
        }
    }
    small(&store, promises)
}
