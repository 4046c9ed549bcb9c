//! The records of a zip, field by field (PKWARE APPNOTE 6.3.10, section 4.3 to 4.6). Pure: bytes in, values out.

/// Bytes of an end of central directory record before its comment (4.3.16).
pub(super) const END: u64 = 22;
/// Bytes of a zip64 end record without extensions (4.3.14).
pub(super) const END64: u64 = 56;
/// Bytes of the locator of a zip64 end record (4.3.15).
pub(super) const LOCATOR: u64 = 20;
/// Bytes of an entry of the directory before its name (4.3.12).
pub(super) const CENTRAL: u64 = 46;
/// Bytes of a local header before its name (4.3.7).
pub(super) const LOCAL: u64 = 30;

pub(super) const IS_END: &[u8] = b"PK\x05\x06";
pub(super) const IS_END64: &[u8] = b"PK\x06\x06";
pub(super) const IS_LOCATOR: &[u8] = b"PK\x06\x07";
pub(super) const IS_CENTRAL: &[u8] = b"PK\x01\x02";
pub(super) const IS_LOCAL: &[u8] = b"PK\x03\x04";
pub(super) const IS_DESCRIPTOR: &[u8] = b"PK\x07\x08";

/// The flags that change how an entry is read (4.4.4): encrypted 0, descriptor 3, patch 5, strong encryption 6, UTF-8
/// 11, masked header 13.
pub(super) const FLAGS: u64 = 1 | DESCRIPTOR | PATCH | 1 << 6 | UTF8 | 1 << 13;
/// Any of the encryptions.
pub(super) const ENCRYPTED: u64 = 1 | 1 << 6 | 1 << 13;
/// The sums and sizes follow after the content.
pub(super) const DESCRIPTOR: u64 = 1 << 3;
/// The content is a difference to another file.
pub(super) const PATCH: u64 = 1 << 5;
/// Name and comment are UTF-8.
pub(super) const UTF8: u64 = 1 << 11;

/// A field that is too small for its value, which is in the zip64 field then (4.4.1.4).
pub(super) const ALL_ONES: u64 = 0xffff_ffff;

/// A little-endian number of `width` bytes; zero where there are no such bytes.
pub(super) fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    let bytes = bytes.get(at..at + width).unwrap_or_default();
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What a local header and an entry of the directory both say about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) flags: u64,
    pub(super) method: u64,
    pub(super) crc: u64,
    pub(super) packed: u64,
    pub(super) size: u64,
    pub(super) name: Vec<u8>,
    /// The name by the Unicode Path field (4.6.9), and whether it belongs to the name above.
    pub(super) unicode: Option<(Vec<u8>, bool)>,
}

/// An entry of the directory.
#[derive(Debug)]
pub(super) struct Central {
    pub(super) facts: Facts,
    /// Where its local header is said to lie.
    pub(super) local: u64,
    pub(super) disk: u64,
}

/// Bytes of the variable fields after an entry of the directory: name, extra fields, comment.
pub(super) fn central_tail(fixed: &[u8]) -> [usize; 3] {
    [28, 30, 32].map(|at| number(fixed, at, 2) as usize)
}

/// Bytes of the variable fields after a local header: name and extra fields.
pub(super) fn local_tail(fixed: &[u8]) -> [usize; 2] {
    [26, 28].map(|at| number(fixed, at, 2) as usize)
}

/// Reads an entry of the directory. Its zip64 field holds, in this order, those of size, packed size, offset and disk
/// that do not fit (4.5.3).
pub(super) fn central(fixed: &[u8], name: &[u8], extra: &[u8]) -> Central {
    let mut wide = field(extra, 0x0001).unwrap_or_default();
    let mut or_wide = |value: u64, ones: u64, width: usize| {
        if value != ones || wide.len() < width {
            return value;
        }
        let (value, rest) = (number(wide, 0, width), &wide[width..]);
        wide = rest;
        value
    };
    let size = or_wide(number(fixed, 24, 4), ALL_ONES, 8);
    let packed = or_wide(number(fixed, 20, 4), ALL_ONES, 8);
    let local = or_wide(number(fixed, 42, 4), ALL_ONES, 8);
    let disk = or_wide(number(fixed, 34, 2), 0xffff, 4);
    let facts = Facts {
        flags: number(fixed, 8, 2),
        method: number(fixed, 10, 2),
        crc: number(fixed, 16, 4),
        packed,
        size,
        name: name.to_vec(),
        unicode: unicode(extra, name),
    };
    Central { facts, local, disk }
}

/// Reads a local header. Its zip64 field holds both sizes, whichever of them does not fit (4.5.3).
pub(super) fn local(fixed: &[u8], name: &[u8], extra: &[u8]) -> Facts {
    let (mut packed, mut size) = (number(fixed, 18, 4), number(fixed, 22, 4));
    if let Some(wide) = field(extra, 0x0001).filter(|wide| wide.len() >= 16) {
        size = if size == ALL_ONES { number(wide, 0, 8) } else { size };
        packed = if packed == ALL_ONES { number(wide, 8, 8) } else { packed };
    }
    Facts {
        flags: number(fixed, 6, 2),
        method: number(fixed, 8, 2),
        crc: number(fixed, 14, 4),
        packed,
        size,
        name: name.to_vec(),
        unicode: unicode(extra, name),
    }
}

/// The content of the first extra field of a kind. Padding that is no field ends the search, as tools that align
/// entries write it.
fn field(mut extra: &[u8], kind: u64) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let (found, length) = (number(extra, 0, 2), number(extra, 2, 2) as usize);
        let content = extra.get(4..4 + length)?;
        if found == kind {
            return Some(content);
        }
        extra = &extra[4 + length..];
    }
    None
}

fn unicode(extra: &[u8], name: &[u8]) -> Option<(Vec<u8>, bool)> {
    let field = field(extra, 0x7075)?;
    let mut sum = flate2::Crc::new();
    sum.update(name);
    let belongs = field.first() == Some(&1) && number(field, 1, 4) == u64::from(sum.sum());
    Some((field.get(5..).unwrap_or_default().to_vec(), belongs))
}

/// Whether these bytes are the descriptor of a content: with or without its signature, with sizes of four bytes or of
/// eight (4.3.9).
pub(super) fn is_descriptor(bytes: &[u8], facts: &Facts) -> bool {
    let values = bytes
        .strip_prefix(IS_DESCRIPTOR)
        .filter(|rest| matches!(rest.len(), 12 | 20));
    let values = values.unwrap_or(bytes);
    let width = match values.len() {
        12 => 4,
        20 => 8,
        _ => return false,
    };
    number(values, 0, 4) == facts.crc
        && number(values, 4, width) == facts.packed
        && number(values, 4 + width, width) == facts.size
}
