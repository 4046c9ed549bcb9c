//! The keys that a node trusts.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use aerolith_model::{Sha256, Signature};

use crate::{KeyError, PublicKey, Untrusted};

/// How the file of a public key begins.
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";

/// Public keys by name: a signature counts that one of them made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(BTreeMap<String, PublicKey>);

impl TrustedKeys {
    /// Reads every `*.pem` and `*.pub` of a folder; a key is called as its file, without that ending. Other files count for
    /// nothing, and a warning names those that hold a public key. A folder that is not there holds no key.
    ///
    /// # Errors
    /// [`KeyError`] naming the file that is no public key or cannot be read, two keys of one name, or what others than root
    /// and this user may change.
    pub fn load(folder: &Path) -> Result<Self, KeyError> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            entries => entries.map_err(unreadable(folder))?,
        };
        check(folder)?;
        let mut keys = BTreeMap::new();
        for entry in entries {
            let path = entry.map_err(unreadable(folder))?.path();
            let Some(name) = key_name(&path) else {
                warn_of_ignored(&path);
                continue;
            };
            check(&path)?;
            let key = PublicKey::load(&path)?;
            match keys.get(&name) {
                Some(other) if *other != key => return Err(KeyError::Twice { path, name }),
                _ => drop(keys.insert(name, key)),
            }
        }
        Ok(Self(keys))
    }

    /// Whether no key is trusted, so that no signature counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks a signature of a package's object, and answers the name of the key that made it.
    ///
    /// # Errors
    /// [`Untrusted`] when it was none of these keys.
    pub fn verify(&self, sha256: &Sha256, signature: &Signature) -> Result<&str, Untrusted> {
        let mut keys = self.0.iter();
        match keys.find(|(_, key)| key.verifies(sha256, signature)) {
            Some((name, _)) => Ok(name),
            None => Err(Untrusted {
                sha256: sha256.clone(),
                trusted: self.0.keys().cloned().collect(),
            }),
        }
    }
}

