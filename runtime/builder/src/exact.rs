//! A file as it is packed.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The mode of a file, as far as a package has one.
pub(crate) const fn mode(executable: bool) -> u32 {
    if executable { 0o755 } else { 0o644 }
}

/// The bytes of a file, which must be as many as when the tree was looked through; else reading it fails.
pub(crate) struct Exact {
    file: File,
    left: u64,
}

impl Exact {
    pub(crate) fn open(place: &Path, size: u64) -> io::Result<Self> {
        let file = File::open(place)?;
        Ok(Self { file, left: size })
    }
}

impl Read for Exact {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        let left = self.left.checked_sub(count as u64);
        match left.filter(|left| count > 0 || *left == 0 || into.is_empty()) {
            Some(left) => self.left = left,
            None => {
                let changed = "it changed while it was packed; build again when nobody writes to it";
                return Err(io::Error::other(changed));
            }
        }
        Ok(count)
    }
}
