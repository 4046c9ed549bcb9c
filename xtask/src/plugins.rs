//! Plugins as they ship: each built alone, so that no other crate's features get into it.

use crate::artifacts::{executable, library};
use crate::{cargo, root};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The plugin crates of a checkout, by folder.
pub(crate) fn names(checkout: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(checkout.join("plugins"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds every plugin for shipping into a folder, and answers the files.
pub(crate) fn ship(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    names(&root())?.iter().map(|name| ship_one(name, folder)).collect()
}

fn ship_one(name: &str, folder: &Path) -> Result<PathBuf> {
    let flags = [
        "rustc",
        "--package",
        name,
        "--profile",
        "plugin",
        "--crate-type",
        "cdylib",
    ];
    let built = library(cargo().args(flags))?;
    let file = built.file_name().context("a library has a name")?;
    let shipped = folder.join(file);
    put(&built, &shipped)?;
    println!("{:>9} bytes  {}", fs::metadata(&shipped)?.len(), shipped.display());
    Ok(shipped)
}

/// Puts a file in place as a whole: one that is loaded is never rewritten.
fn put(from: &Path, to: &Path) -> Result<()> {
    let staged = to.with_extension("new");
    fs::copy(from, &staged)?;
    fs::rename(&staged, to)?;
    Ok(())
}

/// The binary and its plugins as they are installed: `aerolith` and `plugins/`. Answers the binary.
pub(crate) fn release(folder: &Path) -> Result<PathBuf> {
    ship(&folder.join("plugins"))?;
    let built = executable(cargo().args(["build", "--package", "aerolith", "--release"]))?;
    let binary = folder.join("aerolith");
    put(&built, &binary)?;
    println!("{:>9} bytes  {}", fs::metadata(&binary)?.len(), binary.display());
    Ok(binary)
}
