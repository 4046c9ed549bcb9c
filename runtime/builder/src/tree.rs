//! What lies in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Everything below a folder by its path, which is text with `/` between the names, whatever order the file system keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
    entries: BTreeMap<String, Kind>,
}

/// What lies at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Bytes.
        size: u64,
        /// Whether anybody may execute it.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// As it is written.
        target: String,
    },
}

/// Why a folder cannot be a package's.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A name that archives cannot carry to every system.
    #[error("{}: the {what} is not UTF-8; rename it", path.display())]
    NoText {
        /// The file or link.
        path: PathBuf,
        /// `name` or `target of the link`.
        what: &'static str,
    },
    /// A device, a pipe or a socket.
    #[error("{}: it is {what}; only files, folders and links belong in a package", path.display())]
    Special {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
}

impl TreeError {
    /// Whether it is a mistake in what was named, such as a file that is not there, rather than that the system refuses.
    #[must_use]
    pub fn is_of_the_tree(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::InvalidFilename
            ),
            Self::NoText { .. } | Self::Special { .. } => true,
        }
    }
}

impl Tree {
    /// Looks through a folder. Links are not followed.
    ///
    /// # Errors
    /// [`TreeError`] for the first thing that does not belong in a package.
    pub fn of(root: &Path) -> Result<Self, TreeError> {
        let (mut entries, mut folders) = (BTreeMap::new(), vec![(root.to_owned(), String::new())]);
        while let Some((folder, above)) = folders.pop() {
            for entry in fs::read_dir(&folder).on(&folder)? {
                let place = entry.on(&folder)?.path();
                let name = text(place.file_name().unwrap_or_default(), &place, "name")?;
                let path = if above.is_empty() {
                    name
                } else {
                    format!("{above}/{name}")
                };
                let kind = Kind::at(&place)?;
                if kind == Kind::Folder {
                    folders.push((place, path.clone()));
                }
                entries.insert(path, kind);
            }
        }
        Ok(Self {
            root: root.to_owned(),
            entries,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything in it, in the order of the paths' bytes, so that a folder comes before what is in it.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.entries.iter().map(|(path, kind)| (path.as_str(), kind))
    }

    /// What lies at a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Kind> {
        self.entries.get(path)
    }

    /// The number of its files, and their bytes together.
    #[must_use]
    pub fn files(&self) -> (u64, u64) {
        self.entries.values().fold((0, 0), |(count, bytes), kind| match kind {
            Kind::File { size, .. } => (count + 1, bytes + size),
            Kind::Folder | Kind::Link { .. } => (count, bytes),
        })
    }
}

impl Kind {
    /// What lies at a place.
    fn at(place: &Path) -> Result<Self, TreeError> {
        let meta = fs::symlink_metadata(place).on(place)?;
        let kind = meta.file_type();
        if kind.is_dir() {
            Ok(Self::Folder)
        } else if kind.is_file() {
            Ok(Self::File {
                size: meta.len(),
                executable: meta.permissions().mode() & 0o111 != 0,
            })
        } else if kind.is_symlink() {
            let target = fs::read_link(place).on(place)?;
            let target = text(target.as_os_str(), place, "target of the link")?;
            Ok(Self::Link { target })
        } else {
            Err(TreeError::Special {
                path: place.to_owned(),
                what: special(kind),
            })
        }
    }

    /// Its mode as `ls` writes it, in a package: what anybody may do.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Folder => "drwxr-xr-x",
            Self::File { executable: true, .. } => "-rwxr-xr-x",
            Self::File { executable: false, .. } => "-rw-r--r--",
            Self::Link { .. } => "lrwxrwxrwx",
        }
    }
}

fn special(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    match () {
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

fn text(text: &std::ffi::OsStr, place: &Path, what: &'static str) -> Result<String, TreeError> {
    let no_text = || TreeError::NoText {
        path: place.to_owned(),
        what,
    };
    Ok(text.to_str().ok_or_else(no_text)?.to_owned())
}

/// Adds the place to an I/O error.
pub(crate) trait On<T> {
    fn on(self, path: &Path) -> Result<T, TreeError>;
}

impl<T> On<T> for io::Result<T> {
    fn on(self, path: &Path) -> Result<T, TreeError> {
        self.map_err(|source| TreeError::Io {
            path: path.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_folder_comes_before_what_is_in_it_and_everything_has_its_kind() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("b/empty")).unwrap();
        fs::write(root.path().join("b/run"), "12345").unwrap();
        fs::set_permissions(root.path().join("b/run"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(root.path().join("a"), "1").unwrap();
        symlink("b/run", root.path().join("c")).unwrap();
        let tree = Tree::of(root.path()).unwrap();
        let entries: Vec<_> = tree.entries().map(|(path, kind)| (path, kind.mode())).collect();
        let expected = [
            ("a", "-rw-r--r--"),
            ("b", "drwxr-xr-x"),
            ("b/empty", "drwxr-xr-x"),
            ("b/run", "-rwxr-xr-x"),
            ("c", "lrwxrwxrwx"),
        ];
        assert_eq!(entries, expected);
        assert_eq!(tree.files(), (2, 6));
        assert_eq!(tree.get("c"), Some(&Kind::Link { target: "b/run".into() }));
    }

    #[test]
    fn what_no_archive_may_hold_is_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("talk");
        let socket = UnixListener::bind(&place).unwrap();
        let error = Tree::of(root.path()).unwrap_err().to_string();
        assert!(error.contains("talk: it is a socket"), "{error}");
        drop(socket);
        fs::remove_file(&place).unwrap();
        fs::write(root.path().join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
        let error = Tree::of(root.path()).unwrap_err().to_string();
        assert!(error.contains("the name is not UTF-8"), "{error}");
    }
}
