//! A zip as it is told, record by record (APPNOTE 4.3). Without a lie it is a good one.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

pub(crate) const FILE: u32 = 0o100_644;
pub(crate) const PROGRAM: u32 = 0o100_755;
pub(crate) const LINK: u32 = 0o120_777;
pub(crate) const FOLDER: u32 = 0o040_755;

/// A local header or an entry of the directory.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    pub(crate) packed: u32,
    pub(crate) size: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) extra: Vec<u8>,
    /// Of the directory only: system, Unix mode, disk, comment, and where the local header is said to be.
    pub(crate) system: u8,
    pub(crate) mode: u32,
    pub(crate) disk: u16,
    pub(crate) comment: Vec<u8>,
    pub(crate) offset: Option<u32>,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) local: Header,
    pub(crate) central: Header,
    pub(crate) data: Vec<u8>,
    /// What follows the content, such as a descriptor.
    pub(crate) after: Vec<u8>,
    /// Whether it is in the file, and in the directory.
    pub(crate) written: bool,
    pub(crate) listed: bool,
}

/// A stored entry.
pub(crate) fn entry(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>, mode: u32) -> Entry {
    let content = content.as_ref();
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let header = Header {
        flags: 0,
        method: 0,
        crc: crc.sum(),
        packed: content.len() as u32,
        size: content.len() as u32,
        name: name.as_ref().to_vec(),
        extra: Vec::new(),
        system: 3,
        mode,
        disk: 0,
        comment: Vec::new(),
        offset: None,
    };
    Entry {
        local: header.clone(),
        central: header,
        data: content.to_vec(),
        after: Vec::new(),
        written: true,
        listed: true,
    }
}

pub(crate) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(content).unwrap();
    deflate.finish().unwrap()
}

impl Entry {
    /// Says something in the local header only.
    pub(crate) fn local(mut self, say: impl Fn(&mut Header)) -> Self {
        say(&mut self.local);
        self
    }

    /// Says something in the directory only.
    pub(crate) fn central(mut self, say: impl Fn(&mut Header)) -> Self {
        say(&mut self.central);
        self
    }

    /// Says it in both.
    pub(crate) fn both(self, say: impl Fn(&mut Header)) -> Self {
        self.local(&say).central(&say)
    }

    /// Compresses the content.
    pub(crate) fn deflated(mut self) -> Self {
        self.data = deflate(&self.data);
        let packed = self.data.len() as u32;
        self.both(|header| (header.method, header.packed) = (8, packed))
    }

    /// Leaves sums and sizes to a descriptor: with a signature or without, with sizes of four bytes or of eight.
    pub(crate) fn streamed(mut self, signed: bool, wide: bool) -> Self {
        let header = &self.central;
        let width = if wide { 8 } else { 4 };
        self.after = [
            if signed { &b"PK\x07\x08"[..] } else { b"" },
            &header.crc.to_le_bytes(),
            &u64::from(header.packed).to_le_bytes()[..width],
            &u64::from(header.size).to_le_bytes()[..width],
        ]
        .concat();
        self.both(|header| header.flags |= 8)
            .local(|header| (header.crc, header.packed, header.size) = (0, 0, 0))
    }

    /// Leaves it out of the directory.
    pub(crate) fn unlisted(mut self) -> Self {
        self.listed = false;
        self
    }

    /// Lists it without writing it.
    pub(crate) fn unwritten(mut self, offset: u32) -> Self {
        self.written = false;
        self.central(|header| header.offset = Some(offset))
    }

    /// Puts bytes behind the content.
    pub(crate) fn followed_by(mut self, bytes: &[u8]) -> Self {
        self.after.extend_from_slice(bytes);
        self
    }

    pub(crate) fn local_bytes(&self) -> Vec<u8> {
        let header = &self.local;
        let mut bytes = b"PK\x03\x04\x14\0".to_vec();
        put(&mut bytes, &[header.flags, header.method, 0, 0x21]);
        put32(&mut bytes, &[header.crc, header.packed, header.size]);
        put(&mut bytes, &[header.name.len() as u16, header.extra.len() as u16]);
        [&bytes[..], &header.name, &header.extra, &self.data, &self.after].concat()
    }

    pub(crate) fn central_bytes(&self, at: u32) -> Vec<u8> {
        let header = &self.central;
        let mut bytes = [b"PK\x01\x02", &[20, header.system, 20, 0][..]].concat();
        put(&mut bytes, &[header.flags, header.method, 0, 0x21]);
        put32(&mut bytes, &[header.crc, header.packed, header.size]);
        let lengths = [&header.name, &header.extra, &header.comment].map(|field| field.len() as u16);
        put(&mut bytes, &lengths);
        put(&mut bytes, &[header.disk, 0]);
        put32(&mut bytes, &[header.mode << 16, header.offset.unwrap_or(at)]);
        [&bytes[..], &header.name, &header.extra, &header.comment].concat()
    }
}

/// What the end record says.
pub(crate) struct End {
    pub(crate) disk: u16,
    pub(crate) here: u16,
    pub(crate) count: u16,
    pub(crate) size: u32,
    pub(crate) offset: u32,
    pub(crate) comment: Vec<u8>,
    /// A zip64 record and its locator before it: count, size, offset of the directory, and where the locator finds the
    /// record, by default where it is.
    pub(crate) wide: Option<[u64; 3]>,
    pub(crate) locator: Option<u64>,
}

/// A zip of these entries whose end says what `say` makes of it.
pub(crate) fn zip_with(leading: &[u8], entries: &[Entry], say: impl Fn(&mut End)) -> Vec<u8> {
    let (mut bytes, mut directory, mut count) = (leading.to_vec(), Vec::new(), 0);
    for entry in entries {
        if entry.listed {
            directory.extend(entry.central_bytes(bytes.len() as u32));
            count += 1;
        }
        if entry.written {
            bytes.extend(entry.local_bytes());
        }
    }
    let mut end = End {
        disk: 0,
        here: count,
        count,
        size: directory.len() as u32,
        offset: bytes.len() as u32,
        comment: Vec::new(),
        wide: None,
        locator: None,
    };
    say(&mut end);
    bytes.extend(directory);
    if let Some([count, size, offset]) = end.wide {
        let at = bytes.len() as u64;
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44_u64.to_le_bytes());
        bytes.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([count, count, size, offset].map(u64::to_le_bytes).concat());
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(end.locator.unwrap_or(at).to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
    }
    bytes.extend(b"PK\x05\x06");
    put(&mut bytes, &[end.disk, 0, end.here, end.count]);
    put32(&mut bytes, &[end.size, end.offset]);
    put(&mut bytes, &[end.comment.len() as u16]);
    bytes.extend(end.comment);
    bytes
}

pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    zip_with(b"", entries, |_| {})
}

/// An extra field.
pub(crate) fn extra(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, &[kind, content.len() as u16]);
    [&bytes, content].concat()
}

/// Info-ZIP's Unicode Path field for an entry whose header has the name `of`.
pub(crate) fn unicode_path(of: &[u8], name: &str) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(of);
    extra(0x7075, &[&[1], &crc.sum().to_le_bytes()[..], name.as_bytes()].concat())
}

fn put(bytes: &mut Vec<u8>, numbers: &[u16]) {
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
}

fn put32(bytes: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
}
