//! A directory as an archive: a tar whose bytes follow from the names, the contents, who may run them and where links lead,
//! and from nothing else. So a fetch of it can go on where it was, and its digest can be promised.

use crate::regular::{self, Regular, changed, failed};
use crate::state::State;
use aerolith_plugin::{Bytes, Error, Result, Stream};
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// Most entries: more are no package, but somebody's whole disk.
const MOST: usize = 100_000;
/// Bytes of a tar's block (POSIX.1-2017, pax, "ustar Interchange Format").
const BLOCK: u64 = 512;
/// Two blocks of zeros end a tar.
const END: u64 = 2 * BLOCK;

/// What is in a directory, sorted by name.
pub(crate) struct Tree {
    root: PathBuf,
    entries: Vec<Entry>,
    state: State,
}

/// Something in a directory.
#[derive(Debug, Hash)]
struct Entry {
    /// Below the directory.
    path: PathBuf,
    kind: Kind,
    /// Bytes of it in front of its content.
    head: u64,
}

#[derive(Debug, Hash)]
enum Kind {
    Directory,
    File {
        size: u64,
        /// Of the file itself.
        etag: String,
        executable: bool,
    },
    Link(PathBuf),
}

impl Tree {
    /// Lists a directory and all below it. No link is followed.
    pub(crate) async fn list(root: PathBuf) -> Result<Self> {
        let listed = tokio::task::spawn_blocking(move || {
            let mut entries = Vec::new();
            below(&root, Path::new(""), &mut entries)?;
            Ok(Self {
                state: state(&entries),
                root,
                entries,
            })
        });
        listed.await.map_err(Error::io)?
    }

    pub(crate) fn state(&self) -> State {
        self.state.clone()
    }

    /// Delivers the archive from `offset` to the end. Answers how many bytes.
    pub(crate) async fn deliver(self, offset: u64, into: &Stream<Bytes>) -> Result<u64> {
        let mut skip = offset;
        for entry in &self.entries {
            if skip >= entry.length() {
                skip -= entry.length();
                continue;
            }
            let head = entry.header().map_err(|e| failed(&self.root.join(&entry.path), &e))?;
            rest(&head, &mut skip, into).await?;
            if let Kind::File { size, etag, .. } = &entry.kind {
                let file = Regular::open_itself(self.root.join(&entry.path)).await?;
                if file.state().etag != *etag {
                    return Err(changed(&self.root));
                }
                if skip < *size {
                    file.deliver(std::mem::take(&mut skip), into).await?;
                } else {
                    skip -= size;
                }
                rest(&vec![0; padding(*size)], &mut skip, into).await?;
            }
        }
        rest(&[0; END as usize], &mut skip, into).await?;
        let size = self.state.size;
        let now = Self::list(self.root.clone()).await?;
        if now.state == self.state {
            Ok(size - offset)
        } else {
            Err(changed(&self.root))
        }
    }
}

/// Delivers what of some bytes is not to be skipped.
async fn rest(bytes: &[u8], skip: &mut u64, into: &Stream<Bytes>) -> Result<()> {
    let from = usize::try_from(*skip).unwrap_or(usize::MAX).min(bytes.len());
    *skip -= from as u64;
    if from == bytes.len() {
        return Ok(());
    }
    into.write_raw(bytes[from..].to_vec()).await
}

/// Zeros that fill a content's last block.
fn padding(size: u64) -> usize {
    usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or_default()
}

fn state(entries: &[Entry]) -> State {
    let size = entries.iter().map(Entry::length).sum::<u64>() + END;
    let mut hash = DefaultHasher::new();
    entries.hash(&mut hash);
    State {
        size,
        etag: format!("\"tar-{:016x}-{size}\"", hash.finish()),
    }
}

fn below(root: &Path, folder: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    let at = root.join(folder);
    let listed = fs::read_dir(&at).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut names: Vec<_> = listed
        .map_err(|e| failed(&at, &e))?
        .iter()
        .map(fs::DirEntry::file_name)
        .collect();
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    for name in names {
        let path = folder.join(name);
        let entry = Entry::of(root, path.clone())?;
        let is_directory = matches!(entry.kind, Kind::Directory);
        entries.push(entry);
        if entries.len() > MOST {
            return Err(Error::invalid(format!(
                "`{}` has more than {MOST} files and directories below it: expected a package",
                root.display()
            )));
        }
        if is_directory {
            below(root, &path, entries)?;
        }
    }
    Ok(())
}

impl Entry {
    fn of(root: &Path, path: PathBuf) -> Result<Self> {
        let at = root.join(&path);
        let failed = |e| failed(&at, &e);
        let met = fs::symlink_metadata(&at).map_err(failed)?;
        let kind = if met.is_dir() {
            Kind::Directory
        } else if met.is_symlink() {
            Kind::Link(fs::read_link(&at).map_err(failed)?)
        } else if met.is_file() {
            let State { size, etag } = regular::state(&met);
            let executable = met.permissions().mode() & 0o111 != 0;
            Kind::File { size, etag, executable }
        } else {
            return Err(Error::invalid(format!(
                "`{}` is a device, pipe or socket, which no package holds: remove it",
                at.display()
            )));
        };
        let mut entry = Self { path, kind, head: 0 };
        entry.head = entry.header().map_err(failed)?.len() as u64;
        Ok(entry)
    }

    /// Bytes of the whole entry.
    fn length(&self) -> u64 {
        match self.kind {
            Kind::File { size, .. } => self.head + size.next_multiple_of(BLOCK),
            _ => self.head,
        }
    }

    /// What stands in front of the content: of nobody, of no time.
    fn header(&self) -> io::Result<Vec<u8>> {
        let mut header = Header::new_gnu();
        let (kind, mode, size) = match &self.kind {
            Kind::Directory => (EntryType::Directory, 0o755, 0),
            Kind::File { size, executable, .. } => (EntryType::Regular, if *executable { 0o755 } else { 0o644 }, *size),
            Kind::Link(_) => (EntryType::Symlink, 0o777, 0),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let mut archive = Builder::new(Vec::new());
        match &self.kind {
            Kind::Link(target) => archive.append_link(&mut header, &self.path, target)?,
            _ => archive.append_data(&mut header, &self.path, io::empty())?,
        }
        Ok(std::mem::take(archive.get_mut()))
    }
}
