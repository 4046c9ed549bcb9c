use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::assemble::Archive;
use crate::parallel::{for_each, threads_for};
use crate::slot::Slot;
use crate::stage::Stage;
use crate::{Rule, StoreError};
use content::Content;
use window::Window;

mod content;
mod layout;
mod record;
mod window;

type Zip = ZipArchive<Window>;

/// A zip with many files is unpacked by several threads if they also have so many bytes.
const MUCH: u64 = 1 << 20;

/// A file of a zip, judged by all but its bytes.
struct Job {
    index: usize,
    slot: Slot,
    declared: u64,
}

/// Unpacks a zip by its directory. First, on one thread, everything that the directory says is judged: the layout, each
/// name and kind, and the declared sizes against the budget. Then the files are written, each held to its declared size,
/// so that all together keep within the budget whoever writes them.
pub(crate) fn unpack(stage: &mut Stage<'_>, archive: &Archive<'_>, file: File, size: u64) -> Result<(), StoreError> {
    let mut window = Window::new(file, size);
    let most = stage.budget.limits().max_entries;
    layout::check(&mut window, size, most).map_err(|refusal| refuse_layout(archive, refusal))?;
    let mut zip = ZipArchive::new(window).map_err(|error| unreadable(archive, error))?;
    let mut jobs = Vec::new();
    for index in 0..zip.len() {
        jobs.extend(judge(stage, archive, &mut zip, index)?);
    }
    // What is compared with an earlier file waits until all of those are written.
    let (taken, free): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.slot.is_taken());
    write_all(archive, &zip, &free)?;
    taken.iter().try_for_each(|job| write(archive, &mut zip, job))
}

/// A file that does not begin as a zip is rather something else than a zip that breaks a rule.
fn refuse_layout(archive: &Archive<'_>, refusal: layout::Refusal) -> StoreError {
    match refusal.rule {
        Rule::Broken { detail } if refusal.entry.is_empty() => archive.unreadable(io::Error::other(detail)),
        rule => archive.at.entry(&refusal.entry).refuse(rule),
    }
}

fn unreadable(archive: &Archive<'_>, error: ZipError) -> StoreError {
    archive.unreadable(error.into())
}

fn name<'z>(archive: &Archive<'_>, zip: &'z Zip, index: usize) -> Result<Cow<'z, str>, StoreError> {
    let name = zip.name_for_index(index).unwrap_or(Err(ZipError::FileNotFound));
    name.map_err(|error| unreadable(archive, error))
}

/// Takes one entry into the tree; answers the file that is still to be written.
fn judge(stage: &mut Stage<'_>, archive: &Archive<'_>, zip: &mut Zip, index: usize) -> Result<Option<Job>, StoreError> {
    let entry = zip.by_index_data(index).map_err(|error| unreadable(archive, error))?;
    let (mode, declared) = (entry.unix_mode().unwrap_or(0), entry.size());
    let name = name(archive, zip, index)?.into_owned();
    let at = archive.at.entry(&name);
    let folder_by_name = name.ends_with('/');
    let special = |kind| Err(at.refuse(Rule::Special { kind }));
    match mode & 0o170_000 {
        0o120_000 if !folder_by_name => {
            let target = read_target(stage, archive, zip, (index, &name, declared))?;
            stage.link(at, &name, &target)?;
            Ok(None)
        }
        0o040_000 if declared == 0 => stage.directory(at, &name).map(|()| None),
        0 | 0o100_000 if folder_by_name && declared == 0 => stage.directory(at, &name).map(|()| None),
        0 | 0o100_000 if !folder_by_name => {
            let slot = stage.slot(at, &name, mode & 0o111 != 0)?;
            stage.budget.bytes(0, declared).map_err(|rule| at.refuse(rule))?;
            Ok(Some(Job { index, slot, declared }))
        }
        0 | 0o040_000 | 0o100_000 => special("a folder with content"),
        0o120_000 => special("a link with the name of a folder"),
        _ => special("a device, a pipe or a socket"),
    }
}

/// A zip keeps a link's target as the entry's content.
fn read_target(
    stage: &Stage<'_>,
    archive: &Archive<'_>,
    zip: &mut Zip,
    (index, name, declared): (usize, &str, u64),
) -> Result<String, StoreError> {
    let at = archive.at.entry(name);
    if declared > stage.budget.limits().max_path as u64 {
        let target = format!("… of {declared} bytes");
        return Err(at.refuse(Rule::LinkEscapes { target }));
    }
    let mut target = Vec::new();
    content(archive, zip, index)?
        .take(declared + 1)
        .read_to_end(&mut target)
        .map_err(|error| at.refuse(Rule::behind(error)))?;
    if target.len() as u64 != declared {
        let found = target.len() as u64;
        return Err(at.refuse(Rule::LyingSize { declared, found }));
    }
    String::from_utf8(target).map_err(|_| at.refuse(Rule::NotUtf8))
}

fn content<'z>(archive: &Archive<'_>, zip: &'z mut Zip, index: usize) -> Result<Content<impl Read + 'z>, StoreError> {
    let raw = zip.by_index_raw(index).map_err(|error| unreadable(archive, error))?;
    Ok(Content::new(raw.compression(), raw.compressed_size(), raw.crc32(), raw))
}

/// Writes files: few of them here, many on several threads. The error is that of the first file of the archive that has
/// one.
fn write_all(archive: &Archive<'_>, zip: &Zip, jobs: &[Job]) -> Result<(), StoreError> {
    let bytes: u64 = jobs.iter().map(|job| job.declared).sum();
    let threads = if bytes > MUCH { threads_for(jobs.len()) } else { 1 };
    for_each(threads, jobs, || zip.clone(), |zip, job| write(archive, zip, job))
}

fn write(archive: &Archive<'_>, zip: &mut Zip, job: &Job) -> Result<(), StoreError> {
    let name = name(archive, zip, job.index)?.into_owned();
    let at = archive.at.entry(&name);
    let declared = job.declared;
    let within = |found: u64| {
        if found > declared {
            Err(Rule::LyingSize { declared, found })
        } else {
            Ok(())
        }
    };
    let mut content = content(archive, zip, job.index)?;
    let found = job
        .slot
        .fill(at, &mut content, |of_file, more| within(of_file + more))?;
    if found == declared {
        Ok(())
    } else {
        Err(at.refuse(Rule::LyingSize { declared, found }))
    }
}

#[cfg(test)]
mod tests;
