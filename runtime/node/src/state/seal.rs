//! Secrets at rest: sealed with a key that belongs to this node alone.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::StateError;
use crate::durable::{self, FileError, On, Survives};

/// What a sealed file begins with; the nonce follows, then what is sealed with its tag.
const MAGIC: &[u8] = b"aerolith sealed 1\n";
const KEY: usize = 32;
const NONCE: usize = 24;

/// The node's key. It is wiped from memory when the state is closed, and never shown.
pub(super) struct NodeKey(Zeroizing<[u8; KEY]>);

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(the node's key)")
    }
}

impl NodeKey {
    /// The key in a file; none where there is no such file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StateError> {
        let bytes = match fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => Zeroizing::new(other.on("read", path)?),
        };
        let mut key = Zeroizing::new([0; KEY]);
        if bytes.len() != KEY {
            let (path, found) = (PathBuf::from(path), bytes.len());
            return Err(StateError::Key { path, found });
        }
        key.copy_from_slice(&bytes);
        Ok(Some(Self(key)))
    }

    /// Makes a key by chance, and keeps it in a file for its owner alone.
    pub(super) fn make(path: &Path) -> Result<Self, FileError> {
        let mut key = Zeroizing::new([0; KEY]);
        getrandom::fill(&mut *key)
            .map_err(io::Error::other)
            .on("make a key for", path)?;
        durable::put(path, &*key, 0o600, Survives::PowerCut)?;
        Ok(Self(key))
    }

    /// Seals bytes, for one name: under another they cannot be opened.
    pub(super) fn seal(&self, plain: &[u8], name: &str) -> io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload(plain, name));
        let sealed = sealed.map_err(|_| io::Error::other("it is too long to be sealed"))?;
        Ok([MAGIC, &nonce, &sealed].concat())
    }

    /// What was sealed for a name, unless it was with another key or is not as it was sealed.
    pub(super) fn open(&self, sealed: &[u8], name: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.strip_prefix(MAGIC)?.split_at_checked(NONCE)?;
        let nonce = XNonce::try_from(nonce).ok()?;
        let plain = self.cipher().decrypt(&nonce, payload(sealed, name)).ok()?;
        Some(Zeroizing::new(plain))
    }

    /// A key of its own, for what fingerprints tell of secrets: it opens nothing.
    pub(super) fn for_fingerprints(&self) -> [u8; KEY] {
        blake3::derive_key("aerolith 2026-11-25 secrets in fingerprints", &*self.0)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.0).into())
    }
}

fn payload<'a>(msg: &'a [u8], name: &'a str) -> Payload<'a, 'a> {
    let aad = name.as_bytes();
    Payload { msg, aad }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_same_key_and_name_open_what_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let key = NodeKey::make(&dir.path().join("a.key")).unwrap();
        let other = NodeKey::make(&dir.path().join("b.key")).unwrap();
        let sealed = key.seal(b"hush", "secret/cert@1").unwrap();
        assert_eq!(**key.open(&sealed, "secret/cert@1").unwrap(), *b"hush");
        assert!(key.open(&sealed, "secret/cert@2").is_none());
        assert!(other.open(&sealed, "secret/cert@1").is_none());
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(key.open(&flipped, "secret/cert@1").is_none(), "byte {at}");
            assert!(key.open(&sealed[..at], "secret/cert@1").is_none(), "{at} bytes");
        }
    }

    #[test]
    fn equal_bytes_are_sealed_differently_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let key = NodeKey::make(&dir.path().join("a.key")).unwrap();
        assert_ne!(key.seal(b"hush", "a").unwrap(), key.seal(b"hush", "a").unwrap());
    }

    #[test]
    fn a_key_is_kept_for_its_owner_alone_and_read_again_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        assert!(NodeKey::read(&path).unwrap().is_none());
        let sealed = NodeKey::make(&path).unwrap().seal(b"hush", "a").unwrap();
        let again = NodeKey::read(&path).unwrap().unwrap();
        assert_eq!(**again.open(&sealed, "a").unwrap(), *b"hush");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(format!("{again:?}"), "(the node's key)");
    }

    #[test]
    fn fingerprints_have_a_key_that_is_the_nodes_own_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        let made = NodeKey::make(&path).unwrap().for_fingerprints();
        assert_eq!(NodeKey::read(&path).unwrap().unwrap().for_fingerprints(), made);
        assert_ne!(fs::read(&path).unwrap(), made);
        let other = NodeKey::make(&dir.path().join("b.key")).unwrap();
        assert_ne!(other.for_fingerprints(), made);
    }

    #[test]
    fn a_key_of_another_size_is_refused_by_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        fs::write(&path, "short").unwrap();
        let error = NodeKey::read(&path).unwrap_err().to_string();
        assert!(error.contains("node.key has 5 bytes instead of 32"), "{error}");
    }
}
