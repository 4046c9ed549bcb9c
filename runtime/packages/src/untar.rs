use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use tar::{Entry, EntryType};

use crate::assemble::Archive;
use crate::error::head;
use crate::stage::Stage;
use crate::unpack::is_tar_header;
use crate::{Rule, StoreError};

mod pax;

/// Bytes that headers, long names and padding may take between the contents of two entries, and at the end.
const HEADERS: u64 = 1 << 20;

/// Unpacks a tar from its first byte to its last. Only the reading is the crate's; names, kinds and sizes are judged
/// here, and the end mark of two zero blocks (POSIX.1-2017 pax, "ustar Interchange Format") must be there with
/// nothing but zeros after it.
pub(crate) fn unpack(
    stage: &mut Stage<'_>,
    archive: &Archive<'_>,
    mut raw: impl Read,
    size: u64,
) -> Result<(), StoreError> {
    let first = first_block(archive, &mut raw)?;
    let (allowance, ratio) = (stage.budget.allowance(size), stage.budget.limits().max_ratio);
    let gauge = Rc::new(Gauge::new(Rule::RatioTooHigh { allowance, ratio }, allowance));
    let mut tar = tar::Archive::new(Gauged {
        inner: BufReader::new(io::Cursor::new(first).chain(raw)),
        gauge: Rc::clone(&gauge),
    });
    let broken = |error| archive.unreadable(error);
    let mut entries = tar.entries().map_err(broken)?;
    loop {
        gauge.headers.set(Some(HEADERS));
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(broken)?;
        let name = text(archive, &entry.path_bytes())?;
        if entry.header().entry_type() == EntryType::XGlobalHeader {
            pax::check_global(archive.at.entry(&name), &mut entry)?;
            continue;
        }
        gauge.headers.set(None);
        one(stage, archive, &name, &mut entry)?;
    }
    check_end(archive, &mut tar.into_inner(), broken)
}

/// The first block, which must be a header, or zeros in an empty archive: what is no tar at all is said so.
fn first_block(archive: &Archive<'_>, raw: &mut impl Read) -> Result<Vec<u8>, StoreError> {
    let mut block = Vec::new();
    raw.take(512)
        .read_to_end(&mut block)
        .map_err(|error| archive.unreadable(error))?;
    let is_empty = block.len() == 512 && block.iter().all(|byte| *byte == 0);
    if is_empty || is_tar_header(&block) {
        return Ok(block);
    }
    let outer = match archive.declared {
        "tgz" => "gzip file",
        "tar.zst" => "Zstandard file",
        _ => return Err(archive.unreadable(io::Error::other("its first block is no tar header"))),
    };
    let head = head(&block);
    Err(archive.at.refuse(Rule::NoTarInside { outer, head }))
}

fn text(archive: &Archive<'_>, bytes: &[u8]) -> Result<String, StoreError> {
    let lossy = String::from_utf8_lossy(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| archive.at.entry(&lossy).refuse(Rule::NotUtf8))?;
    Ok(text.to_owned())
}

fn one<R: Read>(
    stage: &mut Stage<'_>,
    archive: &Archive<'_>,
    name: &str,
    entry: &mut Entry<'_, R>,
) -> Result<(), StoreError> {
    let at = archive.at.entry(name);
    let special = |kind| Err(at.refuse(Rule::Special { kind }));
    let kind = entry.header().entry_type();
    pax::check(at, name, entry)?;
    // Readers differ in whether content belongs to what should have none, and so in where the next header is.
    if matches!(kind, EntryType::Directory | EntryType::Symlink | EntryType::Link) && entry.size() > 0 {
        return special("a folder or a link with content");
    }
    match kind {
        EntryType::Directory => directory(stage, archive, name),
        // Archives older than POSIX mark a folder by its name alone.
        EntryType::Regular if name.ends_with('/') && entry.size() == 0 => directory(stage, archive, name),
        EntryType::Regular | EntryType::Continuous if name.ends_with('/') => special("a folder with content"),
        EntryType::Regular | EntryType::Continuous => file(stage, archive, name, entry),
        EntryType::GNUSparse => Err(at.refuse(Rule::Sparse)),
        EntryType::Symlink => stage.link(at, name, &target(archive, entry)?),
        EntryType::Link => stage.hard_link(at, name, &target(archive, entry)?),
        EntryType::Fifo => special("a pipe"),
        EntryType::Char | EntryType::Block => special("a device"),
        _ => special("of an unknown kind"),
    }
}

/// `tar -C dir .` begins with an entry for the root itself, which is there already.
fn directory(stage: &mut Stage<'_>, archive: &Archive<'_>, name: &str) -> Result<(), StoreError> {
    if matches!(name, "." | "./") {
        Ok(())
    } else {
        stage.directory(archive.at.entry(name), name)
    }
}

fn file<R: Read>(
    stage: &mut Stage<'_>,
    archive: &Archive<'_>,
    name: &str,
    entry: &mut Entry<'_, R>,
) -> Result<(), StoreError> {
    let at = archive.at.entry(name);
    let mode = entry.header().mode().map_err(|error| at.refuse(Rule::behind(error)))?;
    let declared = entry.size();
    stage.budget.fits(0, declared).map_err(|rule| at.refuse(rule))?;
    let found = stage.file(at, name, mode & 0o111 != 0, entry)?;
    if declared == found {
        Ok(())
    } else {
        Err(at.refuse(Rule::LyingSize { declared, found }))
    }
}

fn target<R: Read>(archive: &Archive<'_>, entry: &Entry<'_, R>) -> Result<String, StoreError> {
    text(archive, &entry.link_name_bytes().unwrap_or_default())
}

/// After the first zero block, where the crate stops as it does at a bare end, only zeros may follow, at least one
/// block of them, and reading on to the end has a gzip check its own sums.
fn check_end(
    archive: &Archive<'_>,
    rest: &mut impl Read,
    broken: impl Fn(io::Error) -> StoreError,
) -> Result<(), StoreError> {
    let mut chunk = [0; 4096];
    let mut zeros = 0;
    loop {
        let read = rest.read(&mut chunk).map_err(&broken)?;
        if read == 0 {
            break;
        }
        if chunk[..read].iter().any(|byte| *byte != 0) {
            return Err(archive.at.refuse(Rule::TrailingBytes));
        }
        zeros += read;
    }
    if zeros < 512 {
        Err(archive.at.refuse(Rule::NoEndMark))
    } else {
        Ok(())
    }
}

/// What the reader below the crate has seen. The crate reads a long name or a pax header wholly into memory and skips
/// what it likes; this bounds both.
struct Gauge {
    /// Bytes that may still come before the next entry's content; `None` inside a content.
    headers: Cell<Option<u64>>,
    /// Bytes that may still come at all, and the rule that says so.
    left: Cell<u64>,
    bound: Rule,
}

impl Gauge {
    fn new(bound: Rule, left: u64) -> Self {
        Gauge {
            headers: Cell::new(None),
            left: Cell::new(left),
            bound,
        }
    }

    fn count(&self, read: u64) -> Result<(), Rule> {
        self.left
            .set(self.left.get().checked_sub(read).ok_or_else(|| self.bound.clone())?);
        if let Some(headers) = self.headers.get() {
            let left = headers
                .checked_sub(read)
                .ok_or(Rule::HeadersTooLarge { limit: HEADERS })?;
            self.headers.set(Some(left));
        }
        Ok(())
    }
}

struct Gauged<R> {
    inner: R,
    gauge: Rc<Gauge>,
}

impl<R: Read> Read for Gauged<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.gauge.count(read as u64).map_err(io::Error::other)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
