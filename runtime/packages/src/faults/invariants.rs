//! What must hold of a store whatever happened to its machine or its disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::scenarios::{COPY, Failure, Outcome, Promises, Scenario, World, must};
use crate::durable::names_in;
use crate::layout::{NOTE, STAGING};
use crate::sandbox::mode;
use crate::{Digest, KeptParts, Md5, Store, StoreError, Stored};

/// Everything below a folder by its path, but for the lock: its mode, and a file's digest or a link's target.
pub(crate) type Snapshot = BTreeMap<PathBuf, (u32, String)>;

pub(crate) fn snapshot(root: &Path) -> Snapshot {
    let found = below(root).into_iter().map(|path| {
        let place = root.join(&path);
        let kind = fs::symlink_metadata(&place).unwrap().file_type();
        let what = if kind.is_symlink() {
            format!("to {}", fs::read_link(&place).unwrap().display())
        } else if kind.is_dir() {
            "a folder".to_owned()
        } else {
            Digest::of(&fs::read(&place).unwrap()).to_string()
        };
        (path, (mode(&place), what))
    });
    let mut found: Snapshot = found.collect();
    found.remove(Path::new("store/lock"));
    found
}

/// Every path below a folder, from there.
fn below(root: &Path) -> Vec<PathBuf> {
    let (mut todo, mut found) = (vec![PathBuf::new()], Vec::new());
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap().map(Result::unwrap) {
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                todo.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}

/// Checks all of it: what is there is sound, what was promised is there, nothing is left over, and doing the same again
/// succeeds and comes to the same `end`, upon which everything can be cleaned away.
pub(crate) fn check(world: &World, scenario: &Scenario, promises: &Promises, end: &Snapshot) -> Outcome {
    let store = world.open()?;
    sound(&store, scenario)?;
    kept(world, &store, promises, end)?;
    let parts = KeptParts {
        since: SystemTime::UNIX_EPOCH,
        bytes: u64::MAX,
    };
    store.clean(&parts, |_| true)?;
    accounted(&world.store())?;
    drop(store);
    (scenario.job)(world, &mut Promises::default())?;
    let store = world.open()?;
    same(&snapshot(&world.place), end)?;
    store.clean(&KeptParts::default(), |_| false)?;
    accounted(&world.store())?;
    for item in store.list()? {
        must(matches!(item.what, Stored::Quarantined(_)), || {
            format!("{} is left after cleaning everything", item.what)
        })?;
    }
    Ok(())
}

/// Whatever the store answers is whole.
fn sound(store: &Store, scenario: &Scenario) -> Outcome {
    for item in store.list()? {
        match &item.what {
            Stored::Blob(digest) => {
                let blob = store.blob(digest)?;
                let found = blob.map(|blob| Digest::of(&fs::read(blob.path()).unwrap()));
                must(found == Some(*digest), || {
                    format!("{} is not whole: {found:?}", item.what)
                })?;
            }
            Stored::Tree(id) => match store.tree(id)?.map(|tree| store.verify(&tree)) {
                Some(Err(StoreError::RottenTree { .. })) if scenario.rots => {}
                Some(Err(error)) => return Err(Failure::Wrong(error.to_string())),
                Some(Ok(())) | None => {}
            },
            Stored::Part(_) | Stored::Quarantined(_) | Stored::Staging(_) => {}
        }
    }
    for path in names_in(&store.0.layout.md5s())? {
        let md5: Md5 = path.file_name().unwrap().to_str().unwrap().parse()?;
        // Looks into the blob and answers only what has this MD5.
        store.blob_by_md5(&md5)?;
    }
    Ok(())
}

/// What was reported done is there, and what was reported removed is not.
fn kept(world: &World, store: &Store, promises: &Promises, end: &Snapshot) -> Outcome {
    for digest in &promises.blobs {
        must(store.blob(digest)?.is_some(), || format!("blob {digest} is lost"))?;
    }
    for id in &promises.trees {
        must(store.tree(id)?.is_some(), || format!("tree {id} is lost"))?;
    }
    for what in &promises.gone {
        let is_back = match what {
            Stored::Blob(digest) => store.blob(digest)?.is_some(),
            Stored::Tree(id) => store.tree(id)?.is_some(),
            Stored::Part(_) | Stored::Quarantined(_) | Stored::Staging(_) => false,
        };
        must(!is_back, || format!("{what} is back"))?;
    }
    let found = snapshot(&world.place);
    let whole = found.keys().filter(|path| *path == Path::new(COPY));
    for path in promises.paths.iter().chain(whole) {
        same(&within(&found, path), &within(end, path))?;
    }
    Ok(())
}

/// What lies at a path and below it.
fn within(all: &Snapshot, path: &Path) -> Snapshot {
    let all = all.iter().filter(|(found, _)| found.starts_with(path));
    all.map(|(path, what)| (path.clone(), what.clone())).collect()
}

fn same(found: &Snapshot, expected: &Snapshot) -> Outcome {
    let only = |here: &Snapshot, there: &Snapshot| -> Vec<String> {
        let differs = here.iter().filter(|(path, what)| there.get(*path) != Some(what));
        differs
            .map(|(path, what)| format!("{} {what:?}", path.display()))
            .collect()
    };
    must(found == expected, || {
        format!(
            "found {:#?} in the place of {:#?}",
            only(found, expected),
            only(expected, found)
        )
    })
}

/// No file is in the store of which nobody can say what it is for.
fn accounted(root: &Path) -> Outcome {
    let is_there = |path: &Path| fs::symlink_metadata(root.join(path)).is_ok();
    for path in &below(root) {
        let names: Vec<&str> = path.iter().map(|name| name.to_str().unwrap()).collect();
        let fits = match names[..] {
            ["lock" | "new" | "ingest" | "trees" | "sums" | "quarantine" | "blobs"] | ["blobs", "sha256" | "md5"] => {
                true
            }
            ["blobs", "sha256", name] => name.parse::<Digest>().is_ok(),
            ["blobs", "md5", _] => {
                let digest = fs::read_to_string(root.join(path)).unwrap();
                is_there(&Path::new("blobs/sha256").join(digest))
            }
            ["ingest", _] if path.extension().is_some_and(|ending| ending == NOTE) => {
                is_there(&path.with_extension(""))
            }
            ["ingest", _] => is_there(&path.with_extension(NOTE)),
            ["quarantine", _] if path.extension().is_some_and(|ending| ending == NOTE) => {
                let note = fs::read(root.join(path)).unwrap();
                is_there(&path.with_extension("")) && serde_json::from_slice::<serde_json::Value>(&note).is_ok()
            }
            ["quarantine", name] => {
                let found = Digest::of(&fs::read(root.join(path)).unwrap()).to_string();
                is_there(&path.with_extension(NOTE)) && found == name
            }
            ["trees", id, ..] => !id.starts_with(STAGING),
            ["sums", id] => is_there(&Path::new("trees").join(id)),
            _ => false,
        };
        must(fits, || format!("{} is an orphan", path.display()))?;
    }
    Ok(())
}
