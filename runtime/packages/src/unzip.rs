use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use crate::assemble::Archive;
use crate::error::OnPath;
use crate::stage::Stage;
use crate::{Rule, StoreError};

/// Bytes of an end-of-central-directory record before its comment (APPNOTE 4.3.16).
const END_RECORD: u64 = 22;

/// Bytes of a zip64 end record without extensions and of its locator (APPNOTE 4.3.14, 4.3.15).
const ZIP64: u64 = 56 + 20;

/// Unpacks a zip by its central directory. Names, kinds and sizes are ours to judge; before the first entry is
/// written the crate checks that both headers of each entry agree, that no entry overlaps another, that no name comes
/// twice and that no local header is missing from the directory.
pub(crate) fn unpack(stage: &mut Stage<'_>, archive: &Archive<'_>, file: File, size: u64) -> Result<(), StoreError> {
    let shared = file.try_clone().on("reopen", Path::new(archive.at.part))?;
    check_count(stage, archive, &shared, size)?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| archive.unreadable(&error))?;
    check_end(archive, &shared, size, zip.comment().len() as u64)?;
    zip.validate_header_consistency()
        .map_err(|error| archive.unreadable(&error))?;
    for index in 0..zip.len() {
        let name = zip
            .name_for_index(index)
            .transpose()
            .map_err(|error| archive.unreadable(&error))?;
        let name = name.unwrap_or_default().into_owned();
        let mut entry = zip
            .by_index(index)
            .map_err(|error| refuse_entry(archive, &name, &error))?;
        one(stage, archive, &name, &mut entry)?;
    }
    Ok(())
}

/// Refuses too many entries before the crate reads the whole directory into memory: by the count in every record that
/// ends the file, of which the crate will take one.
fn check_count(stage: &Stage<'_>, archive: &Archive<'_>, file: &File, size: u64) -> Result<(), StoreError> {
    let limit = stage.budget.limits().max_entries;
    let start = size.saturating_sub(END_RECORD + ZIP64 + u64::from(u16::MAX));
    let mut tail = Vec::new();
    let mut reader = file;
    reader
        .seek(SeekFrom::Start(start))
        .on("read", Path::new(archive.at.part))?;
    reader
        .take(size - start)
        .read_to_end(&mut tail)
        .on("read", Path::new(archive.at.part))?;
    reader.rewind().on("read", Path::new(archive.at.part))?;
    for at in (0..tail.len()).filter(|at| ends_the_file(&tail[*at..])) {
        let Some(count) = declared_count(&tail, at) else {
            return Err(archive.unreadable(&"its zip64 end record does not lie before its end record"));
        };
        if count > limit {
            return Err(archive.at.refuse(Rule::TooManyEntries { limit }));
        }
    }
    Ok(())
}

/// Whether an end record begins here whose comment reaches to the file's end.
fn ends_the_file(tail: &[u8]) -> bool {
    tail.starts_with(b"PK\x05\x06")
        && number(tail, 20, 2).is_some_and(|comment| tail.len() as u64 == END_RECORD + comment)
}

/// The entry count of the end record at `at`, or of the zip64 record before it when that one rules (APPNOTE 4.3.14 to
/// 4.3.16, 4.4.21).
fn declared_count(tail: &[u8], at: usize) -> Option<u64> {
    match at.checked_sub(ZIP64 as usize).map(|at| &tail[at..]) {
        Some(before) if before[56..].starts_with(b"PK\x06\x07") => before
            .starts_with(b"PK\x06\x06")
            .then(|| number(before, 32, 8))
            .flatten(),
        _ => number(tail, at + 10, 2),
    }
}

/// A little-endian number of `width` bytes.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + width)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}

/// Refuses bytes after the end record, where another archive could hide.
fn check_end(archive: &Archive<'_>, file: &File, size: u64, comment: u64) -> Result<(), StoreError> {
    let mut magic = [0; 4];
    let start = size.saturating_sub(END_RECORD + comment);
    file.read_exact_at(&mut magic, start)
        .on("read", Path::new(archive.at.part))?;
    if &magic == b"PK\x05\x06" {
        return Ok(());
    }
    Err(archive.at.refuse(Rule::TrailingBytes))
}

fn refuse_entry(archive: &Archive<'_>, name: &str, error: &ZipError) -> StoreError {
    let rule = match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => Rule::Encrypted,
        other => Rule::Broken {
            detail: other.to_string(),
        },
    };
    archive.at.entry(name).refuse(rule)
}

fn one<R: Read>(
    stage: &mut Stage<'_>,
    archive: &Archive<'_>,
    name: &str,
    entry: &mut ZipFile<'_, R>,
) -> Result<(), StoreError> {
    let at = archive.at.entry(name);
    let mode = entry.unix_mode().unwrap_or(0);
    let folder_by_name = name.ends_with('/');
    match mode & 0o170_000 {
        0o120_000 if !folder_by_name => {
            let target = read_target(stage, archive, name, entry)?;
            return stage.link(at, name, &target);
        }
        0o040_000 if entry.size() == 0 => return stage.directory(at, name),
        0 | 0o100_000 if folder_by_name && entry.size() == 0 => return stage.directory(at, name),
        0 | 0o100_000 if !folder_by_name => {}
        0 | 0o040_000 | 0o100_000 => {
            return Err(at.refuse(Rule::Special {
                kind: "a folder with content",
            }));
        }
        _ => {
            return Err(at.refuse(Rule::Special {
                kind: "a device, a pipe or a socket",
            }));
        }
    }
    let declared = entry.size();
    let found = stage.file(at, name, mode & 0o111 != 0, entry)?;
    if declared == found {
        Ok(())
    } else {
        Err(at.refuse(Rule::LyingSize { declared, found }))
    }
}

/// A zip keeps a link's target as the entry's content.
fn read_target<R: Read>(
    stage: &Stage<'_>,
    archive: &Archive<'_>,
    name: &str,
    entry: &mut ZipFile<'_, R>,
) -> Result<String, StoreError> {
    let at = archive.at.entry(name);
    let most = stage.budget.limits().max_path as u64;
    let mut target = Vec::new();
    let read = entry.take(most + 1).read_to_end(&mut target);
    read.map_err(|error| {
        at.refuse(Rule::Broken {
            detail: error.to_string(),
        })
    })?;
    String::from_utf8(target).map_err(|_| at.refuse(Rule::NotUtf8))
}

#[cfg(test)]
mod tests;
