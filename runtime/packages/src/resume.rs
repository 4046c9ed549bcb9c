//! What is kept of a download that was cut off, and when it may go on.
//!
//! The file holds bytes; its note says how many of them were durable when the note was written, and their digest. So
//! whatever a crash makes of the two, the part is either a beginning of the true bytes or is thrown away: a longer file
//! is cut to what the note says, and a shorter, torn or other one does not have the digest.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::layout::note_of;
use crate::taken::Taken;
use crate::{Digest, Download, Expected, Validator};

/// Bytes after which what is here is noted for the first time.
const FIRST: u64 = 256 << 10;
/// Most bytes between two notes.
const MOST: u64 = 32 << 20;

/// The note of a part.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PartNote {
    pub(crate) source: String,
    pub(crate) expected: Expected,
    pub(crate) known: Known,
    /// Bytes that were durable.
    pub(crate) taken: u64,
    /// Their digest.
    pub(crate) sha256: Digest,
}

/// What the place said of its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) validator: Validator,
    /// The number of all bytes.
    pub(crate) size: Option<u64>,
}

impl Known {
    /// Whether a part may be gone on with: something must tell at last that its bytes belong together.
    pub(crate) fn resumable(&self, expected: &Expected) -> bool {
        expected.sha256.is_some() || !self.validator.is_empty()
    }
}

/// Where the next note is due after one at `noted` bytes: a fifth of a download at most comes twice, and the number of
/// notes grows only with the logarithm of its size.
pub(crate) fn next_note(noted: u64) -> u64 {
    noted + (noted / 4).clamp(FIRST, MOST)
}

/// The part at `path`, read and hashed again, when the download may go on behind it. A part that cannot be read is of no
/// use, so an error means that there is none.
pub(crate) fn find(disk: &dyn Disk, path: &Path, download: &Download) -> Option<(Known, Taken)> {
    let note: PartNote = read_note(disk, path)?;
    if note.expected != download.expected || !note.known.resumable(&note.expected) {
        return None;
    }
    let file = disk.open(path).ok()?;
    // A file with a second name was finished: a cut in the middle of its renaming left both. It must not be written.
    let meta = file.metadata().ok()?;
    if meta.nlink() != 1 || meta.len() < note.taken {
        return None;
    }
    let mut taken = Taken::new(download.expected.md5.is_some());
    taken.add_all(file.take(note.taken)).ok()?;
    (taken.size() == note.taken && taken.sha256() == note.sha256).then_some((note.known, taken))
}

/// The note of a part or of a quarantined file; none when it is missing or no such note.
pub(crate) fn read_note<T: for<'de> Deserialize<'de>>(disk: &dyn Disk, path: &Path) -> Option<T> {
    /// Far above what the store writes.
    const LONGEST: u64 = 1 << 20;
    let read = |file: File| {
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = disk.open(&note_of(path)).and_then(read).ok()?;
    serde_json::from_slice(&bytes).ok()
}
