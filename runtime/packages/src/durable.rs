use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::disk::Disk;
use crate::error::OnPath;
use crate::parallel::{for_each, threads_for};

/// Makes a folder's list of names durable.
pub(crate) fn sync_dir(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    disk.sync(dir).on("sync the folder", dir)
}

/// Makes every file and folder below `root`, and `root` itself, durable. Follows no link.
///
/// Each file by itself, so that an error is told of the file that has it. Whoever wrote the files has had the disk begin
/// with each of them, [`Writing::begin_sync`](crate::disk::Writing::begin_sync), so most of that is done, and several threads
/// let the rest share the commits of the journal. `syncfs(2)` would be one call and a little faster on a quiet disk, but it
/// waits for whatever else is written on that file system, without a bound, and its errors may be anybody's.
pub(crate) fn sync_tree(disk: &dyn Disk, root: &Path) -> Result<(), StoreError> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    let mut seen = 0;
    while let Some(folder) = folders.get(seen).cloned() {
        for entry in fs::read_dir(&folder).on("list", &folder)? {
            let entry = entry.on("list", &folder)?;
            let kind = entry.file_type().on("look at", &folder)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
        seen += 1;
    }
    for_each(
        threads_for(files.len()),
        &files,
        || (),
        |(), file| disk.sync(file).on("sync", file),
    )?;
    folders.iter().try_for_each(|folder| sync_dir(disk, folder))
}

/// Makes a folder and those above it where they are missing, each of them durable.
pub(crate) fn make_dirs(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = parent(dir);
    make_dirs(disk, above)?;
    disk.create_dir(dir, 0o755).on("create the folder", dir)?;
    sync_dir(disk, above)
}

/// Removes a file or a whole folder; one that is gone already is no error. Follows no link.
pub(crate) fn remove(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => return remove_tree(disk, path),
        Ok(_) => disk.remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.on("remove", path),
    }
}

/// Without recursion, since nothing bounds how deep a folder is that somebody else made.
fn remove_tree(disk: &dyn Disk, root: &Path) -> Result<(), StoreError> {
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.last().cloned() {
        let mut below = Vec::new();
        for path in names_in(&folder)? {
            match fs::symlink_metadata(&path).on("look at", &path)?.is_dir() {
                true => below.push(path),
                false => disk.remove_file(&path).on("remove", &path)?,
            }
        }
        if below.is_empty() {
            disk.remove_dir(&folder).on("remove", &folder)?;
            open.pop();
        } else {
            open.extend(below);
        }
    }
    Ok(())
}

/// The paths in a folder.
pub(crate) fn names_in(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(dir).on("list", dir)?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).on("list", dir))
        .collect()
}

/// The name of a path, where it is text.
pub(crate) fn name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// Whether something has this name, be it a link that leads nowhere.
pub(crate) fn exists(path: &Path) -> Result<bool, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error).on("look at", path),
    }
}

/// The folder that a path lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
