use aerolith_packages::{Limits, Rule, Unpack};

use crate::hostile;
use crate::raw_tar::{Member, file, link, member, pax, tar};
use crate::raw_zip::{FILE, entry, zip};
use crate::shelf::{Hostile, Shelf, refuse_all};

pub(crate) fn names_and_links() -> Vec<Hostile> {
    let one = |name: &str| tar(&[file("good", "good"), file(name, "content")]);
    let with = |last: Member| tar(&[file("d/f", "x"), last]);
    vec![
        hostile!("it climbs", one("../evil"), Unpack::Tar, "../evil", Rule::Climbs),
        hostile!(
            "it is absolute",
            one("/etc/evil"),
            Unpack::Tar,
            "/etc/evil",
            Rule::Absolute
        ),
        hostile!(
            "a backslash",
            one(r"..\evil"),
            Unpack::Tar,
            r"..\\evil",
            Rule::Backslash
        ),
        hostile!("a drive", one("C:/evil"), Unpack::Tar, "C:/evil", Rule::Drive),
        hostile!("no name", one(""), Unpack::Tar, "", Rule::EmptyName),
        hostile!("only dots", one("./."), Unpack::Tar, "./.", Rule::EmptyName),
        hostile!(
            "no UTF-8",
            with(file("x", "").say(0, b"\xff")),
            Unpack::Tar,
            "\u{fffd}",
            Rule::NotUtf8
        ),
        hostile!(
            "a pax name that climbs",
            tar(&[pax(b'x', &[("path", "../evil")]), file("good", "x")]),
            Unpack::Tar,
            "../evil",
            Rule::Climbs
        ),
        hostile!(
            "a pax name with a NUL",
            tar(&[pax(b'x', &[("path", "good\0evil")]), file("good", "x")]),
            Unpack::Tar,
            r"good\0evil",
            Rule::NulInName
        ),
        hostile!(
            "a pax name and another pax name",
            tar(&[pax(b'x', &[("path", "good"), ("path", "evil")]), file("f", "x")]),
            Unpack::Tar,
            "good",
            Rule::TwoNames { .. }
        ),
        hostile!(
            "a pax name and a long name",
            tar(&[
                pax(b'x', &[("path", "good")]),
                member("././@LongLink", b'L', "evil\0").gnu(),
                file("f", "x")
            ]),
            Unpack::Tar,
            "evil",
            Rule::TwoNames { .. }
        ),
        hostile!(
            "two targets",
            tar(&[pax(b'x', &[("linkpath", "a"), ("linkpath", "b")]), link("l", b'2', "c")]),
            Unpack::Tar,
            "l",
            Rule::TwoNames { .. }
        ),
        hostile!(
            "a link out",
            with(link("d/l", b'2', "../../evil")),
            Unpack::Tar,
            "d/l",
            Rule::LinkEscapes { .. }
        ),
        hostile!(
            "a link to the root",
            with(link("d/l", b'2', "/etc")),
            Unpack::Tar,
            "d/l",
            Rule::LinkEscapes { .. }
        ),
        hostile!(
            "a file through a link",
            tar(&[link("l", b'2', ".."), file("l/evil", "")]),
            Unpack::Tar,
            "l/evil",
            Rule::Through { .. }
        ),
        hostile!(
            "a file over a link",
            tar(&[link("l", b'2', "x"), file("l", "")]),
            Unpack::Tar,
            "l",
            Rule::OtherKind { .. }
        ),
        hostile!(
            "a hard link out",
            with(link("h", b'1', "../x")),
            Unpack::Tar,
            "h",
            Rule::Climbs
        ),
        hostile!(
            "a hard link to the root",
            with(link("h", b'1', "/etc/passwd")),
            Unpack::Tar,
            "h",
            Rule::Absolute
        ),
        hostile!(
            "a hard link to nothing",
            with(link("h", b'1', "x")),
            Unpack::Tar,
            "h",
            Rule::HardLinkTarget { .. }
        ),
        hostile!(
            "a hard link to a link",
            tar(&[link("l", b'2', "/etc/passwd"), link("h", b'1', "l")]),
            Unpack::Tar,
            "h",
            Rule::HardLinkTarget { .. }
        ),
    ]
}

