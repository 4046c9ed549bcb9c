use aerolith_packages::{Rule, Unpack};

use crate::hostile;
use crate::raw_zip::{FILE, FOLDER, LINK, entry, unicode_path, zip};
use crate::shelf::{Hostile, refuse_all};

fn one(name: impl AsRef<[u8]>) -> Vec<u8> {
    zip(&[entry("good", "good", FILE), entry(name, "content", FILE)])
}

fn named(what: &'static str, name: &str, at: &'static str, rule: fn(&Rule) -> bool) -> Hostile {
    Hostile {
        what,
        bytes: one(name),
        unpack: Unpack::Zip,
        entry: at,
        rule,
    }
}

pub(crate) fn names() -> Vec<Hostile> {
    let long = |names: usize, of: usize| vec!["n".repeat(of); names].join("/");
    vec![
        named("it climbs", "../evil", "../evil", |rule| *rule == Rule::Climbs),
        named("it climbs later", "a/b/../../../evil", "a/b/..", |rule| {
            *rule == Rule::Climbs
        }),
        named("it ends by climbing", "a/..", "a/..", |rule| *rule == Rule::Climbs),
        named("it is absolute", "/etc/cron.d/evil", "/etc/cron.d/evil", |rule| {
            *rule == Rule::Absolute
        }),
        named("it names a share", "//host/share/evil", "//host/share", |rule| {
            *rule == Rule::Absolute
        }),
        named(
            "it names a share in Windows' way",
            r"\\host\share",
            r"\\\\host",
            |rule| *rule == Rule::Backslash,
        ),
        named("it climbs in Windows' way", r"..\evil", r"..\\evil", |rule| {
            *rule == Rule::Backslash
        }),
        named("it has a drive", "C:evil", "C:evil", |rule| *rule == Rule::Drive),
        named("it has a drive and a root", "c:/evil", "c:/evil", |rule| {
            *rule == Rule::Drive
        }),
        named("it holds a NUL", "good.txt\0.sh", r"good.txt\0.sh", |rule| {
            *rule == Rule::NulInName
        }),
        named("it is empty", "", "", |rule| *rule == Rule::EmptyName),
        named("it is only dots", "./.", "./.", |rule| *rule == Rule::EmptyName),
        named("a name of 300 bytes", &"n".repeat(300), "nnn", |rule| {
            matches!(rule, Rule::NameTooLong { found: 300 })
        }),
        named("2,000 names deep", &long(2000, 1), "n/n", |rule| {
            matches!(rule, Rule::TooDeep { found: 2000, .. })
        }),
        named("a path of 6,000 bytes", &long(24, 250), "nnn", |rule| {
            matches!(rule, Rule::PathTooLong { .. })
        }),
        named(
            "a bad name that would steer a terminal",
            "../\u{1b}[2J\n",
            r"../\u{1b}[2J\n",
            |rule| *rule == Rule::Climbs,
        ),
        hostile!(
            "a name said to be UTF-8 that is not",
            zip(&[entry(b"caf\xe9", "", FILE).both(|header| header.flags |= 1 << 11)]),
            Unpack::Zip,
            "caf",
            Rule::NotUtf8
        ),
        hostile!(
            "a second name in Unicode for a plain one",
            zip(&[entry("good.txt", "", FILE).both(|header| header.extra = unicode_path(b"good.txt", "evil.sh"))]),
            Unpack::Zip,
            "good.txt",
            Rule::TwoNames { one, other } if one == "good.txt" && other == "evil.sh"
        ),
        hostile!(
            "a name in Unicode left of another name",
            zip(&[entry(b"caf\x82", "", FILE).both(|header| header.extra = unicode_path(b"other", "café"))]),
            Unpack::Zip,
            "caf",
            Rule::TwoNames { .. }
        ),
        hostile!(
            "a name in Unicode only in the local header",
            zip(&[entry(b"caf\x82", "", FILE).local(|header| header.extra = unicode_path(b"caf\x82", "café"))]),
            Unpack::Zip,
            "caf",
            Rule::Conflict {
                field: "Unicode name",
                ..
            }
        ),
    ]
}

