//! Trees written as archives: the same bytes for the same tree, whoever packs it, when, and in whichever order the file
//! system lists it. Names are sorted, times are those from which the format counts, owners are nobody, and of the modes
//! only the execute bit is kept.

use std::fs::File;
use std::path::Path;

use aerolith_model::Unpack;

use crate::error::{BuildError, Packing as _};
use crate::tree::Tree;
use crate::{tarball, zipped};

/// The formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Baetyl's own.
    Zip,
    /// Smaller; ours.
    TarZst,
}

impl Format {
    /// How its files end, without the dot.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::TarZst => "tar.zst",
        }
    }

    /// How it is unpacked.
    #[must_use]
    pub const fn unpack(self) -> Unpack {
        match self {
            Self::Zip => Unpack::Zip,
            Self::TarZst => Unpack::TarZst,
        }
    }

    /// Writes a tree to a new file.
    pub(crate) fn write(self, tree: &Tree, to: &Path) -> Result<(), BuildError> {
        let file = File::create_new(to).packing(to)?;
        let file = match self {
            Self::Zip => zipped::write(tree, file)?,
            Self::TarZst => tarball::write(tree, file)?,
        };
        file.sync_all().packing(to)
    }
}

#[cfg(test)]
mod tests;
