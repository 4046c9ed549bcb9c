//! What the text of a key file is, and reading one.

use std::fs;
use std::path::Path;

use zeroize::Zeroizing;

use crate::{InvalidKey, KeyError};

/// A kind of key.
pub(crate) struct Kind {
    /// In words.
    pub(crate) wanted: &'static str,
    /// What its PEM block is called (RFC 7468).
    pub(crate) label: &'static str,
}

impl Kind {
    /// Says what a text is instead, as well as that can be said, else what the decoder says.
    pub(crate) fn refuse(&self, text: &str, error: &impl ToString) -> InvalidKey {
        let reason = match label(text) {
            None => "there is no `-----BEGIN …-----` line in it".into(),
            Some("ENCRYPTED PRIVATE KEY") => "it is encrypted; `openssl pkey -in FILE -out KEY` decrypts it".into(),
            Some(label) if label != self.label => format!("it holds a `{label}` where a `{}` is expected", self.label),
            Some(_) => error.to_string(),
        };
        InvalidKey {
            wanted: self.wanted,
            reason,
        }
    }

    /// Reads a key from its file. What was read is wiped, since it may be secret.
    pub(crate) fn load<K>(
        &self,
        path: &Path,
        parse: impl FnOnce(&str) -> Result<K, InvalidKey>,
    ) -> Result<K, KeyError> {
        let bytes = fs::read(path).map(Zeroizing::new).map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|_| InvalidKey {
            wanted: self.wanted,
            reason: "it is no text; keys are read as PEM".into(),
        });
        text.and_then(parse).map_err(|error| KeyError::Invalid {
            path: path.to_owned(),
            error,
        })
    }
}

fn label(text: &str) -> Option<&str> {
    let line = text.lines().find_map(|line| line.strip_prefix("-----BEGIN "))?;
    line.trim_end().strip_suffix("-----")
}
