//! A tar as it is told, block by block (POSIX.1-2017 pax, "ustar Interchange Format"), and what it is packed in.

use std::io::Write;

/// The mark at a tar's end.
pub(crate) const END: [u8; 1024] = [0; 1024];

/// One header and its content.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) header: [u8; 512],
    pub(crate) content: Vec<u8>,
}

pub(crate) fn member(name: &str, kind: u8, content: impl AsRef<[u8]>) -> Member {
    let content = content.as_ref().to_vec();
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    Member { header, content }.summed()
}

pub(crate) fn file(name: &str, content: impl AsRef<[u8]>) -> Member {
    member(name, b'0', content)
}

pub(crate) fn link(name: &str, kind: u8, target: &str) -> Member {
    member(name, kind, "").say(157, target.as_bytes())
}

impl Member {
    /// Overwrites bytes of the header and sums it anew.
    pub(crate) fn say(mut self, at: usize, bytes: &[u8]) -> Self {
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
        self.summed()
    }

    pub(crate) fn mode(self, mode: u32) -> Self {
        self.say(100, format!("{mode:07o}\0").as_bytes())
    }

    /// Writes the header as GNU's own.
    pub(crate) fn gnu(self) -> Self {
        self.say(257, b"ustar  \0")
    }

    /// Writes the header as before POSIX.
    pub(crate) fn oldest(self) -> Self {
        self.say(257, &[0; 8])
    }

    fn summed(mut self) -> Self {
        self.header[148..156].fill(b' ');
        let sum: u32 = self.header.iter().map(|byte| u32::from(*byte)).sum();
        self.header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let padding = vec![0; self.content.len().next_multiple_of(512) - self.content.len()];
        [&self.header[..], &self.content, &padding].concat()
    }
}

/// The records of a pax header.
pub(crate) fn pax(kind: u8, records: &[(&str, &str)]) -> Member {
    let record = |(key, value): &(&str, &str)| {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len();
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        format!("{length}{rest}")
    };
    member("pax", kind, records.iter().map(record).collect::<String>())
}

/// A tar without its end.
pub(crate) fn open_tar(members: &[Member]) -> Vec<u8> {
    members.iter().map(Member::bytes).collect::<Vec<_>>().concat()
}

pub(crate) fn tar(members: &[Member]) -> Vec<u8> {
    [&open_tar(members)[..], &END].concat()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// One Zstandard frame with a checksum; its window has two to the power of `window` bytes.
pub(crate) fn zstd(bytes: &[u8], window: u32) -> Vec<u8> {
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.window_log(window).unwrap();
    zstd.include_checksum(true).unwrap();
    zstd.write_all(bytes).unwrap();
    zstd.finish().unwrap()
}
