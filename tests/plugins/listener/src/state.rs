//! What one generation tells the next.

use aerolith_plugin::{Error, Result};
use serde::{Deserialize, Serialize};

/// The state that crosses a hand-over, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Counts from 1.
    pub(crate) generation: u32,
    /// The socket's port.
    pub(crate) port: u16,
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
