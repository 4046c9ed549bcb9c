use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes read at once.
const BUFFER: usize = 1 << 15;

/// A reader of a file that many readers share: each has its own position and its own buffer, which a seek inside it
/// keeps. A clone begins where its original is.
pub(super) struct Window {
    file: Arc<File>,
    size: u64,
    at: u64,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    begins: u64,
}

impl Window {
    pub(super) fn new(file: File, size: u64) -> Self {
        Window {
            file: Arc::new(file),
            size,
            at: 0,
            buffer: Vec::new(),
            begins: 0,
        }
    }

    /// What the buffer has from the position on.
    fn buffered(&self) -> &[u8] {
        let from = self
            .at
            .checked_sub(self.begins)
            .and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| self.buffer.get(from..)).unwrap_or_default()
    }
}

impl Clone for Window {
    fn clone(&self) -> Self {
        Window {
            file: Arc::clone(&self.file),
            buffer: Vec::new(),
            ..*self
        }
    }
}

impl Read for Window {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.buffered().is_empty() {
            if into.len() >= BUFFER {
                let read = self.file.read_at(into, self.at)?;
                self.at += read as u64;
                return Ok(read);
            }
            self.buffer.resize(BUFFER, 0);
            let read = self.file.read_at(&mut self.buffer, self.at);
            self.buffer.truncate(*read.as_ref().unwrap_or(&0));
            self.begins = self.at;
            read?;
        }
        let read = self.buffered().read(into)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Cursor, Write};

    proptest! {
        #[test]
        fn a_window_reads_what_a_cursor_reads_and_its_clone_goes_its_own_way(
            steps in prop::collection::vec((0..100_000_u64, 0..70_000_usize), 1..20),
        ) {
            let bytes: Vec<u8> = (0..90_000_u32).map(|n| (n % 251) as u8).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let (mut window, mut cursor) = (Window::new(file, bytes.len() as u64), Cursor::new(&bytes));
            for (to, many) in steps {
                prop_assert_eq!(window.seek(SeekFrom::Start(to)).unwrap(), cursor.seek(SeekFrom::Start(to)).unwrap());
                let (mut found, mut expected) = (Vec::new(), Vec::new());
                let clone = window.clone();
                (&mut window).take(many as u64).read_to_end(&mut found).unwrap();
                (&mut cursor).take(many as u64).read_to_end(&mut expected).unwrap();
                prop_assert!(found == expected);
                found.clear();
                clone.take(many as u64).read_to_end(&mut found).unwrap();
                prop_assert!(found == expected);
            }
        }
    }
}