impl FromIterator<(String, PublicKey)> for TrustedKeys {
    fn from_iter<I: IntoIterator<Item = (String, PublicKey)>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

fn key_name(path: &Path) -> Option<String> {
    let is_key = path
        .extension()
        .is_some_and(|ending| ending == "pem" || ending == "pub");
    let stem = path.file_stem().filter(|_| is_key)?;
    Some(stem.to_string_lossy().into_owned())
}

/// Whoever put a key there believes that it is trusted.
fn warn_of_ignored(path: &Path) {
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BEGIN.len() as u64).read_to_end(&mut first));
    if read.is_ok() && first == BEGIN.as_bytes() {
        tracing::warn!(path = %path.display(), "a public key that is not trusted: its name ends neither in .pem nor in .pub");
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> KeyError {
    move |source| KeyError::Read {
        path: path.to_owned(),
        source,
    }
}

/// Refuses what somebody else than root or this user can change.
fn check(path: &Path) -> Result<(), KeyError> {
    let found = fs::metadata(path).map_err(unreadable(path))?;
    match changeable(&found, rustix::process::geteuid().as_raw()) {
        None => Ok(()),
        Some((why, remedy)) => Err(KeyError::Unsafe {
            path: path.to_owned(),
            why,
            remedy,
        }),
    }
}

fn changeable(found: &Metadata, user: u32) -> Option<(String, &'static str)> {
    let (owner, mode) = (found.uid(), found.permissions().mode() & 0o7777);
    if owner != 0 && owner != user {
        Some((
            format!("it belongs to user {owner}"),
            "`chown` it to root or to the user of the node",
        ))
    } else if mode & 0o022 != 0 {
        Some((
            format!("it has mode {mode:04o}"),
            "take the right to write from group and others with `chmod go-w`",
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;
    use std::fs::Permissions;
    use std::path::PathBuf;

    fn digest() -> Sha256 {
        Sha256::from([7; 32])
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("trust");
        fs::create_dir(&folder).unwrap();
        (dir, folder)
    }

    fn key(folder: &Path, name: &str) -> SigningKey {
        let key = SigningKey::generate().unwrap();
        fs::write(folder.join(name), key.public().to_string()).unwrap();
        key
    }

    #[test]
    fn a_key_is_called_as_its_file_and_says_which_one_signed() {
        let (_dir, folder) = folder();
        let (ours, vendors) = (key(&folder, "ours.pub"), key(&folder, "vendor.2026.pem"));
        fs::write(folder.join("README"), "no key").unwrap();
        let ignored = key(&folder, "ours.key");
        let trusted = TrustedKeys::load(&folder).unwrap();
        assert_eq!(trusted.verify(&digest(), &ours.sign(&digest())), Ok("ours"));
        assert_eq!(trusted.verify(&digest(), &vendors.sign(&digest())), Ok("vendor.2026"));
        assert!(trusted.verify(&digest(), &ignored.sign(&digest())).is_err());
    }

    #[test]
    fn a_strangers_signature_and_one_of_another_digest_count_for_nothing_and_the_error_says_whom_to_ask() {
        let (_dir, folder) = folder();
        let (ours, _) = (key(&folder, "ours.pem"), key(&folder, "vendor.pem"));
        let trusted = TrustedKeys::load(&folder).unwrap();
        let stranger = SigningKey::generate().unwrap();
        for signature in [stranger.sign(&digest()), ours.sign(&Sha256::from([8; 32]))] {
            let message = trusted.verify(&digest(), &signature).unwrap_err().to_string();
            for part in [digest().as_str(), "no trusted key", "`ours`, `vendor`"] {
                assert!(message.contains(part), "{message}");
            }
        }
    }

    #[test]
    fn no_folder_and_an_empty_one_hold_no_key_and_no_signature_counts() {
        let (_dir, folder) = folder();
        for folder in [folder.clone(), folder.join("absent")] {
            let trusted = TrustedKeys::load(&folder).unwrap();
            assert!(trusted.is_empty());
            let signature = SigningKey::generate().unwrap().sign(&digest());
            let message = trusted.verify(&digest(), &signature).unwrap_err().to_string();
            assert!(message.ends_with("no key is trusted"), "{message}");
        }
    }

    #[test]
    fn a_file_that_is_no_public_key_is_named() {
        let (_dir, folder) = folder();
        key(&folder, "good.pem");
        let secret = SigningKey::generate().unwrap().to_pem().unwrap();
        for (text, part) in [
            ("", "no `-----BEGIN"),
            (secret.as_str(), "`PRIVATE KEY`"),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
                "public key",
            ),
        ] {
            fs::write(folder.join("bad.pem"), text).unwrap();
            let message = TrustedKeys::load(&folder).unwrap_err().to_string();
            assert!(message.contains("bad.pem") && message.contains(part), "{message}");
            assert!(!message.contains(secret.lines().nth(1).unwrap()), "{message}");
        }
        fs::write(folder.join("bad.pem"), [0xff, 0xfe]).unwrap();
        let message = TrustedKeys::load(&folder).unwrap_err().to_string();
        assert!(message.contains("it is no text"), "{message}");
    }

    #[test]
    fn two_keys_of_one_name_are_refused_and_one_key_twice_is_not() {
        let (_dir, folder) = folder();
        let ours = key(&folder, "ours.pem");
        fs::write(folder.join("ours.pub"), ours.public().to_string()).unwrap();
        let trusted = TrustedKeys::load(&folder).unwrap();
        assert_eq!(trusted.verify(&digest(), &ours.sign(&digest())), Ok("ours"));
        key(&folder, "ours.pub");
        let message = TrustedKeys::load(&folder).unwrap_err().to_string();
        assert!(message.contains("another key is called `ours`"), "{message}");
    }

    #[test]
    fn what_others_may_change_vouches_for_nobody() {
        let (_dir, folder) = folder();
        key(&folder, "ours.pem");
        for (path, mode) in [(folder.join("ours.pem"), 0o664), (folder.clone(), 0o777)] {
            let before = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let message = TrustedKeys::load(&folder).unwrap_err().to_string();
            assert!(
                message.contains(&*path.to_string_lossy()) && message.contains("chmod go-w"),
                "{message}"
            );
            fs::set_permissions(&path, before).unwrap();
        }
        let found = fs::metadata(folder.join("ours.pem")).unwrap();
        let foreign = found.uid() + 1;
        assert_eq!(changeable(&found, foreign).is_some(), found.uid() != 0);
    }
}