pub(crate) fn links_and_kinds() -> Vec<Hostile> {
    let link = |target: &str| zip(&[entry("d/f", "x", FILE), entry("d/l", target, LINK)]);
    let kind = |mode| zip(&[entry("f", "", mode)]);
    vec![
        hostile!(
            "a link out",
            link("../../evil"),
            Unpack::Zip,
            "d/l",
            Rule::LinkEscapes { .. }
        ),
        hostile!(
            "a link to the root",
            link("/etc/passwd"),
            Unpack::Zip,
            "d/l",
            Rule::LinkEscapes { .. }
        ),
        hostile!(
            "a link to nothing",
            link(""),
            Unpack::Zip,
            "d/l",
            Rule::LinkEscapes { .. }
        ),
        hostile!(
            "a link with a NUL",
            link("f\0/../../.."),
            Unpack::Zip,
            "d/l",
            Rule::LinkEscapes { .. }
        ),
        hostile!("a link to itself", link("l"), Unpack::Zip, "d/l", Rule::LinkLoop { .. }),
        hostile!(
            "a link of a megabyte",
            link(&"x/".repeat(1 << 19)),
            Unpack::Zip,
            "d/l",
            Rule::LinkEscapes { .. }
        ),
        hostile!(
            "links that lead out together",
            zip(&[
                entry("a", ".", LINK),
                entry("b", "a/../c", LINK),
                entry("c", "..", LINK)
            ]),
            Unpack::Zip,
            "b",
            Rule::LinkEscapes { .. }
        ),
        hostile!(
            "links in a ring",
            zip(&[entry("a", "b", LINK), entry("b", "a", LINK)]),
            Unpack::Zip,
            "a",
            Rule::LinkLoop { .. }
        ),
        hostile!(
            "an entry through a link",
            zip(&[entry("d", "..", LINK), entry("d/evil", "", FILE)]),
            Unpack::Zip,
            "d/evil",
            Rule::Through { was: "a link", .. }
        ),
        hostile!(
            "an entry over a link",
            zip(&[entry("d", "/etc/passwd", LINK), entry("./d", "evil", FILE)]),
            Unpack::Zip,
            "./d",
            Rule::OtherKind { .. }
        ),
        hostile!(
            "a link with a folder's name",
            zip(&[entry("l/", "x", LINK)]),
            Unpack::Zip,
            "l/",
            Rule::Special { .. }
        ),
        hostile!("a pipe", kind(0o010_644), Unpack::Zip, "f", Rule::Special { .. }),
        hostile!(
            "a character device",
            kind(0o020_644),
            Unpack::Zip,
            "f",
            Rule::Special { .. }
        ),
        hostile!(
            "a block device",
            kind(0o060_644),
            Unpack::Zip,
            "f",
            Rule::Special { .. }
        ),
        hostile!("a socket", kind(0o140_644), Unpack::Zip, "f", Rule::Special { .. }),
        hostile!(
            "a folder with content",
            zip(&[entry("f/", "x", FOLDER)]),
            Unpack::Zip,
            "f/",
            Rule::Special { .. }
        ),
        hostile!(
            "a file where a folder must be",
            zip(&[entry("a", "", FILE), entry("a/b", "", FILE)]),
            Unpack::Zip,
            "a/b",
            Rule::Through { was: "a file", .. }
        ),
        hostile!(
            "a folder where a file is",
            zip(&[entry("a", "", FILE), entry("a/", "", FOLDER)]),
            Unpack::Zip,
            "a/",
            Rule::OtherKind { .. }
        ),
    ]
}

#[test]
fn hostile_names_in_a_zip_are_refused() {
    refuse_all(&names());
}

#[test]
fn hostile_links_and_kinds_in_a_zip_are_refused() {
    refuse_all(&links_and_kinds());
}
