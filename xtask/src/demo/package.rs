//! Makes zips for the demo's packages.

use anyhow::Result;
use sha2::Digest as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// One file of a zip.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) executable: bool,
}

pub(super) fn zip(path: &Path, entries: &[Entry]) -> Result<()> {
    let mut zip = ZipWriter::new(File::create(path)?);
    for entry in entries {
        let mode = if entry.executable { 0o755 } else { 0o644 };
        zip.start_file(entry.name, SimpleFileOptions::default().unix_permissions(mode))?;
        zip.write_all(&entry.bytes)?;
    }
    zip.finish()?;
    Ok(())
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
