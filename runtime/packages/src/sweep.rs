use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::durable::{name, names_in, remove};
use crate::layout::{NOTE, STAGING};
use crate::store::Inner;

impl Inner {
    /// Removes what a crash left half-done. Nobody else is at work: the store is being opened.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        let mut orphans = names_in(&self.layout.new_files())?;
        for folder in [self.layout.parts(), self.layout.quarantine()] {
            orphans.extend(alone(names_in(&folder)?));
        }
        let trees = names_in(&self.layout.trees())?;
        let known: BTreeSet<_> = trees.iter().filter_map(|path| path.file_name()).collect();
        let sums = names_in(&self.layout.sums())?;
        orphans.extend(
            sums.into_iter()
                .filter(|path| path.file_name().is_none_or(|id| !known.contains(id))),
        );
        orphans.extend(trees.iter().filter(|path| is_staging(path)).cloned());
        orphans.iter().try_for_each(|path| remove(&*self.disk, path))
    }
}

pub(crate) fn is_staging(path: &Path) -> bool {
    name(path).is_some_and(|name| name.starts_with(STAGING))
}

/// The files without a note, and the notes without a file.
fn alone(paths: Vec<PathBuf>) -> impl Iterator<Item = PathBuf> {
    let stem = |path: &PathBuf| path.file_stem().map(OsString::from);
    let is_note = |path: &PathBuf| path.extension().is_some_and(|ending| ending == NOTE);
    let notes: BTreeSet<_> = paths.iter().filter(|path| is_note(path)).filter_map(stem).collect();
    let files: BTreeSet<_> = paths.iter().filter(|path| !is_note(path)).filter_map(stem).collect();
    paths.into_iter().filter(move |path| {
        let other = if is_note(path) { &files } else { &notes };
        stem(path).is_none_or(|stem| !other.contains(&stem))
    })
}
