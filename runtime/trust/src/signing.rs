//! Private keys.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aerolith_model::{Sha256, Signature};
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use zeroize::Zeroizing;

use crate::pem::Kind;
use crate::{InvalidKey, KeyError, PublicKey, message};

const KIND: Kind = Kind {
    wanted: "an Ed25519 private key (PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it)",
    label: "PRIVATE KEY",
};

/// An Ed25519 private key. It is wiped when dropped and shown by nothing but [`SigningKey::to_pem`].
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes a new one from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Random`] where there is none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// Reads PKCS#8 in PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// [`InvalidKey`] with what the text is instead.
    pub fn from_pem(text: &str) -> Result<Self, InvalidKey> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(text);
        key.map(Self).map_err(|error| KIND.refuse(text, &error))
    }

    /// Reads it from a file that only its owner can read, as `ssh` does.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let key = KIND.load(path, Self::from_pem)?;
        let path = path.to_owned();
        match fs::metadata(&path).map(|found| found.permissions().mode() & 0o7777) {
            Ok(mode) if mode & 0o077 == 0 => Ok(key),
            Ok(mode) => Err(KeyError::Exposed { path, mode }),
            Err(source) => Err(KeyError::Read { path, source }),
        }
    }

    /// Version 1 of PKCS#8 in PEM: every openssl reads it, which cannot be said of version 2 with the public key inside.
    ///
    /// # Errors
    /// [`InvalidKey`] where the encoder fails, which it does for no key.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, InvalidKey> {
        let pair = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        pair.to_pkcs8_pem(Default::default()).map_err(|error| InvalidKey {
            wanted: KIND.wanted,
            reason: error.to_string(),
        })
    }

    /// The key that others check its signatures by.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.0.verifying_key().into()
    }

    /// Signs the digest of a package's object. The same key and digest always give the same signature.
    #[must_use]
    pub fn sign(&self, sha256: &Sha256) -> Signature {
        self.sign_bytes(&message(sha256))
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Signature {
        self.0.sign(message).to_bytes().into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

#[cfg(test)]
impl From<[u8; 32]> for SigningKey {
    fn from(seed: [u8; 32]) -> Self {
        Self(seed.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_another_one_and_reads_back() {
        let (one, two) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        assert_ne!(one.public(), two.public());
        let pem = one.to_pem().unwrap();
        assert_eq!(SigningKey::from_pem(&pem).unwrap().public(), one.public());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_until_they_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("ours"), SigningKey::generate().unwrap());
        fs::write(&path, key.to_pem().unwrap().as_bytes()).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let message = SigningKey::load(&path).unwrap_err().to_string();
            let mode = format!("mode {mode:04o}");
            assert!(message.contains(&mode) && message.contains("`chmod 600`"), "{message}");
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = SigningKey::from([0x5a; 32]);
        assert_eq!(format!("{key:?}"), "SigningKey(redacted)");
    }

    #[test]
    fn what_is_signed_says_that_it_is_a_package() {
        let digest = Sha256::from([0xab; 32]);
        let expected = format!("aerolith package 1\n{}\n", "ab".repeat(32));
        assert_eq!(message(&digest), expected.as_bytes());
        let key = SigningKey::from([1; 32]);
        assert!(key.public().verifies(&digest, &key.sign(&digest)));
        assert!(
            !key.public()
                .verifies(&digest, &key.sign_bytes(digest.as_str().as_bytes()))
        );
    }
}
