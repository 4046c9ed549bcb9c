//! The manifest that a library carries: who it is, what API it needs, what it offers and asks for.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the ELF section that holds the manifest as JSON.
pub const MANIFEST_SECTION: &str = ".aerolith_plugin";
/// Name of the ELF section that holds the [`Marker`].
pub const MARKER_SECTION: &str = ".aerolith_marker";

/// A manifest, as JSON in the section [`MANIFEST_SECTION`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the manifest itself: 1.
    pub format: u32,
    /// API version that the plugin was built with, `MAJOR.MINOR`.
    pub api: String,
    /// API version that it needs at least.
    pub api_min: String,
    /// Its name: lower case letters, digits, `-`.
    pub name: String,
    /// Its own version, for people.
    pub version: String,
    /// Who made it.
    pub vendor: String,
    /// Methods by capability.
    pub provides: BTreeMap<String, Vec<String>>,
    /// How a running instance is replaced.
    #[serde(default)]
    pub replace: Replace,
    /// What it asks for: `call CAPABILITY`, `publish FILTER`, `subscribe FILTER`, `kv`, `secrets`, `descriptors`,
    /// `processes`.
    #[serde(default)]
    pub permissions: Vec<String>,
}

/// How a running instance is replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replace {
    /// Create the new one, start it, switch, then drain and stop the old.
    #[default]
    Beside,
    /// Drain the old one first: it owns something that cannot be owned twice.
    Handover,
}

/// The five bytes of the section [`MARKER_SECTION`]: how the library is entered, and what a panic does in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// By which door.
    pub entry: Entry,
    /// False when it was built with `panic = "abort"`.
    pub unwinds: bool,
}

/// By which door a library is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The waist's root.
    Rust,
    /// `aerolith_plugin_v1` of the C header.
    C,
}

impl Marker {
    /// The bytes in the file.
    #[must_use]
    pub const fn bytes(self) -> [u8; 5] {
        let entry = match self.entry {
            Entry::Rust => b'R',
            Entry::C => b'C',
        };
        [b'A', b'P', 1, entry, if self.unwinds { b'U' } else { b'A' }]
    }

    /// The marker that bytes stand for, or nothing.
    #[must_use]
    pub const fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'A', b'P', 1, b'R', b'U', ..] => Some(Self {
                entry: Entry::Rust,
                unwinds: true,
            }),
            [b'A', b'P', 1, b'R', b'A', ..] => Some(Self {
                entry: Entry::Rust,
                unwinds: false,
            }),
            [b'A', b'P', 1, b'C', b'U', ..] => Some(Self {
                entry: Entry::C,
                unwinds: true,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back_what_it_wrote() {
        for (entry, unwinds) in [(Entry::Rust, true), (Entry::Rust, false), (Entry::C, true)] {
            let marker = Marker { entry, unwinds };
            assert_eq!(Marker::read(&marker.bytes()), Some(marker));
        }
        assert_eq!(Marker::read(b"ELF"), None);
    }
}
