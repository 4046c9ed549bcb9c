use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::{At, OnPath};
use crate::file_sum::Summing;
use crate::links::Written;
use crate::{Rule, StoreError};

/// Bytes moved at once; on the stack, since most files of a package are small.
const CHUNK: usize = 1 << 15;

/// A file's place in a tree that is judged and promised, with the bytes still to come. It knows nothing of the tree any
/// more, so many can be filled at once.
#[derive(Debug)]
pub(crate) struct Slot {
    disk: Arc<dyn Disk>,
    place: PathBuf,
    executable: bool,
    fill: Fill,
}

/// What is done with the bytes that come.
#[derive(Debug)]
pub(crate) enum Fill {
    /// They are written, and their sum is told.
    Write(Written),
    /// A file is here already, brought by the part `other`, and must be equal.
    Compare { other: String },
}

impl Slot {
    pub(crate) fn new(disk: Arc<dyn Disk>, place: PathBuf, executable: bool, fill: Fill) -> Self {
        Slot {
            disk,
            place,
            executable,
            fill,
        }
    }

    /// Whether a file is here already, so that this one can only be compared, once that one is written.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self.fill, Fill::Compare { .. })
    }

    /// Writes the bytes of `content`, or compares them with the file that is here; answers how many there were. `allow`
    /// is asked before each piece, with the bytes that the file has and those that come.
    pub(crate) fn fill(
        &self,
        at: At<'_>,
        content: &mut dyn Read,
        mut allow: impl FnMut(u64, u64) -> Result<(), Rule>,
    ) -> Result<u64, StoreError> {
        let mode = if self.executable { 0o555 } else { 0o444 };
        match &self.fill {
            Fill::Write(sum) => {
                let mut file = self.disk.create(&self.place, 0o600).on("create", &self.place)?;
                let mut summing = Summing::default();
                let size = pump(at, content, &mut allow, |bytes| {
                    summing.add(bytes);
                    file.write_all(bytes).on("write", &self.place)
                })?;
                file.set_mode(mode).on("set the mode of", &self.place)?;
                file.begin_sync();
                sum.get_or_init(|| summing.end(self.executable));
                Ok(size)
            }
            Fill::Compare { other } => {
                let other = || at.refuse(Rule::OtherBytes { other: other.clone() });
                let mut there = self.disk.open(&self.place).on("open", &self.place)?;
                let size = pump(at, content, &mut allow, |bytes| {
                    match follows(&mut there, bytes).on("read", &self.place)? {
                        true => Ok(()),
                        false => Err(other()),
                    }
                })?;
                if there.metadata().on("look at", &self.place)?.len() != size {
                    return Err(other());
                }
                self.disk
                    .set_mode(&self.place, mode)
                    .on("set the mode of", &self.place)?;
                Ok(size)
            }
        }
    }
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
    let (mut chunk, mut size) = ([0; CHUNK], 0);
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
