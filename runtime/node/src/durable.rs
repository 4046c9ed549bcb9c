//! Files that are whole or absent.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[cfg(test)]
pub(crate) mod crash;
#[cfg(test)]
use crash::step;

/// One change on disk.
#[cfg_attr(not(test), expect(dead_code, reason = "only tests keep account of what was changed"))]
#[derive(Clone, Copy)]
enum Change<'a> {
    Create(&'a Path, u32),
    Write(&'a Path, &'a [u8]),
    Sync(&'a Path),
    Rename(&'a Path, &'a Path),
    Remove(&'a Path),
    Folder(&'a Path),
}

/// Makes a change. Tests let it fail, or keep account of what a power cut would leave.
#[cfg(not(test))]
fn step<T>(_: Change<'_>, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    make()
}

/// A file or folder that the system refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried, as a verb.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The system's answer.
    pub source: io::Error,
}

/// Says on what an operation failed.
pub(crate) trait On<T> {
    fn on(self, action: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T, E: Into<io::Error>> On<T> for Result<T, E> {
    fn on(self, action: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|e| FileError {
            action,
            path: path.to_owned(),
            source: e.into(),
        })
    }
}

/// What a file survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survives {
    /// The end of the process, however it ends.
    Crash,
    /// A power cut too.
    PowerCut,
}

/// What the name of a file under way begins with; no name that is kept does.
const STAGED: &str = "~";
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Puts a file in place of whatever is there: staged beside it, renamed, and synced when it is to survive a power cut.
pub(crate) fn put(path: &Path, bytes: &[u8], mode: u32, survives: Survives) -> Result<(), FileError> {
    replace(path, bytes, mode, survives)?;
    if survives == Survives::PowerCut {
        sync_parent(path)?;
    }
    Ok(())
}

/// Puts several files in place, each as [`put`] does; all of them survive a power cut once this answers.
pub(crate) fn put_all(files: &[(PathBuf, Vec<u8>)], mode: u32) -> Result<(), FileError> {
    for (path, bytes) in files {
        replace(path, bytes, mode, Survives::PowerCut)?;
    }
    let mut synced = BTreeSet::new();
    let mut first = files.iter().filter(|(path, _)| synced.insert(path.parent()));
    first.try_for_each(|(path, _)| sync_parent(path))
}

fn replace(path: &Path, bytes: &[u8], mode: u32, survives: Survives) -> Result<(), FileError> {
    let staged = path.with_file_name(format!("{STAGED}{}", NUMBER.fetch_add(1, Relaxed)));
    stage(&staged, bytes, mode, survives)?;
    let renamed = step(Change::Rename(&staged, path), || fs::rename(&staged, path));
    renamed.on("rename to", path)
}

fn stage(path: &Path, bytes: &[u8], mode: u32, survives: Survives) -> Result<(), FileError> {
    remove(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = step(Change::Create(path, mode), || options.open(path)).on("create", path)?;
    // Whatever the umask made of it.
    file.set_permissions(fs::Permissions::from_mode(mode))
        .on("set the mode of", path)?;
    step(Change::Write(path, bytes), || file.write_all(bytes)).on("write", path)?;
    if survives == Survives::PowerCut {
        step(Change::Sync(path), || file.sync_all()).on("sync", path)?;
    }
    Ok(())
}

/// Makes a rename in a file's folder, or its removal, survive a power cut.
pub(crate) fn sync_parent(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let synced = step(Change::Sync(folder), || File::open(folder)?.sync_all());
    synced.on("sync", folder)
}

/// Removes a file or a whole folder; one that is not there is no error. Follows no link.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => step(Change::Remove(path), || fs::remove_dir_all(path)),
        Ok(_) => step(Change::Remove(path), || fs::remove_file(path)),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.on("remove", path),
    }
}

/// The entries of a folder, sorted, half-written files removed first. A folder that is not there has none.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let listed = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.on("list", folder)?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let path = entry.on("list", folder)?.path();
        if path
            .file_name()
            .unwrap_or_default()
            .as_encoded_bytes()
            .starts_with(STAGED.as_bytes())
        {
            remove(&path)?;
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a folder with its parents through which everybody may pass and into which nobody else may look.
pub(crate) fn passage(path: &Path) -> Result<(), FileError> {
    folder(path, false)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o711)).on("set the mode of", path)
}

/// Makes a folder with its parents, for its owner alone when it is `private`.
pub(crate) fn folder(path: &Path, private: bool) -> Result<(), FileError> {
    step(Change::Folder(path), || fs::create_dir_all(path)).on("create the folder", path)?;
    if private {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).on("set the mode of", path)?;
    }
    Ok(())
}

/// Moves a file that cannot be read into `aside`, under a name that is free, and answers where it lies now.
pub(crate) fn set_aside(path: &Path, aside: &Path) -> Result<PathBuf, FileError> {
    folder(aside, true)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut to = aside.join(&name);
    let mut number = 1;
    while to.symlink_metadata().is_ok() {
        to = aside.join(format!("{name}.{number}"));
        number += 1;
    }
    step(Change::Rename(path, &to), || fs::rename(path, &to)).on("set aside", path)?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_the_mode_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for number in 0..9 {
            fs::write(dir.path().join(format!("~{number}")), "left by a crash").unwrap();
        }
        for (text, survives) in [("one", Survives::PowerCut), ("two", Survives::Crash)] {
            put(&path, text.as_bytes(), 0o600, survives).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(entries(dir.path()).unwrap(), [path]);
    }

    #[test]
    fn what_was_half_written_is_removed_and_the_rest_listed_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["~1", "b", "a", "c~"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> = entries(dir.path())
            .unwrap()
            .iter()
            .map(|p| p.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a", "b", "c~"]);
        assert!(!dir.path().join("~1").exists());
        assert_eq!(entries(&dir.path().join("absent")).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn what_is_set_aside_never_replaces_what_was_set_aside_before() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("a"), dir.path().join("damaged"));
        for text in ["one", "two"] {
            fs::write(&path, text).unwrap();
            let to = set_aside(&path, &aside).unwrap();
            assert_eq!(fs::read_to_string(to).unwrap(), text);
        }
        assert_eq!(entries(&aside).unwrap().len(), 2);
    }

    #[test]
    fn an_error_names_the_place() {
        let error = put(Path::new("/nowhere/x"), b"", 0o600, Survives::Crash).unwrap_err();
        assert!(error.to_string().contains("/nowhere/~"), "{error}");
    }
}
