//! Whether a zip can be read in one way only. Readers differ in what they take for a zip's truth: some go by the
//! directory at its end, some by the local headers from its start, some take the first record that looks right. So every
//! byte must belong to exactly one record: the entries lie side by side from the first byte to the directory, the
//! directory fills the room up to the end record, and both headers of an entry say the same. What the format allows
//! beyond that (a program in front, gaps, several disks) a package does not need.

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};

use super::record::{self, Central, Facts, number};
use crate::Rule;
use crate::error::escape;

/// A broken rule and the name of the entry that breaks it, empty when the archive does.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) entry: String,
    pub(super) rule: Rule,
}

impl From<Rule> for Refusal {
    fn from(rule: Rule) -> Self {
        Refusal {
            entry: String::new(),
            rule,
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => broken("a record ends beyond the archive's end").into(),
            _ => Rule::behind(error).into(),
        }
    }
}

/// Where the directory lies.
struct Directory {
    entries: u64,
    start: u64,
    end: u64,
}

/// Where the bytes of an entry lie: its header, and its content up to the descriptor, if it has one.
struct Extent {
    start: u64,
    end: u64,
    facts: Facts,
}

/// Checks a zip of `size` bytes. More than `most` entries are refused before the first is read; the names are then held
/// in memory, which that bounds.
pub(super) fn check<R: Read + Seek>(zip: &mut R, size: u64, most: u64) -> Result<(), Refusal> {
    let directory = find(zip, size, most)?;
    let mut extents = Vec::new();
    let mut names = HashSet::new();
    let mut at = directory.start;
    for number in 0..directory.entries {
        let entry = central(zip, &mut at, &directory, number)?;
        let named = |rule| Refusal {
            entry: lossy(&entry.facts.name),
            rule,
        };
        check_entry(&entry).map_err(named)?;
        if !names.insert(entry.facts.name.clone()) {
            return Err(named(Rule::NamedTwice));
        }
        let extent = local(zip, entry, directory.start)?;
        extents.push(extent);
    }
    if at != directory.end {
        return Err(lying("size", directory.end - directory.start, at - directory.start).into());
    }
    extents.sort_by_key(|extent| extent.start);
    side_by_side(zip, &extents, directory.start)
}

/// Finds the one end record that closes the file, and what it says of the directory.
fn find<R: Read + Seek>(zip: &mut R, size: u64, most: u64) -> Result<Directory, Refusal> {
    let start = size.saturating_sub(record::END + u64::from(u16::MAX));
    let tail = bytes(zip, start, (size - start) as usize)?;
    let signatures: Vec<usize> = places(&tail, record::IS_END).collect();
    let closes = |at: &usize| record::END + number(&tail, at + 20, 2) == (tail.len() - at) as u64;
    let Some(at) = signatures.iter().copied().find(closes) else {
        return Err(match signatures.is_empty() {
            true => broken("it has no end of central directory record"),
            false => Rule::TrailingBytes,
        }
        .into());
    };
    let (end, comment) = (&tail[at..], &tail[at + record::END as usize..]);
    for signature in [record::IS_END, record::IS_END64, record::IS_CENTRAL, record::IS_LOCAL] {
        if let Some(inside) = places(comment, signature).next() {
            let at = start + at as u64 + record::END + inside as u64;
            return Err(Rule::SecondArchive { at }.into());
        }
    }
    let at = start + at as u64;
    let (values, directory_end) = match wide(zip, at)? {
        None => (narrow(end), at),
        Some((values, start)) => {
            for ((what, ones, said), (_, _, meant)) in narrow(end).into_iter().zip(values) {
                if said != ones && said != meant {
                    return Err(lying(what, said, meant).into());
                }
            }
            (values, start)
        }
    };
    directory(values.map(|(_, _, value)| value), directory_end, most)
}

