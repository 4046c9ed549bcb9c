//! JSON that tells of each of its bytes whether it is what was written: its last entry is the digest of all the rest.

use std::path::Path;

use aerolith_packages::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::to_json;
use crate::durable::FileError;

const BEGINS: &[u8] = b"\"sha256\": \"";
const DIGITS: usize = 64;

#[derive(Serialize)]
struct Checked<'a, T> {
    #[serde(flatten)]
    content: &'a T,
    sha256: String,
}

/// Writes a value with its digest. What is digested has zeros in the digest's place.
pub(super) fn encode<T: Serialize>(content: &T, path: &Path) -> Result<Vec<u8>, FileError> {
    let sha256 = "0".repeat(DIGITS);
    let mut bytes = to_json(&Checked { content, sha256 }, path)?;
    let digest = Digest::of(&bytes).to_string();
    if let Some(at) = place(&bytes) {
        bytes[at..at + DIGITS].copy_from_slice(digest.as_bytes());
    }
    Ok(bytes)
}

/// Reads a value back. Errors: what is wrong with the file, as the end of a sentence.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if !is_whole(bytes) {
        return Err("is not as it was written: its sha256 is another".into());
    }
    serde_json::from_slice(bytes).map_err(|e| format!("cannot be read: {e}"))
}

/// Whether every byte is as it was written.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let Some(at) = place(bytes) else {
        return false;
    };
    let mut blank = bytes.to_vec();
    blank[at..at + DIGITS].fill(b'0');
    Digest::of(&blank).to_string().as_bytes() == &bytes[at..at + DIGITS]
}

/// Where the digest stands.
fn place(bytes: &[u8]) -> Option<usize> {
    let last = bytes.windows(BEGINS.len()).rposition(|window| window == BEGINS)?;
    let at = last + BEGINS.len();
    (bytes.len() >= at + DIGITS).then_some(at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file() -> Vec<u8> {
        encode(&json!({"a": 1, "b": {"sha256": "00"}}), Path::new("f")).unwrap()
    }

    #[test]
    fn what_was_written_is_whole_and_is_json_for_everybody() {
        let value: serde_json::Value = serde_json::from_slice(&file()).unwrap();
        assert_eq!(value["b"]["sha256"], "00");
        assert!(is_whole(&file()));
    }

    #[test]
    fn any_bit_that_is_another_is_noticed_and_so_is_every_missing_byte() {
        for at in 0..file().len() {
            assert!(!is_whole(&file()[..at]));
            for bit in 0..8 {
                let mut bytes = file();
                bytes[at] ^= 1 << bit;
                assert!(!is_whole(&bytes), "bit {bit} of byte {at}");
            }
        }
    }
}
