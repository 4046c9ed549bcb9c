use std::fmt;
use std::str::FromStr;

use crate::StoreError;
use crate::error::escape;

/// What to do with an object's content, as its `unpack` field says (Baetyl: nothing, `zip`, `tar`, `tgz`; `tar.gz`,
/// `tar.zst`, `tzst` and `auto` are ours).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Unpack {
    /// Keep the file as it is.
    #[default]
    None,
    /// A zip archive.
    Zip,
    /// A tar archive.
    Tar,
    /// A gzipped tar archive.
    TarGz,
    /// A tar archive compressed with Zstandard.
    TarZst,
    /// Whatever the content's first bytes say; a file that is no archive is kept as it is.
    Auto,
}

impl FromStr for Unpack {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        match text {
            "" => Ok(Unpack::None),
            "zip" => Ok(Unpack::Zip),
            "tar" => Ok(Unpack::Tar),
            "tgz" | "tar.gz" => Ok(Unpack::TarGz),
            "tar.zst" | "tzst" => Ok(Unpack::TarZst),
            "auto" => Ok(Unpack::Auto),
            _ => Err(StoreError::UnknownUnpack { text: escape(text) }),
        }
    }
}

impl fmt::Display for Unpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Unpack {
    /// The text Baetyl writes for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unpack::None => "",
            Unpack::Zip => "zip",
            Unpack::Tar => "tar",
            Unpack::TarGz => "tgz",
            Unpack::TarZst => "tar.zst",
            Unpack::Auto => "auto",
        }
    }
}

/// Bytes at a content's start that [`sniff`] needs: one tar block.
pub const SNIFFED: usize = 512;

/// The archive that a content's first bytes announce: zip (APPNOTE 4.3.7, 4.3.16), gzip (RFC 1952 2.3.1), Zstandard
/// (RFC 8878 3.1.1) or tar. [`Unpack::None`] when they announce none. Nothing else is asked: no suffix, no media type.
#[must_use]
pub fn sniff(head: &[u8]) -> Unpack {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Unpack::Zip
    } else if head.starts_with(b"\x1f\x8b") {
        Unpack::TarGz
    } else if head.starts_with(b"\x28\xb5\x2f\xfd") {
        Unpack::TarZst
    } else if head.get(257..262) == Some(b"ustar") || is_tar_header(head) {
        Unpack::Tar
    } else {
        Unpack::None
    }
}

/// Whether this block is a tar header whose checksum holds, which those of the oldest tars do too (POSIX.1-2017 pax,
/// "ustar Interchange Format").
pub(crate) fn is_tar_header(block: &[u8]) -> bool {
    let Some(block) = block.first_chunk::<512>() else {
        return false;
    };
    let sum: u32 = block[..148]
        .iter()
        .chain(&block[156..])
        .map(|byte| u32::from(*byte))
        .sum();
    let told = tar::Header::from_byte_slice(block).cksum();
    told.is_ok_and(|told| told == sum + 8 * 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_baetyl_and_ours_is_known() {
        for (text, unpack) in [
            ("", Unpack::None),
            ("zip", Unpack::Zip),
            ("tar", Unpack::Tar),
            ("tgz", Unpack::TarGz),
            ("tar.gz", Unpack::TarGz),
            ("tar.zst", Unpack::TarZst),
            ("tzst", Unpack::TarZst),
            ("auto", Unpack::Auto),
        ] {
            assert_eq!(text.parse::<Unpack>().unwrap(), unpack);
            assert_eq!(unpack.to_string().parse::<Unpack>().unwrap(), unpack);
        }
    }

    #[test]
    fn an_unknown_text_is_an_error_that_names_it_and_the_known_ones() {
        for text in ["rar", "ZIP", " zip", "zst"] {
            let message = text.parse::<Unpack>().unwrap_err().to_string();
            assert!(
                message.contains(&format!("`{text}`")) && message.contains("`tgz`"),
                "{message}"
            );
        }
    }

    #[test]
    fn content_is_told_by_its_first_bytes() {
        assert_eq!(sniff(b"PK\x03\x04rest"), Unpack::Zip);
        assert_eq!(sniff(b"PK\x05\x06"), Unpack::Zip);
        assert_eq!(sniff(b"\x1f\x8b\x08"), Unpack::TarGz);
        let mut tar = [0; SNIFFED];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(sniff(&tar), Unpack::Tar);
        assert_eq!(sniff(b"\x28\xb5\x2f\xfd"), Unpack::TarZst);
        let oldest = crate::sandbox::tar(&[("f", b"", b'0', 0o644)]);
        let mut oldest = tar::Header::from_byte_slice(&oldest[..SNIFFED]).clone();
        oldest.as_mut_bytes()[257..265].fill(0);
        assert_eq!(sniff(oldest.as_bytes()), Unpack::None, "its checksum is wrong");
        oldest.set_cksum();
        assert_eq!(sniff(oldest.as_bytes()), Unpack::Tar);
        assert_eq!(sniff(&[0; SNIFFED]), Unpack::None, "zeros are no archive");
        assert_eq!(sniff(b"<html>"), Unpack::None);
        assert_eq!(sniff(b""), Unpack::None);
    }
}