/// What an end record says, each with its name and the value that stands for "see the zip64 record": the two disks, the
/// two counts, size and offset of the directory.
type Values = [(&'static str, u64, u64); 6];

fn values(bytes: &[u8], mut at: usize, widths: [usize; 6]) -> Values {
    let names = ["disk", "first disk", "count on this disk", "count", "size", "offset"];
    std::array::from_fn(|n| {
        let value = number(bytes, at, widths[n]);
        at += widths[n];
        (names[n], if n < 4 { 0xffff } else { record::ALL_ONES }, value)
    })
}

fn narrow(end: &[u8]) -> Values {
    values(end, 4, [2, 2, 2, 2, 4, 4])
}

/// The zip64 end record before the end record at `end`, if a locator is there; and where it begins.
fn wide<R: Read + Seek>(zip: &mut R, end: u64) -> Result<Option<(Values, u64)>, Refusal> {
    let Some(at) = end.checked_sub(record::LOCATOR) else {
        return Ok(None);
    };
    let locator = bytes(zip, at, record::LOCATOR as usize)?;
    if !locator.starts_with(record::IS_LOCATOR) {
        return Ok(None);
    }
    let start = number(&locator, 8, 8);
    let misplaced = broken("its zip64 end record does not lie directly before the locator");
    if start.checked_add(record::END64).is_none_or(|end| end > at) {
        return Err(misplaced.into());
    }
    let found = bytes(zip, start, record::END64 as usize)?;
    let length = number(&found, 4, 8).checked_add(12);
    if !found.starts_with(record::IS_END64) || length != Some(at - start) {
        return Err(misplaced.into());
    }
    if number(&locator, 4, 4) != 0 || number(&locator, 16, 4) > 1 {
        return Err(broken("it spans several disks").into());
    }
    Ok(Some((values(&found, 16, [4, 4, 8, 8, 8, 8]), start)))
}

fn directory(values: [u64; 6], end: u64, most: u64) -> Result<Directory, Refusal> {
    let [disk, first, here, entries, size, start] = values;
    if (disk, first) != (0, 0) || here != entries {
        return Err(broken("it spans several disks").into());
    }
    if entries > most {
        return Err(Rule::TooManyEntries { limit: most }.into());
    }
    let room = size / record::CENTRAL;
    if entries > room {
        return Err(lying("count", entries, room).into());
    }
    let found = end.checked_sub(size).ok_or_else(|| lying("size", size, end))?;
    match found.checked_sub(start) {
        Some(0) => Ok(Directory { entries, start, end }),
        Some(count) => Err(Rule::LeadingBytes { count }.into()),
        None => Err(lying("offset", start, found).into()),
    }
}

/// Reads the entry of the directory at `at` and moves on behind it.
fn central<R: Read + Seek>(zip: &mut R, at: &mut u64, directory: &Directory, number: u64) -> Result<Central, Refusal> {
    let fewer = || Refusal::from(lying("count", directory.entries, number));
    if directory.end - *at < record::CENTRAL {
        return Err(fewer());
    }
    let fixed = bytes(zip, *at, record::CENTRAL as usize)?;
    if !fixed.starts_with(record::IS_CENTRAL) {
        return Err(fewer());
    }
    let [name, extra, comment] = record::central_tail(&fixed);
    let next = *at + record::CENTRAL + (name + extra + comment) as u64;
    if next > directory.end {
        return Err(fewer());
    }
    let tail = bytes(zip, *at + record::CENTRAL, name + extra)?;
    *at = next;
    Ok(record::central(&fixed, &tail[..name], &tail[name..]))
}

/// What an entry may be at all.
fn check_entry(entry: &Central) -> Result<(), Rule> {
    let facts = &entry.facts;
    if facts.flags & record::ENCRYPTED != 0 {
        return Err(Rule::Encrypted);
    }
    if !matches!(facts.method, 0 | 8) || facts.flags & record::PATCH != 0 {
        return Err(Rule::Method {
            method: facts.method as u16,
        });
    }
    if facts.method == 0 && facts.packed != facts.size {
        return Err(Rule::LyingSize {
            declared: facts.size,
            found: facts.packed,
        });
    }
    if entry.disk != 0 {
        return Err(broken("it lies on another disk"));
    }
    if facts.flags & record::UTF8 != 0 && std::str::from_utf8(&facts.name).is_err() {
        return Err(Rule::NotUtf8);
    }
    check_unicode(facts)
}

/// A name by the Unicode Path field must belong to the name in the header, and may replace only one that could not say
/// it: names in another code page, or with Info-ZIP's `?`, `_` and `#U` for what has no place in it.
fn check_unicode(facts: &Facts) -> Result<(), Rule> {
    let Some((unicode, belongs)) = &facts.unicode else {
        return Ok(());
    };
    let stands_for_another = !facts.name.is_ascii() || facts.name.iter().any(|byte| b"?_#".contains(byte));
    let may_differ = *belongs && stands_for_another && facts.flags & record::UTF8 == 0;
    if std::str::from_utf8(unicode).is_err() {
        return Err(Rule::NotUtf8);
    }
    if *unicode == facts.name || may_differ {
        return Ok(());
    }
    Err(Rule::TwoNames {
        one: escape(&lossy(&facts.name)),
        other: escape(&lossy(unicode)),
    })
}

/// Reads an entry's local header, which must say what the directory says.
fn local<R: Read + Seek>(zip: &mut R, entry: Central, directory: u64) -> Result<Extent, Refusal> {
    let facts = entry.facts;
    let refuse = |rule| Refusal {
        entry: lossy(&facts.name),
        rule,
    };
    let outside = || refuse(broken("its content does not lie before the directory"));
    let content = entry.local.checked_add(record::LOCAL).filter(|end| *end <= directory);
    let content = content.ok_or_else(outside)?;
    let fixed = bytes(zip, entry.local, record::LOCAL as usize)?;
    if !fixed.starts_with(record::IS_LOCAL) {
        return Err(refuse(broken("no local header lies where the directory says")));
    }
    let [name, extra] = record::local_tail(&fixed);
    let tail = bytes(zip, content, name + extra)?;
    let end = (content + (name + extra) as u64).checked_add(facts.packed);
    let end = end.filter(|end| *end <= directory).ok_or_else(outside)?;
    agree(&record::local(&fixed, &tail[..name], &tail[name..]), &facts).map_err(refuse)?;
    Ok(Extent {
        start: entry.local,
        end,
        facts,
    })
}

/// Where a descriptor follows, the local header may leave sums and sizes open.
fn agree(local: &Facts, central: &Facts) -> Result<(), Rule> {
    let conflict = |field, local: String, directory: String| {
        Err(Rule::Conflict {
            field,
            local,
            directory,
        })
    };
    let shown = |name: &[u8]| format!("`{}`", escape(&lossy(name)));
    if local.name != central.name {
        return conflict("name", shown(&local.name), shown(&central.name));
    }
    if local.unicode != central.unicode {
        let [local, central] =
            [local, central].map(|facts| facts.unicode.as_ref().map_or("none".into(), |u| shown(&u.0)));
        return conflict("Unicode name", local, central);
    }
    let open = central.flags & record::DESCRIPTOR != 0;
    for (field, local, central, may_be_open) in [
        (
            "flags",
            local.flags & record::FLAGS,
            central.flags & record::FLAGS,
            false,
        ),
        ("compression method", local.method, central.method, false),
        ("checksum", local.crc, central.crc, open),
        ("compressed size", local.packed, central.packed, open),
        ("size", local.size, central.size, open),
    ] {
        let is_open = may_be_open && matches!(local, 0 | record::ALL_ONES);
        if local != central && !is_open {
            return conflict(field, local.to_string(), central.to_string());
        }
    }
    Ok(())
}

/// Checks that the entries, in the order in which they lie, and the directory after them leave no byte over and share
/// none.
fn side_by_side<R: Read + Seek>(zip: &mut R, extents: &[Extent], directory: u64) -> Result<(), Refusal> {
    let mut before: Option<&Extent> = None;
    let starts = extents.iter().map(|extent| (extent.start, Some(extent)));
    for (start, extent) in starts.chain([(directory, None)]) {
        let end = before.map_or(0, |before| before.end);
        let Some(between) = start.checked_sub(end) else {
            let other = escape(&before.map_or(String::new(), |before| lossy(&before.facts.name)));
            let entry = extent.map_or(String::new(), |extent| lossy(&extent.facts.name));
            let rule = Rule::Overlap { other };
            return Err(Refusal { entry, rule });
        };
        if between > 0 || before.is_some_and(|before| before.facts.flags & record::DESCRIPTOR != 0) {
            check_between(zip, before, end, between)?;
        }
        before = extent;
    }
    Ok(())
}

/// The `count` bytes from `at` on, between two entries: a descriptor, or nobody's.
fn check_between<R: Read + Seek>(zip: &mut R, before: Option<&Extent>, at: u64, count: u64) -> Result<(), Refusal> {
    let found = bytes(zip, at, count.min(24) as usize)?;
    if let Some(before) = before.filter(|before| before.facts.flags & record::DESCRIPTOR != 0) {
        if count <= 24 && record::is_descriptor(&found, &before.facts) {
            return Ok(());
        }
        if count < 12
            || (12..=24).all(|n| {
                found
                    .get(..n)
                    .is_none_or(|bytes| !record::is_descriptor(bytes, &before.facts))
            })
        {
            let entry = lossy(&before.facts.name);
            let rule = broken("no descriptor with its checksum and sizes follows its content");
            return Err(Refusal { entry, rule });
        }
    }
    let rule = if let Some(ghost) = places(&found, record::IS_LOCAL).next() {
        Rule::Ghost { at: at + ghost as u64 }
    } else if before.is_none() {
        Rule::LeadingBytes { count }
    } else {
        Rule::Unlisted {
            from: at,
            to: at + count,
        }
    };
    Err(rule.into())
}

fn bytes<R: Read + Seek>(zip: &mut R, at: u64, count: usize) -> io::Result<Vec<u8>> {
    zip.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; count];
    zip.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn places<'a>(bytes: &'a [u8], signature: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(signature))
}

fn broken(detail: &str) -> Rule {
    Rule::Broken { detail: detail.into() }
}

fn lying(what: &'static str, declared: u64, found: u64) -> Rule {
    Rule::LyingDirectory { what, declared, found }
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
