//! The key/value space of each plugin instance: one file per key, durable, bounded. Every call blocks.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use aerolith_plugin_wire::{Code, Error, Result};

use crate::durable::{self, FileError, On, Survives};

/// Bytes of one value.
const MOST_BYTES: usize = 1 << 20;
/// Keys of one instance.
const MOST_KEYS: usize = 1024;

/// All spaces, below one folder.
#[derive(Debug)]
pub(crate) struct Kv {
    folder: PathBuf,
    /// Writing counts the keys first, so one write at a time.
    writing: Mutex<()>,
}

impl Kv {
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            writing: Mutex::new(()),
        }
    }

    pub(crate) fn get(&self, instance: &str, key: &str) -> Result<Option<Vec<u8>>> {
        let path = self.space(instance)?.join(checked(key)?);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).on("read", &path).map_err(failed),
        }
    }

    pub(crate) fn put(&self, instance: &str, key: &str, value: &[u8]) -> Result<()> {
        let space = self.space(instance)?;
        let path = space.join(checked(key)?);
        if value.len() > MOST_BYTES {
            let found = value.len();
            return Err(Error::invalid(format!(
                "the value of key `{key}` has {found} bytes: at most {MOST_BYTES}"
            )));
        }
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        durable::folder(&space, true).map_err(failed)?;
        let keys = durable::entries(&space).map_err(failed)?;
        if keys.len() >= MOST_KEYS && !keys.contains(&path) {
            let message = format!("no room for key `{key}`: `{instance}` has {MOST_KEYS} keys already; delete some");
            return Err(Error::new(Code::Busy, message).permanent());
        }
        durable::put(&path, value, 0o600, Survives::PowerCut).map_err(failed)
    }

    pub(crate) fn delete(&self, instance: &str, key: &str) -> Result<()> {
        let path = self.space(instance)?.join(checked(key)?);
        durable::remove(&path).map_err(failed)
    }

    pub(crate) fn list(&self, instance: &str) -> Result<Vec<String>> {
        let space = self.space(instance)?;
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = durable::entries(&space).map_err(failed)?;
        Ok(paths
            .iter()
            .filter_map(|p| Some(p.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn space(&self, instance: &str) -> Result<PathBuf> {
        Ok(self.folder.join(checked(instance)?))
    }
}

/// A key or an instance's name, which both become names of files.
fn checked(text: &str) -> Result<&str> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=255).contains(&text.len()) && text.bytes().all(legal) && !matches!(text, "." | "..") {
        return Ok(text);
    }
    Err(Error::invalid(format!(
        "`{text}` is no key: 1 to 255 characters of A-Z a-z 0-9 . _ -, not `.` or `..`"
    )))
}

fn failed(error: FileError) -> Error {
    Error::io(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kv() -> (tempfile::TempDir, Kv) {
        let dir = tempfile::tempdir().unwrap();
        let kv = Kv::new(dir.path().join("kv"));
        (dir, kv)
    }

    #[test]
    fn a_value_is_there_after_a_restart_and_for_its_instance_alone() {
        let (dir, kv) = kv();
        kv.put("one", "key", b"\0v").unwrap();
        let again = Kv::new(dir.path().join("kv"));
        assert_eq!(again.get("one", "key").unwrap(), Some(b"\0v".to_vec()));
        assert_eq!(again.get("two", "key").unwrap(), None);
        assert_eq!(again.list("one").unwrap(), ["key"]);
        again.delete("one", "key").unwrap();
        again.delete("one", "key").unwrap();
        assert_eq!(
            (again.get("one", "key").unwrap(), again.list("one").unwrap().len()),
            (None, 0)
        );
    }

    #[test]
    fn no_key_and_no_instance_leaves_the_folder() {
        let (_dir, kv) = kv();
        for bad in ["", ".", "..", "a/b", "../x", "a b", "~1", &"x".repeat(256)] {
            for error in [
                kv.put("one", bad, b"").unwrap_err(),
                kv.put(bad, "key", b"").unwrap_err(),
            ] {
                assert_eq!(error.code, Code::Invalid, "{bad}");
            }
        }
        kv.put("one", &"x".repeat(255), b"").unwrap();
    }

    #[test]
    fn values_and_keys_are_bounded() {
        let (_dir, kv) = kv();
        kv.put("one", "key", &vec![0; MOST_BYTES]).unwrap();
        assert!(
            kv.put("one", "key", &vec![0; MOST_BYTES + 1])
                .unwrap_err()
                .message
                .contains("1048577")
        );
        for n in 1..MOST_KEYS {
            fs::write(kv.folder.join("one").join(n.to_string()), "").unwrap();
        }
        assert_eq!(kv.put("one", "one-more", b"").unwrap_err().code, Code::Busy);
        kv.put("one", "key", b"again").unwrap();
    }
}
