//! What a file is by its bytes.

use std::fs::File;
use std::path::Path;

use aerolith_packages::Identity;

use crate::tree::{On as _, TreeError};

/// Reads a file to its end.
///
/// # Errors
/// What the file system says.
pub fn identify(path: &Path) -> Result<Identity, TreeError> {
    File::open(path).and_then(Identity::of).on(path)
}
