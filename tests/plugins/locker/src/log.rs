//! The file and how far it is written. Knows neither the core nor a clock.

use aerolith_plugin::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

/// What one generation tells the next, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Counts from 1.
    pub(crate) generation: u32,
    /// Number of the last line.
    pub(crate) lines: u64,
}

impl State {
    /// Nothing at all means that there was no predecessor.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(bytes)
            .map(Some)
            .map_err(|e| Error::invalid(format!("the predecessor's state: {e}")))
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::invalid)
    }
}

/// Whoever may write since one opening; a later opening has another writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writer(u64);

/// A file that takes lines while it is open to writing.
pub(crate) struct Log {
    file: File,
    /// The writer of now; each opening has another.
    writer: Option<Writer>,
    openings: u64,
    state: State,
}

impl Log {
    /// Goes on behind a predecessor; closed to writing at first.
    pub(crate) fn new(file: File, inherited: Option<State>) -> Self {
        let (generation, lines) = inherited.map_or((1, 0), |former| (former.generation + 1, former.lines));
        Self {
            file,
            writer: None,
            openings: 0,
            state: State { generation, lines },
        }
    }

    /// Opens to writing; nothing when it was open already.
    pub(crate) fn open(&mut self) -> Option<Writer> {
        if self.writer.is_some() {
            return None;
        }
        self.openings += 1;
        self.writer = Some(Writer(self.openings));
        self.writer
    }

    /// Nothing is written any more.
    pub(crate) fn close(&mut self) {
        self.writer = None;
    }

    /// Writes the next line; false when this writer's time is over.
    pub(crate) fn append(&mut self, writer: Writer) -> std::io::Result<bool> {
        if self.writer != Some(writer) {
            return Ok(false);
        }
        let next = self.state.lines + 1;
        self.file
            .write_all(format!("{} {next}\n", self.state.generation).as_bytes())?;
        self.state.lines = next;
        Ok(true)
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_of_an_earlier_opening_writes_no_more() {
        let mut log = Log::new(tempfile::tempfile().unwrap(), None);
        let first = log.open().unwrap();
        assert_eq!(log.open(), None);
        assert!(log.append(first).unwrap());
        log.close();
        let second = log.open().unwrap();
        assert!(!log.append(first).unwrap());
        assert!(log.append(second).unwrap());
        assert_eq!(
            log.state(),
            State {
                generation: 1,
                lines: 2
            }
        );
    }
}
