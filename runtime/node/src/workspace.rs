//! The working folder of an instance: made fresh for each start by plan, kept across restarts, removed with it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::durable::{self, FileError, On, Survives};
use crate::layout::{Make, Place, Shown};

/// Makes the folder with everything that is mounted in it, and the folder that the program starts in. What was there
/// before is removed. Blocks.
pub(crate) fn make(folder: &Path, places: &[Place<Shown>], start_in: &Path) -> Result<(), FileError> {
    remove(folder)?;
    durable::folder(folder, true)?;
    for place in places {
        show(&folder.join(&place.at), &place.what)?;
    }
    let start_in = folder.join(start_in);
    fs::create_dir_all(&start_in).on("create the folder", &start_in)
}

/// Removes the folder with everything in it; what its links lead to stays. Blocks.
pub(crate) fn remove(folder: &Path) -> Result<(), FileError> {
    durable::remove(folder)
}

/// No part of `at` is a link: the folder is fresh, and the layout has no mount below a link.
fn show(at: &Path, what: &Shown) -> Result<(), FileError> {
    match what {
        Shown::Folder => durable::folder(at, false),
        Shown::Files { files, mode } => {
            durable::folder(at, false)?;
            files
                .iter()
                .try_for_each(|(name, bytes)| durable::put(&at.join(name), bytes, *mode, Survives::Crash))
        }
        Shown::File { bytes, mode } => {
            parent(at)?;
            durable::put(at, bytes, *mode, Survives::Crash)
        }
        Shown::Link { to, make } => {
            parent(at)?;
            match make {
                Some(Make::Folder) if is_absent(to) => durable::folder(to, false)?,
                Some(Make::File) if is_absent(to) => {
                    parent(to)?;
                    drop(File::create_new(to).on("make the file", to)?);
                }
                _ => {}
            }
            symlink(to, at).on("make the link", at)
        }
    }
}

fn is_absent(path: &Path) -> bool {
    path.symlink_metadata().is_err()
}

fn parent(path: &Path) -> Result<(), FileError> {
    path.parent().map_or(Ok(()), |parent| durable::folder(parent, false))
}

/// The names in a folder of folders.
pub(crate) fn names(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    Ok(durable::entries(folder)?
        .into_iter()
        .filter(|path| path.is_dir())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    fn place(at: &str, what: Shown) -> Place<Shown> {
        Place { at: at.into(), what }
    }

    #[test]
    fn what_is_mounted_is_there_and_what_was_there_before_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, host) = (dir.path().join("instance"), dir.path().join("host/data"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("old"), "").unwrap();
        let files = BTreeMap::from([("key".to_owned(), b"hush".to_vec())]);
        let places = [
            place("etc/cert", Shown::Files { files, mode: 0o600 }),
            place(
                "etc/one.yml",
                Shown::File {
                    bytes: b"1".to_vec(),
                    mode: 0o755,
                },
            ),
            place(
                "data",
                Shown::Link {
                    to: host.clone(),
                    make: Some(Make::Folder),
                },
            ),
            place(
                "app.conf",
                Shown::Link {
                    to: host.with_file_name("conf/app.conf"),
                    make: Some(Make::File),
                },
            ),
            place("tmp", Shown::Folder),
        ];
        make(&folder, &places, Path::new("srv/app")).unwrap();
        let mode = |path: &str| fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(fs::read(folder.join("etc/cert/key")).unwrap(), b"hush");
        assert_eq!((mode("etc/cert/key"), mode("etc/one.yml")), (0o600, 0o755));
        assert_eq!(fs::read(host.with_file_name("conf/app.conf")).unwrap(), b"");
        fs::write(folder.join("app.conf"), "mine").unwrap();
        fs::write(folder.join("data/kept"), "x").unwrap();
        assert!(folder.join("srv/app").is_dir() && folder.join("tmp").is_dir() && !folder.join("old").exists());
        remove(&folder).unwrap();
        assert!(
            !folder.exists() && host.join("kept").exists(),
            "what a link leads to stays"
        );
        make(&folder, &places, Path::new("")).unwrap();
        assert_eq!(
            fs::read(host.with_file_name("conf/app.conf")).unwrap(),
            b"mine",
            "it is made once"
        );
    }
}
