use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{At, OnPath};
use crate::{Rule, StoreError};

/// Bytes moved at once.
const CHUNK: usize = 1 << 16;

/// A file's place in a tree that is judged and promised, with the bytes still to come. It knows nothing of the tree any
/// more, so many can be filled at once.
#[derive(Debug)]
pub(crate) struct Slot {
    place: PathBuf,
    executable: bool,
    /// The part that brought a file here before, which must be equal.
    before: Option<String>,
}

impl Slot {
    pub(crate) fn new(place: PathBuf, executable: bool, before: Option<String>) -> Self {
        Slot {
            place,
            executable,
            before,
        }
    }

    /// Whether a file is here already, so that this one can only be compared, once that one is written.
    pub(crate) fn is_taken(&self) -> bool {
        self.before.is_some()
    }

    /// Writes the bytes of `content`, or compares them with the file that is here; answers how many there were. `allow`
    /// is asked before each piece, with the bytes that the file has and those that come.
    pub(crate) fn fill(
        &self,
        at: At<'_>,
        content: &mut dyn Read,
        mut allow: impl FnMut(u64, u64) -> Result<(), Rule>,
    ) -> Result<u64, StoreError> {
        let mode = Permissions::from_mode(if self.executable { 0o555 } else { 0o444 });
        match &self.before {
            None => {
                let mut file = create(&self.place)?;
                let size = pump(at, content, &mut allow, |bytes| {
                    file.write_all(bytes).on("write", &self.place)
                })?;
                file.set_permissions(mode).on("set the mode of", &self.place)?;
                Ok(size)
            }
            Some(other) => {
                let other = || at.refuse(Rule::OtherBytes { other: other.clone() });
                let mut there = File::open(&self.place).on("open", &self.place)?;
                let size = pump(at, content, &mut allow, |bytes| {
                    match follows(&mut there, bytes).on("read", &self.place)? {
                        true => Ok(()),
                        false => Err(other()),
                    }
                })?;
                if there.metadata().on("look at", &self.place)?.len() != size {
                    return Err(other());
                }
                fs::set_permissions(&self.place, mode).on("set the mode of", &self.place)?;
                Ok(size)
            }
        }
    }
}

fn create(place: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    options.open(place).on("create", place)
}

/// Whether the next bytes of a file are these.
fn follows(file: &mut File, bytes: &[u8]) -> io::Result<bool> {
    let mut there = vec![0; bytes.len()];
    match file.read_exact(&mut there) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| there == bytes),
    }
}

/// Moves `content` to `take`, piece by piece, each of them allowed before.
fn pump(
    at: At<'_>,
    content: &mut dyn Read,
    allow: &mut dyn FnMut(u64, u64) -> Result<(), Rule>,
    mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let (mut chunk, mut size) = (vec![0; CHUNK], 0);
    loop {
        let read = match content.read(&mut chunk) {
            Ok(0) => return Ok(size),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(at.refuse(Rule::behind(error))),
        };
        allow(size, read as u64).map_err(|rule| at.refuse(rule))?;
        take(&chunk[..read])?;
        size += read as u64;
    }
}
