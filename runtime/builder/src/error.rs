//! Why no package is made.

use std::io;
use std::path::{Path, PathBuf};

use aerolith_model::InvalidText;

use crate::tree::TreeError;

/// Why no package is made of a folder.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Something in a folder cannot be packed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Text that breaks the rule of its type.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// A folder without anything to pack.
    #[error("{}: expected program.yml, or a folder for each platform such as `linux-amd64`; it is empty", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Something beside the platforms' folders.
    #[error(
        "{}: it is no platform's folder; put what belongs to all platforms into `any`, or program.yml beside it to make \
         one package for all",
        path.display()
    )]
    Stray {
        /// The file.
        path: PathBuf,
    },
    /// The output would become part of what is packed.
    #[error("{}: it lies inside {}, which is packed; name another folder with --out", out.display(), folder.display())]
    Inside {
        /// The folder for the output.
        out: PathBuf,
        /// The folder to pack.
        folder: PathBuf,
    },
    /// A text that cannot stand in a file's name.
    #[error("`{found}` is not a valid version: expected 1 to 64 of a-z, A-Z, 0-9, `.`, `_`, `+`, `-`")]
    Version {
        /// The text.
        found: String,
    },
    /// An address that no file's name can be put behind.
    #[error("`{found}` cannot stand in front of a file's name: it has a query or a fragment")]
    Base {
        /// The address.
        found: String,
    },
    /// An archive could not be written.
    #[error("{}: {source}", path.display())]
    Archive {
        /// The file or folder that was being packed.
        path: PathBuf,
        /// What the system or the format says.
        source: io::Error,
    },
    /// A file of that name that is another.
    #[error("{}: there is such a file with other content; --force replaces it, and an archive of another --version has another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be given its name, when others may have theirs.
    #[error("{}: {source}; {}", path.display(), in_place(moved))]
    Unfinished {
        /// Its name.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// The files that are in place.
        moved: Vec<PathBuf>,
    },
    /// The configuration cannot be written as text.
    #[error("the configuration cannot be written: {0}")]
    Yaml(String),
}

impl BuildError {
    /// Whether it can be mended in what is to be packed, or how that is asked for, rather than that the system refuses.
    #[must_use]
    pub fn is_of_the_request(&self) -> bool {
        match self {
            Self::Tree(error) => error.is_of_the_tree(),
            Self::Archive { .. } | Self::Unfinished { .. } | Self::Yaml(_) => false,
            Self::Text(_)
            | Self::Empty { .. }
            | Self::Stray { .. }
            | Self::Inside { .. }
            | Self::Version { .. }
            | Self::Base { .. }
            | Self::Exists { .. } => true,
        }
    }
}

fn in_place(moved: &[PathBuf]) -> String {
    if moved.is_empty() {
        return "no file was touched".into();
    }
    let moved: Vec<_> = moved.iter().map(|path| path.display().to_string()).collect();
    format!(
        "already in place: {}; the same command once more makes it whole",
        moved.join(", ")
    )
}

/// Adds what was being packed to an error of writing an archive.
pub(crate) trait Packing<T> {
    fn packing(self, path: &Path) -> Result<T, BuildError>;
}

impl<T, E: Into<io::Error>> Packing<T> for Result<T, E> {
    fn packing(self, path: &Path) -> Result<T, BuildError> {
        self.map_err(|error| BuildError::Archive {
            path: path.to_owned(),
            source: error.into(),
        })
    }
}