pub(crate) fn kinds() -> Vec<Hostile> {
    let kind = |kind: u8, content: &str| tar(&[member("f", kind, content)]);
    // A GNU sparse header: one extent of no bytes at 8 GiB, and that as the real size.
    let holes = file("f", "")
        .gnu()
        .say(156, b"S")
        .say(386, b"100000000000")
        .say(398, b"00000000000\0")
        .say(483, b"100000000000");
    let sparse_pax = pax(
        b'x',
        &[
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.realsize", "9999999999"),
        ],
    );
    vec![
        hostile!(
            "a character device",
            kind(b'3', ""),
            Unpack::Tar,
            "f",
            Rule::Special { .. }
        ),
        hostile!("a block device", kind(b'4', ""), Unpack::Tar, "f", Rule::Special { .. }),
        hostile!("a pipe", kind(b'6', ""), Unpack::Tar, "f", Rule::Special { .. }),
        hostile!("a volume label", kind(b'V', ""), Unpack::Tar, "f", Rule::Special { .. }),
        hostile!(
            "a part of a volume",
            kind(b'M', "x"),
            Unpack::Tar,
            "f",
            Rule::Special { .. }
        ),
        hostile!(
            "a folder with content",
            kind(b'5', "x"),
            Unpack::Tar,
            "f",
            Rule::Special { .. }
        ),
        hostile!(
            "a link with content",
            kind(b'2', "x"),
            Unpack::Tar,
            "f",
            Rule::Special { .. }
        ),
        hostile!(
            "a file with a folder's name",
            tar(&[file("f/", "x")]),
            Unpack::Tar,
            "f/",
            Rule::Special { .. }
        ),
        hostile!("holes", tar(&[holes]), Unpack::Tar, "f", Rule::Sparse),
        hostile!(
            "holes in the pax form",
            tar(&[sparse_pax, file("f", "")]),
            Unpack::Tar,
            "f",
            Rule::Sparse
        ),
        hostile!(
            "a name twice with other bytes",
            tar(&[file("f", "good"), file("f", "evil")]),
            Unpack::Tar,
            "f",
            Rule::OtherBytes { .. }
        ),
        hostile!(
            "a file where a folder must be",
            tar(&[file("a", ""), file("a/b", "")]),
            Unpack::Tar,
            "a/b",
            Rule::Through { .. }
        ),
    ]
}

#[test]
fn hostile_names_and_links_in_a_tar_are_refused() {
    refuse_all(&names_and_links());
}

#[test]
fn hostile_kinds_in_a_tar_are_refused() {
    refuse_all(&kinds());
}

#[test]
fn twins_are_refused_where_the_tree_lies_on_a_file_system_that_takes_them_for_one() {
    let blind = Shelf::new(Limits {
        refuse_twins: true,
        ..Limits::default()
    });
    for (one, other) in [("bin/app", "bin/APP"), ("Bin/a", "bin/b"), ("caf\u{e9}", "cafe\u{301}")] {
        for bytes in [
            zip(&[entry(one, "1", FILE), entry(other, "2", FILE)]),
            tar(&[file(one, "1"), file(other, "2")]),
        ] {
            let error = blind.stage(&bytes, Unpack::Auto).unwrap_err();
            assert!(matches!(error.rule(), Some(Rule::Twin { .. })), "{error}");
            assert!(blind.left().is_empty());
        }
    }
}

#[test]
fn two_parts_that_bring_other_bytes_for_one_program_are_refused_and_both_named() {
    let shelf = Shelf::new(Limits::default());
    let parts = [
        shelf.part("second.zip", &zip(&[entry("bin/app", "two", FILE)]), Unpack::Zip),
        shelf.part("first.tar", &tar(&[file("bin/app", "one")]), Unpack::Tar),
    ];
    let error = shelf.store.stage(&parts).unwrap_err().to_string();
    assert!(
        error.contains("`second.zip`, entry `bin/app`: `first.tar` brings the same file"),
        "{error}"
    );
    assert!(shelf.left().is_empty());
}
