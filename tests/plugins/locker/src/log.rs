//! The file and how far it is written. Knows neither the core nor a clock.

use aerolith_plugin::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

/// What one generation tells the next, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Counts from 1.
    pub generation: u32,
    /// Number of the last line.
    pub lines: u64,
}

impl State {
    /// Nothing at all means that there was no predecessor.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(bytes).map(Some).map_err(|e| Error::invalid(format!("the predecessor's state: {e}")))
    }

    pub fn write(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::invalid)
    }
}

/// A file that takes lines while it is open to writing.
pub struct Log {
    file: File,
    open: bool,
    state: State,
}

impl Log {
    /// Goes on behind a predecessor; closed to writing at first.
    pub fn new(file: File, inherited: Option<State>) -> Self {
        let (generation, lines) = inherited.map_or((1, 0), |former| (former.generation + 1, former.lines));
        Self { file, open: false, state: State { generation, lines } }
    }

    /// Opens to writing; false when it was open already.
    pub fn open(&mut self) -> bool {
        !std::mem::replace(&mut self.open, true)
    }

    /// Nothing is written any more.
    pub fn close(&mut self) {
        self.open = false;
    }

    /// Writes the next line; false when closed to writing.
    pub fn append(&mut self) -> std::io::Result<bool> {
        if self.open {
            let next = self.state.lines + 1;
            self.file.write_all(format!("{} {next}\n", self.state.generation).as_bytes())?;
            self.state.lines = next;
        }
        Ok(self.open)
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
