//! Trees as tars, compressed with Zstandard.

use std::fs::File;
use std::io::{self, Write};

use tar::{Builder, EntryType, Header};

use crate::error::{BuildError, Packing as _};
use crate::exact::{Exact, mode};
use crate::tree::{Kind, Tree};

/// How hard it is compressed. Windows of levels above 19 are larger than a node takes; this one is quick enough to wait for.
const LEVEL: i32 = 12;

/// Writes a tree, and answers the file.
pub(crate) fn write(tree: &Tree, into: File) -> Result<File, BuildError> {
    let mut packed = zstd::Encoder::new(into, LEVEL).packing(tree.root())?;
    packed.include_checksum(true).packing(tree.root())?;
    let mut tar = Builder::new(packed);
    for (path, kind) in tree.entries() {
        append(&mut tar, tree, path, kind)?;
    }
    let packed = tar.into_inner().packing(tree.root())?;
    packed.finish().packing(tree.root())
}

fn append(tar: &mut Builder<impl Write>, tree: &Tree, path: &str, kind: &Kind) -> Result<(), BuildError> {
    let place = tree.root().join(path);
    match kind {
        Kind::Folder => {
            let mut header = header(EntryType::Directory, 0o755, 0);
            tar.append_data(&mut header, format!("{path}/"), io::empty())
                .packing(&place)
        }
        Kind::Link { target } => {
            let mut header = header(EntryType::Symlink, 0o777, 0);
            // `append_link` would tidy it. One that the header has no room for stands before it (pax, `linkpath`).
            if header.set_link_name_literal(target).is_err() {
                tar.append_pax_extensions([("linkpath", target.as_bytes())])
                    .packing(&place)?;
            }
            tar.append_data(&mut header, path, io::empty()).packing(&place)
        }
        Kind::File { size, executable } => {
            let mut header = header(EntryType::Regular, mode(*executable), *size);
            let content = Exact::open(&place, *size).packing(&place)?;
            tar.append_data(&mut header, path, content).packing(&place)
        }
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}
