use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use flate2::bufread::MultiGzDecoder;

use crate::error::{At, OnPath, escape, head};
use crate::publish::{Staged, StagingDir};
use crate::stage::Stage;
use crate::stored::FileState;
use crate::unpack::{SNIFFED, sniff};
use crate::unzstd::Unzstd;
use crate::{Blob, Content, Digest, Part, Rule, Store, StoreError, Unpack, untar, unzip};

impl Store {
    /// Builds one tree from all `parts`, merged in the order of their names, in a staging folder that is removed when
    /// the answer is dropped unpublished. Each blob's digest is checked again, but for a zip or tgz that came just now and
    /// that nobody touched since: those have checksums of their own against a bad read. Errors: [`StoreError::Refused`]
    /// with the part, the entry and the rule; [`StoreError::Rotten`]; or what the file system says. Nothing is left.
    pub fn stage(&self, parts: &[Part]) -> Result<Staged, StoreError> {
        self.stage_with_sole(parts, "")
    }

    /// As [`Store::stage`], but the file at `sole`, such as a manifest, may come from one part only: a second one is
    /// refused even with equal bytes, both parts named.
    pub fn stage_with_sole(&self, parts: &[Part], sole: &str) -> Result<Staged, StoreError> {
        let mut parts: Vec<&Part> = parts.iter().collect();
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = parts.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(At::part(&pair[0].name).refuse(Rule::DuplicatePart));
        }
        self.0.room_for(bytes(&parts), &self.0.layout.trees())?;
        let dir = StagingDir::create(&self.0)?;
        let names = parts.iter().map(|part| part.name.as_str()).collect();
        let mut stage = Stage::new(
            Arc::clone(&self.0.disk),
            dir.path().to_owned(),
            self.0.limits.clone(),
            names,
            sole,
        );
        for (number, part) in parts.iter().enumerate() {
            self.add(&mut stage, number, part)?;
        }
        let bytes = stage.budget.total();
        let nodes = stage.finish()?;
        Ok(Staged::new(Arc::clone(&self.0), dir, nodes, bytes))
    }

    fn add(&self, stage: &mut Stage<'_>, number: usize, part: &Part) -> Result<(), StoreError> {
        let at = At::part(&part.name);
        match &part.content {
            Content::Text(bytes) => {
                stage.begin(number, bytes.len() as u64);
                stage.file(at, &part.name, false, &mut bytes.as_slice()).map(drop)
            }
            Content::Object {
                blob,
                unpack,
                file_name,
            } => {
                let file = self.open_blob(blob)?;
                stage.begin(number, blob.size());
                let mut step = |file| object(stage, at, file, *unpack, file_name);
                let has_checksums = matches!(unpack, Unpack::Zip | Unpack::TarGz);
                if has_checksums && is_as_verified(blob, &file)? {
                    step(file)
                } else {
                    self.checked(blob, &file, step)
                }
            }
        }
    }

    fn open_blob(&self, blob: &Blob) -> Result<File, StoreError> {
        match self.0.disk.open(blob.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Gone(format!("blob {}", blob.digest())))
            }
            other => other.on("open", blob.path()),
        }
    }

    /// Runs `step` on a blob whose bytes still have its digest. A large one is hashed while the step runs, since nobody
    /// sees what the step makes before this answers; that a blob is rotten counts more than what the step says of it.
    /// One that is rotten is removed, so that it is fetched again.
    fn checked(
        &self,
        blob: &Blob,
        file: &File,
        step: impl FnOnce(File) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let again = file.try_clone().on("reopen", blob.path())?;
        let digest = || Digest::of_file(file).on("read", blob.path());
        if blob.size() < LARGE {
            self.expect(blob, digest()?)?;
            return step(again);
        }
        thread::scope(|scope| {
            let Ok(hashing) = thread::Builder::new().spawn_scoped(scope, digest) else {
                // The system has no thread left: one after the other.
                self.expect(blob, digest()?)?;
                return step(again);
            };
            let stepped = step(again);
            let found = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            self.expect(blob, found?)?;
            stepped
        })
    }

    fn expect(&self, blob: &Blob, found: Digest) -> Result<(), StoreError> {
        if found == *blob.digest() {
            return Ok(());
        }
        crate::durable::remove(&*self.0.disk, blob.path())?;
        Err(StoreError::Rotten {
            expected: *blob.digest(),
            found,
        })
    }
}

/// Whether the bytes of a blob were hashed when they came, and its file is as it was then.
fn is_as_verified(blob: &Blob, file: &File) -> Result<bool, StoreError> {
    let now = FileState::of(&file.metadata().on("look at", blob.path())?);
    Ok(blob.verified == Some(now))
}

/// Bytes that a tree of these parts has at least: what an archive unpacks to is hardly ever less than the archive.
fn bytes(parts: &[&Part]) -> u64 {
    let bytes = parts.iter().map(|part| match &part.content {
        Content::Object { blob, .. } => blob.size(),
        Content::Text(bytes) => bytes.len() as u64,
    });
    bytes.fold(0, u64::saturating_add)
}

/// Unpacks or keeps one object, once its content is known to be what it is declared to be.
fn object(
    stage: &mut Stage<'_>,
    at: At<'_>,
    mut file: File,
    declared: Unpack,
    file_name: &str,
) -> Result<(), StoreError> {
    let mut start = [0; SNIFFED];
    let known = file.read_at(&mut start, 0).on("read", Path::new(at.part))?;
    let (found, head) = (sniff(&start[..known]), head(&start[..known]));
    let unpack = if declared == Unpack::Auto { found } else { declared };
    if unpack != Unpack::None && found != Unpack::None && found != unpack {
        return Err(at.refuse(Rule::WrongKind {
            declared: unpack.name(),
            found: found.name(),
            head,
        }));
    }
    let size = file.metadata().on("look at", Path::new(at.part))?.len();
    let archive = Archive {
        at,
        declared: unpack.name(),
        head,
    };
    match unpack {
        Unpack::Zip => unzip::unpack(stage, &archive, file, size),
        Unpack::Tar => untar::unpack(stage, &archive, file, size),
        Unpack::TarGz => untar::unpack(
            stage,
            &archive,
            MultiGzDecoder::new(BufReader::with_capacity(PACKED, file)),
            size,
        ),
        Unpack::TarZst => {
            let content = Unzstd::new(file).map_err(|error| archive.unreadable(error))?;
            untar::unpack(stage, &archive, content, size)
        }
        Unpack::None | Unpack::Auto => stage.file(at.entry(file_name), file_name, false, &mut file).map(drop),
    }
}

/// Bytes of a blob from which on a thread of its own pays for hashing it.
const LARGE: u64 = 1 << 20;

/// Bytes of a compressed tar read at once.
const PACKED: usize = 1 << 16;

/// An archive being read: how to name it, and how it begins, for the errors.
pub(crate) struct Archive<'a> {
    pub(crate) at: At<'a>,
    pub(crate) declared: &'static str,
    head: String,
}

impl Archive<'_> {
    /// The archive as a whole cannot be read.
    pub(crate) fn unreadable(&self, error: io::Error) -> StoreError {
        let rule = error.downcast().unwrap_or_else(|error| Rule::Unreadable {
            declared: self.declared,
            detail: escape(&error.to_string()),
            head: self.head.clone(),
        });
        self.at.refuse(rule)
    }
}
