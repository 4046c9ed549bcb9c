use std::fs::File;
use std::io::Read;

use crate::durable::{name, names_in, remove};
use crate::error::OnPath;
use crate::store::Inner;
use crate::taken::Taken;
use crate::{Blob, Digest, Md5, Store, StoreError};

impl Store {
    /// The stored file that was downloaded when this MD5 was expected, if there is one and it has this MD5 still: it is
    /// read to its end. MD5 is weak: whoever can choose a file's bytes can make two with one MD5. So only what was
    /// promised by that very MD5 is found by it.
    pub fn blob_by_md5(&self, md5: &Md5) -> Result<Option<Blob>, StoreError> {
        let Some(digest) = self.0.indexed(md5) else {
            return Ok(None);
        };
        if let Some(blob) = self.blob(&digest)? {
            let mut found = Taken::new(true);
            let file = self.0.disk.open(blob.path()).on("open", blob.path())?;
            found.add_all(file).on("read", blob.path())?;
            if found.md5().as_ref() == Some(md5) && found.sha256() == digest {
                return Ok(Some(blob));
            }
        }
        remove(&*self.0.disk, &self.0.layout.md5(md5))?;
        Ok(None)
    }

    /// The SHA-256 of the file that was downloaded when this MD5 was expected. Nothing is read or checked: it tells what
    /// to keep, not what to trust.
    pub fn noted_md5(&self, md5: &Md5) -> Option<Digest> {
        self.0.indexed(md5)
    }
}

impl Inner {
    /// Notes that a blob was promised by this MD5. It is only a short cut: one that cannot be noted costs a download
    /// later, not this one.
    pub(crate) fn index_md5(&self, md5: &Md5, digest: &Digest) {
        if self.indexed(md5) != Some(*digest) {
            let _ = self.put(&self.layout.md5(md5), digest.to_string().as_bytes());
        }
    }

    /// Removes what leads to no blob any more.
    pub(crate) fn prune_md5s(&self) -> Result<(), StoreError> {
        for path in names_in(&self.layout.md5s())? {
            let Some(md5) = name(&path).and_then(|name| name.parse::<Md5>().ok()) else {
                continue;
            };
            let leads = |digest| crate::durable::exists(&self.layout.blob(&digest));
            if !self.indexed(&md5).map(leads).transpose()?.unwrap_or(false) {
                remove(&*self.disk, &path)?;
            }
        }
        Ok(())
    }

    fn indexed(&self, md5: &Md5) -> Option<Digest> {
        let read = |file: File| {
            let mut text = String::new();
            file.take(65).read_to_string(&mut text).map(|_| text)
        };
        let text = self.disk.open(&self.layout.md5(md5)).and_then(read).ok()?;
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sandbox::{Sandbox, names};
    use crate::{Download, Expected, KeptParts};

    fn md5(bytes: &[u8]) -> Md5 {
        let mut taken = Taken::new(true);
        taken.add(bytes);
        taken.md5().unwrap()
    }

    fn take(sandbox: &Sandbox, bytes: &[u8]) -> Blob {
        let expected = Expected {
            md5: Some(md5(bytes)),
            ..Expected::default()
        };
        let mut ingest = sandbox
            .store()
            .ingest(Download {
                expected,
                ..Download::default()
            })
            .unwrap();
        ingest.write(bytes).unwrap();
        ingest.finish().unwrap()
    }

    #[test]
    fn what_was_promised_by_its_md5_is_found_by_it_and_nothing_else_is() {
        let sandbox = Sandbox::new();
        let blob = take(&sandbox, b"abc");
        sandbox.blob(b"other");
        let found = sandbox.store().blob_by_md5(&md5(b"abc")).unwrap().unwrap();
        assert_eq!(found.digest(), blob.digest());
        assert!(sandbox.store().blob_by_md5(&md5(b"other")).unwrap().is_none());
    }

    #[test]
    fn an_entry_that_leads_to_nothing_or_to_other_bytes_is_dropped() {
        let sandbox = Sandbox::new();
        let (gone, rotten) = (take(&sandbox, b"gone"), take(&sandbox, b"rotten"));
        let (other, torn) = (sandbox.blob(b"other"), md5(b"torn"));
        let index = sandbox.root().join("blobs/md5");
        fs::remove_file(gone.path()).unwrap();
        sandbox.overwrite(rotten.path(), b"rotteN");
        fs::write(index.join(md5(b"moved").to_string()), other.digest().to_string()).unwrap();
        fs::write(index.join(torn.to_string()), "ab").unwrap();
        for md5 in [md5(b"gone"), md5(b"rotten"), md5(b"moved"), torn] {
            assert!(sandbox.store().blob_by_md5(&md5).unwrap().is_none(), "{md5}");
        }
        assert_eq!(
            names(&index),
            [torn.to_string()],
            "text that names nothing is replaced by the next entry"
        );
        drop(take(&sandbox, b"torn"));
        assert!(sandbox.store().blob_by_md5(&torn).unwrap().is_some());
    }

    #[test]
    fn an_entry_goes_with_its_blob() {
        let sandbox = Sandbox::new();
        drop(take(&sandbox, b"abc"));
        sandbox.store().clean(&KeptParts::default(), |_| false).unwrap();
        assert_eq!(names(&sandbox.root().join("blobs/md5")), [""; 0]);
    }
}
