use aerolith_packages::{Rule, Unpack};

use crate::hostile;
use crate::raw_zip::{Entry, FILE, deflate, entry, extra, zip, zip_with};
use crate::shelf::{Hostile, refuse_all};

pub(crate) fn layouts() -> Vec<Hostile> {
    let (a, b) = (entry("a", "aaaa", FILE), entry("b", "bbbb", FILE));
    let both = || [a.clone(), b.clone()];
    let inner = zip(&[entry("inner", "", FILE)]);
    let hidden = entry("ghost", "evil", FILE).unlisted();
    let packed = [deflate(b"aaaa"), hidden.local_bytes()].concat();
    let swallowed = Entry {
        data: packed.clone(),
        ..a.clone()
    }
    .both(|h| (h.method, h.packed) = (8, packed.len() as u32));
    let again = |entry: &Entry| entry.clone().unwritten(0);
    vec![
        hostile!(
            "a ghost between",
            zip(&[a.clone(), hidden.clone(), b.clone()]),
            Unpack::Zip,
            "",
            Rule::Ghost { at: 35 }
        ),
        hostile!(
            "a ghost at the end",
            zip(&[a.clone(), hidden.clone()]),
            Unpack::Zip,
            "",
            Rule::Ghost { at: 35 }
        ),
        hostile!(
            "a ghost in front",
            zip(&[hidden.clone(), a.clone()]),
            Unpack::Zip,
            "",
            Rule::Ghost { at: 0 }
        ),
        hostile!(
            "a ghost behind deflate's end",
            zip(&[swallowed]),
            Unpack::Zip,
            "a",
            Rule::Broken { .. }
        ),
        hostile!(
            "bytes of nobody",
            zip(&[a.clone().followed_by(b"??"), b.clone()]),
            Unpack::Zip,
            "",
            Rule::Unlisted { .. }
        ),
        hostile!(
            "bytes in front",
            zip_with(b"#!/bin/sh\n", &both(), |_| {}),
            Unpack::Zip,
            "",
            Rule::LeadingBytes { count: 10 }
        ),
        hostile!(
            "a program in front",
            [b"#!/bin/sh\n", &zip(&both())[..]].concat(),
            Unpack::Zip,
            "",
            Rule::LeadingBytes { .. }
        ),
        hostile!(
            "bytes behind",
            [&zip(&both())[..], b"more"].concat(),
            Unpack::Zip,
            "",
            Rule::TrailingBytes
        ),
        hostile!(
            "zeros behind",
            [&zip(&both())[..], &[0; 512]].concat(),
            Unpack::Zip,
            "",
            Rule::TrailingBytes
        ),
        hostile!(
            "two archives",
            [inner.clone(), zip(&both())].concat(),
            Unpack::Zip,
            "",
            Rule::LeadingBytes { .. }
        ),
        hostile!(
            "an archive in the comment",
            zip_with(b"", &both(), |end| end.comment = inner.clone()),
            Unpack::Zip,
            "",
            Rule::SecondArchive { .. }
        ),
        hostile!(
            "a second end in the comment",
            zip_with(b"", &both(), |end| end.comment = inner[inner.len() - 22..].to_vec()),
            Unpack::Zip,
            "",
            Rule::SecondArchive { .. }
        ),
        hostile!(
            "one content for two entries",
            zip(&[a.clone(), again(&a).central(|h| h.name = b"c".into())]),
            Unpack::Zip,
            "c",
            Rule::Conflict { field: "name", .. }
        ),
        hostile!(
            "an entry twice",
            zip(&[a.clone(), again(&a)]),
            Unpack::Zip,
            "a",
            Rule::NamedTwice
        ),
        hostile!(
            "a name twice",
            zip(&[a.clone(), a.clone()]),
            Unpack::Zip,
            "a",
            Rule::NamedTwice
        ),
        hostile!(
            "a name twice with other bytes",
            zip(&[a.clone(), entry("a", "evil", FILE)]),
            Unpack::Zip,
            "a",
            Rule::NamedTwice
        ),
        hostile!(
            "a path twice with other bytes",
            zip(&[a.clone(), entry("./a", "evil", FILE)]),
            Unpack::Zip,
            "./a",
            Rule::OtherBytes { .. }
        ),
        hostile!(
            "a bad offset",
            zip_with(b"", &both(), |end| end.offset += 4),
            Unpack::Zip,
            "",
            Rule::LyingDirectory { .. }
        ),
        hostile!(
            "a bad size",
            zip_with(b"", &both(), |end| end.size -= 2),
            Unpack::Zip,
            "",
            Rule::LeadingBytes { count: 2 }
        ),
        hostile!(
            "a size beyond the file",
            zip_with(b"", &both(), |end| end.size = 1 << 30),
            Unpack::Zip,
            "",
            Rule::LyingDirectory { .. }
        ),
        hostile!(
            "an entry fewer",
            zip_with(b"", &both(), |end| (end.count, end.here) = (1, 1)),
            Unpack::Zip,
            "",
            Rule::LyingDirectory { .. }
        ),
        hostile!(
            "an entry more",
            zip_with(b"", &both(), |end| (end.count, end.here) = (3, 3)),
            Unpack::Zip,
            "",
            Rule::LyingDirectory { .. }
        ),
        hostile!(
            "several disks",
            zip_with(b"", &both(), |end| end.here = 1),
            Unpack::Zip,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "another disk",
            zip_with(b"", &both(), |end| end.disk = 1),
            Unpack::Zip,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "cut in the middle",
            zip(&both())[..60].to_vec(),
            Unpack::Zip,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "cut by a byte",
            zip(&both())[..zip(&both()).len() - 1].to_vec(),
            Unpack::Zip,
            "",
            Rule::Unreadable { .. } | Rule::TrailingBytes
        ),
        hostile!("an empty file", Vec::new(), Unpack::Zip, "", Rule::Unreadable { .. }),
        hostile!("a login page", b"<html>log in".to_vec(), Unpack::Zip, "", Rule::Unreadable { head, .. } if head == "<html>log in"),
        hostile!(
            "a wide record that disagrees",
            zip_with(b"", &both(), |end| end.wide =
                Some([1, u64::from(end.size), u64::from(end.offset)])),
            Unpack::Zip,
            "",
            Rule::LyingDirectory {
                what: "count on this disk",
                declared: 2,
                found: 1
            }
        ),
        hostile!(
            "a wide record elsewhere",
            zip_with(b"", &both(), |end| {
                end.wide = Some([2, u64::from(end.size), u64::from(end.offset)]);
                end.locator = Some(0);
            }),
            Unpack::Zip,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "a million entries",
            zip_with(b"", &both(), |end| {
                end.wide = Some([1_000_000, u64::from(end.size), u64::from(end.offset)]);
                (end.count, end.here) = (0xffff, 0xffff);
            }),
            Unpack::Zip,
            "",
            Rule::TooManyEntries { limit: 200_000 }
        ),
        hostile!(
            "a wide size beyond all numbers",
            zip(&[a.clone().both(|h| {
                (h.packed, h.size) = (u32::MAX, u32::MAX);
                h.extra = extra(1, &[0xff; 16]);
            })]),
            Unpack::Zip,
            "a",
            Rule::Broken { .. }
        ),
    ]
}

#[test]
fn zips_that_can_be_read_in_two_ways_are_refused() {
    refuse_all(&layouts());
}
