//! Detached signatures of objects, as text.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::text::InvalidText;

/// Detached Ed25519 signature (RFC 8032) of an object: 64 bytes, written as base64. Whether a trusted key made it is not
/// known here.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; 64]);

impl Signature {
    /// The bytes themselves.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Signature {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| InvalidText {
            what: "signature",
            found: text.to_owned(),
            rule: "the base64 text of 64 bytes, as `aerolith package sign` prints it",
        })
    }
}

impl TryFrom<String> for Signature {
    type Error = InvalidText;
    fn try_from(text: String) -> Result<Self, InvalidText> {
        text.parse()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        signature.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_signature_reads_back(bytes in prop::collection::vec(any::<u8>(), 64)) {
            let signature = Signature::from(<[u8; 64]>::try_from(bytes).unwrap());
            prop_assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
        }

        #[test]
        fn a_text_is_a_signature_in_one_form_only(text in "[A-Za-z0-9+/]{86}==") {
            if let Ok(signature) = text.parse::<Signature>() {
                prop_assert_eq!(signature.to_string(), text);
            }
        }
    }

    #[test]
    fn what_is_no_base64_of_64_bytes_is_refused_with_the_rule() {
        let good = Signature::from([7; 64]).to_string();
        for bad in [
            "",
            "hello",
            &"A".repeat(88),
            &format!("{}b==", "a".repeat(85)),
            &good[..87],
            &good.replace('=', ""),
            &format!("{good}\n"),
            &good.replace('c', "-"),
        ] {
            let message = bad.parse::<Signature>().unwrap_err().to_string();
            assert!(message.contains("base64 text of 64 bytes"), "{bad}: {message}");
        }
    }
}
