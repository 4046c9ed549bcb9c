//! The folders of one run: made fresh for each start by plan, kept across restarts, removed with it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::durable::{self, FileError, On, Survives};
use crate::folders::Folders;
use crate::layout::{Kept, Make, Place, Shown};
use crate::record::Record;

/// Where the files of one run lie.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// What it works in.
    pub(crate) folder: PathBuf,
    /// Its secrets, below the runtime folder: no disk keeps them where that lies in memory.
    pub(crate) secrets: PathBuf,
}

/// Makes the folder with everything that is mounted in it, and the folder that the program starts in. What was there
/// before is removed. Blocks.
pub(crate) fn make(home: &Home, places: &[Place<Shown>], start_in: &Path) -> Result<(), FileError> {
    remove(home)?;
    durable::folder(&home.folder, true)?;
    places.iter().try_for_each(|place| home.show(place))?;
    let start_in = home.folder.join(start_in);
    fs::create_dir_all(&start_in).on("create the folder", &start_in)
}

/// Removes the folder with everything in it, and the secrets; what its links lead to else stays. Blocks.
pub(crate) fn remove(home: &Home) -> Result<(), FileError> {
    durable::remove(&home.secrets)?;
    durable::remove(&home.folder)
}

impl Home {
    /// No part of where it is shown is a link to elsewhere: the folder is fresh, and the layout has no mount below a link.
    fn show(&self, place: &Place<Shown>) -> Result<(), FileError> {
        let at = self.folder.join(&place.at);
        match &place.what {
            Shown::Folder => durable::folder(&at, false),
            Shown::Files { files, kept } => {
                durable::folder(&at, false)?;
                let mut files = files.iter();
                files.try_for_each(|(name, bytes)| self.put(&place.at.join(name), bytes, *kept))
            }
            Shown::File { bytes, kept } => {
                parent(&at)?;
                self.put(&place.at, bytes, *kept)
            }
            Shown::Link { to, make } => {
                parent(&at)?;
                match make {
                    Some(Make::Folder) if is_absent(to) => durable::folder(to, false)?,
                    Some(Make::File) if is_absent(to) => {
                        parent(to)?;
                        drop(File::create_new(to).on("make the file", to)?);
                    }
                    _ => {}
                }
                symlink(to, &at).on("make the link", &at)
            }
        }
    }

    /// Puts a file at a place in the folder, or a link to it where it is secret.
    fn put(&self, at: &Path, bytes: &[u8], kept: Kept) -> Result<(), FileError> {
        let shown = self.folder.join(at);
        if kept == Kept::Open {
            return durable::put(&shown, bytes, kept.mode(), Survives::Crash);
        }
        let secret = self.secrets.join(at);
        durable::folder(&self.secrets, true)?;
        parent(&secret)?;
        durable::put(&secret, bytes, kept.mode(), Survives::Crash)?;
        durable::remove(&shown)?;
        symlink(&secret, &shown).on("make the link", &shown)
    }
}

fn is_absent(path: &Path) -> bool {
    path.symlink_metadata().is_err()
}

fn parent(path: &Path) -> Result<(), FileError> {
    path.parent().map_or(Ok(()), |parent| durable::folder(parent, false))
}

/// Removes what no run has any more. Blocks.
pub(crate) fn clear<'a>(folders: &Folders, runs: impl Iterator<Item = &'a Record>) -> Result<(), FileError> {
    let homes: Vec<Home> = runs.map(|record| folders.home_of(record)).collect();
    let is_left = |path: &PathBuf| !homes.iter().any(|home| home.folder == *path || home.secrets == *path);
    for below in [folders.instances(), folders.secrets()] {
        let mut left = names(&below)?.into_iter().filter(is_left);
        left.try_for_each(|path| durable::remove(&path))?;
    }
    Ok(())
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

    fn files(bytes: &[u8], kept: Kept) -> Shown {
        let files = BTreeMap::from([("key".to_owned(), bytes.to_vec())]);
        Shown::Files { files, kept }
    }

    fn file(bytes: &[u8], kept: Kept) -> Shown {
        let bytes = bytes.to_vec();
        Shown::File { bytes, kept }
    }

    fn link(to: &Path, make: Make) -> Shown {
        Shown::Link {
            to: to.to_owned(),
            make: Some(make),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn home(dir: &tempfile::TempDir) -> Home {
        Home {
            folder: dir.path().join("instance"),
            secrets: dir.path().join("run/secrets/instance"),
        }
    }

    #[test]
    fn what_is_mounted_is_there_and_what_was_there_before_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (home, host) = (home(&dir), dir.path().join("host/data"));
        let folder = home.folder.clone();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("old"), "").unwrap();
        let places = [
            place("etc/cert", files(b"hush", Kept::Secret)),
            place("etc/one.yml", file(b"1", Kept::Open)),
            place("data", link(&host, Make::Folder)),
            place("app.conf", link(&host.with_file_name("conf/app.conf"), Make::File)),
            place("tmp", Shown::Folder),
        ];
        make(&home, &places, Path::new("srv/app")).unwrap();
        assert_eq!(fs::read(folder.join("etc/cert/key")).unwrap(), b"hush");
        assert_eq!(
            (mode(&folder.join("etc/cert/key")), mode(&folder.join("etc/one.yml"))),
            (0o600, 0o755)
        );
        assert_eq!(fs::read(host.with_file_name("conf/app.conf")).unwrap(), b"");
        fs::write(folder.join("app.conf"), "mine").unwrap();
        fs::write(folder.join("data/kept"), "x").unwrap();
        assert!(folder.join("srv/app").is_dir() && folder.join("tmp").is_dir() && !folder.join("old").exists());
        remove(&home).unwrap();
        assert!(
            !folder.exists() && host.join("kept").exists(),
            "what a link leads to stays"
        );
        make(&home, &places, Path::new("")).unwrap();
        assert_eq!(
            fs::read(host.with_file_name("conf/app.conf")).unwrap(),
            b"mine",
            "it is made once"
        );
    }

    #[test]
    fn secrets_lie_outside_of_the_folder_for_their_owner_alone_and_go_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(&dir);
        let places = [
            // A secret may be shown as the whole folder, and others in its own.
            place("", files(b"whole", Kept::Secret)),
            place("etc/cert", files(b"folder", Kept::Secret)),
            place("etc/cert/ca.yml", file(b"open", Kept::Open)),
            place("etc/one", file(b"part", Kept::Secret)),
        ];
        // The second start finds what the first has left.
        for _ in 0..2 {
            make(&home, &places, Path::new("")).unwrap();
            for (at, content) in [("key", "whole"), ("etc/cert/key", "folder"), ("etc/one", "part")] {
                let shown = home.folder.join(at);
                assert_eq!(fs::read_link(&shown).unwrap(), home.secrets.join(at));
                assert_eq!(
                    (fs::read_to_string(&shown).unwrap().as_str(), mode(&shown)),
                    (content, 0o600)
                );
            }
            assert!(!home.folder.join("etc/cert/ca.yml").is_symlink());
            assert_eq!(mode(&home.secrets), 0o700);
        }
        remove(&home).unwrap();
        assert!(!home.secrets.exists() && !home.folder.exists());
    }
}
