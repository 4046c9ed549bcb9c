//! Public keys.

use std::fmt;
use std::path::Path;

use aerolith_model::{Sha256, Signature};
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey as _;

use crate::pem::Kind;
use crate::{InvalidKey, KeyError, message};

const KIND: Kind = Kind {
    wanted: "an Ed25519 public key (SPKI in PEM, as `openssl pkey -pubout` writes it)",
    label: "PUBLIC KEY",
};

/// An Ed25519 public key; never one of the few of small order, for which anybody can sign anything.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads SPKI in PEM (RFC 8410), as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// [`InvalidKey`] with what the text is instead.
    pub fn from_pem(text: &str) -> Result<Self, InvalidKey> {
        let key = VerifyingKey::from_public_key_pem(text).map_err(|error| KIND.refuse(text, &error))?;
        if key.is_weak() {
            return Err(KIND.refuse(text, &"it is of small order, so that anybody could sign for it"));
        }
        Ok(Self(key))
    }

    /// Reads it from a file.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        KIND.load(path, Self::from_pem)
    }

    /// Whether the owner of this key signed the digest of a package. Strict: a signature in another than the one
    /// canonical form, or made with a point of small order, is none.
    #[must_use]
    pub fn verifies(&self, sha256: &Sha256, signature: &Signature) -> bool {
        self.verifies_bytes(&message(sha256), signature)
    }

    pub(crate) fn verifies_bytes(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.bytes());
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl From<VerifyingKey> for PublicKey {
    fn from(key: VerifyingKey) -> Self {
        Self(key)
    }
}

/// SPKI in PEM, as openssl reads it.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ed25519_dalek::pkcs8::EncodePublicKey as _;
        let pem = self.0.to_public_key_pem(Default::default()).map_err(|_| fmt::Error)?;
        f.write_str(&pem)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.0.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}
