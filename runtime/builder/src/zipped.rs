//! Trees as zips (APPNOTE.TXT of PKWARE).

use std::fs::File;
use std::io::{self, BufWriter};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::{BuildError, Packing as _};
use crate::exact::{Exact, mode};
use crate::tree::{Kind, Tree};

/// Bytes from which on a file gets sizes of 64 bits: deflated, it may become a little more than it is.
const LARGE: u64 = 0xF000_0000;

/// Writes a tree, and answers the file.
pub(crate) fn write(tree: &Tree, into: File) -> Result<File, BuildError> {
    let mut zip = ZipWriter::new(BufWriter::new(into));
    for (path, kind) in tree.entries() {
        let place = tree.root().join(path);
        match kind {
            Kind::Folder => zip.add_directory(format!("{path}/"), options(0o755)).packing(&place)?,
            Kind::Link { target } => zip.add_symlink(path, target, options(0o777)).packing(&place)?,
            Kind::File { size, executable } => {
                let options = options(mode(*executable)).large_file(*size >= LARGE);
                zip.start_file(path, options).packing(&place)?;
                let mut content = Exact::open(&place, *size).packing(&place)?;
                io::copy(&mut content, &mut zip).packing(&place)?;
            }
        }
    }
    let written = zip.finish().packing(tree.root())?;
    written
        .into_inner()
        .map_err(io::IntoInnerError::into_error)
        .packing(tree.root())
}

/// The first time that a zip can tell: 1980-01-01 00:00.
fn options(mode: u32) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(mode)
}
