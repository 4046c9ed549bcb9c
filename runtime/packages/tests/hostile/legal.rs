use aerolith_packages::{KeptParts, Limits, Unpack};

use crate::raw_tar::{file, gzip, link, member, pax, tar, zstd};
use crate::raw_zip::{Entry, FILE, FOLDER, LINK, PROGRAM, entry, extra, unicode_path, zip, zip_with};
use crate::shelf::{Found, Shelf, tree};

/// What is odd about it, its bytes, and the tree that must come out: name, what it is, content or target.
pub(crate) type Legal = (&'static str, Vec<u8>, &'static [(&'static str, char, &'static str)]);

const F: &[(&str, char, &str)] = &[("f", 'f', "content")];

pub(crate) fn zips() -> Vec<Legal> {
    let f = || entry("f", "content", FILE);
    let wide = |entry: Entry| {
        let (packed, size) = (u64::from(entry.central.packed), u64::from(entry.central.size));
        entry.both(move |h| {
            h.extra = extra(1, &[size.to_le_bytes(), packed.to_le_bytes()].concat());
            (h.packed, h.size) = (u32::MAX, u32::MAX);
        })
    };
    vec![
        ("an empty one", zip(&[]), &[]),
        (
            "stored and deflated",
            zip(&[f(), entry("g", "gggggggg", FILE).deflated()]),
            &[("f", 'f', "content"), ("g", 'f', "gggggggg")],
        ),
        (
            "a deflated nothing",
            zip(&[entry("f", "", FILE).deflated()]),
            &[("f", 'f', "")],
        ),
        ("a descriptor", zip(&[f().deflated().streamed(true, false)]), F),
        (
            "a descriptor without its signature",
            zip(&[f().deflated().streamed(false, false)]),
            F,
        ),
        ("a wide descriptor", zip(&[f().deflated().streamed(true, true)]), F),
        (
            "a wide descriptor without its signature",
            zip(&[f().streamed(false, true)]),
            F,
        ),
        ("wide sizes", zip(&[wide(f())]), F),
        (
            "a wide end",
            zip_with(b"", &[f()], |end| {
                end.wide = Some([1, u64::from(end.size), u64::from(end.offset)]);
            }),
            F,
        ),
        (
            "a wide end that alone says it",
            zip_with(b"", &[f()], |end| {
                end.wide = Some([1, u64::from(end.size), u64::from(end.offset)]);
                (end.count, end.here, end.size, end.offset) = (0xffff, 0xffff, u32::MAX, u32::MAX);
            }),
            F,
        ),
        (
            "a UTF-8 name",
            zip(&[entry("日本/ü", "", FILE).both(|h| h.flags |= 1 << 11)]),
            &[("日本", 'd', ""), ("日本/ü", 'f', "")],
        ),
        (
            "a name in code page 437",
            zip(&[entry(b"caf\x82", "x", FILE)]),
            &[("café", 'f', "x")],
        ),
        (
            "a name in another code page with its Unicode",
            zip(&[entry(b"\x93\xfa", "x", FILE).both(|h| h.extra = unicode_path(b"\x93\xfa", "日"))]),
            &[("日", 'f', "x")],
        ),
        (
            "made on Windows, without modes",
            zip(&[f().central(|h| (h.system, h.mode) = (0, 0))]),
            F,
        ),
        (
            "empty and nested folders",
            zip(&[
                entry("a/b/c/", "", FOLDER),
                entry("d/e/f", "x", FILE),
                entry("w/", "", 0),
            ]),
            &[
                ("a", 'd', ""),
                ("a/b", 'd', ""),
                ("a/b/c", 'd', ""),
                ("d", 'd', ""),
                ("d/e", 'd', ""),
                ("d/e/f", 'f', "x"),
                ("w", 'd', ""),
            ],
        ),
        (
            "a file before its folder",
            zip(&[entry("a/f", "x", FILE), entry("a/", "", FOLDER)]),
            &[("a", 'd', ""), ("a/f", 'f', "x")],
        ),
        (
            "links inside",
            zip(&[
                entry("a/l", "../b/f", LINK),
                entry("b/f", "x", PROGRAM),
                entry("c", "a/l", LINK),
                entry("d", "later", LINK),
            ]),
            &[
                ("a", 'd', ""),
                ("a/l", 'l', "../b/f"),
                ("b", 'd', ""),
                ("b/f", 'x', "x"),
                ("c", 'l', "a/l"),
                ("d", 'l', "later"),
            ],
        ),
        (
            "comments",
            zip_with(b"", &[f().central(|h| h.comment = b"of f".into())], |end| {
                end.comment = b"made by hand".into();
            }),
            F,
        ),
        ("aligned by padding", zip(&[f().local(|h| h.extra = vec![0; 3])]), F),
        (
            "odd modes",
            zip(&[
                entry("n", "", 0o100_000),
                entry("s", "", 0o106_755),
                entry("a", "", 0o100_777),
                entry("x", "", 0o100_100),
            ]),
            &[("n", 'f', ""), ("s", 'x', ""), ("a", 'x', ""), ("x", 'x', "")],
        ),
        (
            "names with noise",
            zip(&[entry("./a//b/./f", "x", FILE)]),
            &[("a", 'd', ""), ("a/b", 'd', ""), ("a/b/f", 'f', "x")],
        ),
        (
            "a path twice with equal bytes",
            zip(&[f(), entry("./f", "content", PROGRAM)]),
            &[("f", 'x', "content")],
        ),
        (
            "twins of case and of Unicode",
            zip(&[
                entry("a", "1", FILE),
                entry("A", "2", FILE),
                entry("\u{e9}", "3", FILE),
                entry("e\u{301}", "4", FILE),
            ]),
            &[
                ("a", 'f', "1"),
                ("A", 'f', "2"),
                ("\u{e9}", 'f', "3"),
                ("e\u{301}", 'f', "4"),
            ],
        ),
        (
            "a name that would steer a terminal",
            zip(&[entry("a\n\u{1b}[2J", "x", FILE)]),
            &[("a\n\u{1b}[2J", 'f', "x")],
        ),
        (
            "a zip in it, which stays one",
            zip(&[entry("f", "content", FILE), entry("i.zip", "PK\x05\x06", FILE)]),
            &[("f", 'f', "content"), ("i.zip", 'f', "PK\x05\x06")],
        ),
    ]
}

pub(crate) fn tars() -> Vec<Legal> {
    let f = || file("f", "content");
    let one = || tar(&[f()]);
    let gnu_long = || member("././@LongLink", b'L', "a/long\0").gnu();
    vec![
        ("gzip of an empty one", gzip(&tar(&[])), &[]),
        (
            "the oldest form",
            tar(&[f().oldest(), file("d/", "").oldest().say(156, b"\0")]),
            &[("f", 'f', "content"), ("d", 'd', "")],
        ),
        (
            "a prefix",
            tar(&[f().say(345, b"a/b")]),
            &[("a", 'd', ""), ("a/b", 'd', ""), ("a/b/f", 'f', "content")],
        ),
        (
            "a long name",
            tar(&[gnu_long(), f().gnu()]),
            &[("a", 'd', ""), ("a/long", 'f', "content")],
        ),
        (
            "a pax name and time",
            tar(&[pax(b'x', &[("mtime", "1.5"), ("path", "p")]), f()]),
            &[("p", 'f', "content")],
        ),
        (
            "a pax size",
            tar(&[pax(b'x', &[("size", "7")]), f().say(124, b"00000000000\0")]),
            F,
        ),
        (
            "a pax target",
            tar(&[pax(b'x', &[("linkpath", "f")]), link("l", b'2', "g"), f()]),
            &[("f", 'f', "content"), ("l", 'l', "f")],
        ),
        (
            "a comment for all",
            tar(&[pax(b'g', &[("comment", "0123abcd")]), f()]),
            F,
        ),
        (
            "a size in base 256",
            tar(&[f().gnu().say(124, &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7])]),
            F,
        ),
        ("its root", tar(&[member("./", b'5', ""), file("./f", "content")]), F),
        (
            "a file before its folder",
            tar(&[file("d/f", "x"), member("d/", b'5', "").mode(0)]),
            &[("d", 'd', ""), ("d/f", 'f', "x")],
        ),
        (
            "a hard link",
            tar(&[f().mode(0o755), link("h", b'1', "f")]),
            &[("f", 'x', "content"), ("h", 'x', "content")],
        ),
        ("a contiguous file", tar(&[f().say(156, b"7")]), F),
        ("a file twice", tar(&[f(), f()]), F),
        (
            "odd modes",
            tar(&[
                file("n", "").mode(0),
                file("s", "").mode(0o6755),
                file("x", "").mode(0o010),
            ]),
            &[("n", 'f', ""), ("s", 'x', ""), ("x", 'x', "")],
        ),
        ("zeros behind", [one(), vec![0; 10_240]].concat(), F),
        ("gzip", gzip(&one()), F),
        (
            "gzip in two members",
            [gzip(&one()[..700]), gzip(&one()[700..])].concat(),
            F,
        ),
        ("zstd", zstd(&one(), 23), F),
        (
            "zstd in two frames",
            [zstd(&one()[..700], 20), zstd(&one()[700..], 20)].concat(),
            F,
        ),
        (
            "zstd with a frame to skip",
            [&zstd(&one(), 20)[..], b"\x50\x2a\x4d\x18\x03\0\0\0abc"].concat(),
            F,
        ),
    ]
}

#[test]
fn every_odd_but_legal_package_comes_out_right() {
    let shelf = Shelf::new(Limits::default());
    let (zips, tars) = (zips(), tars());
    for (what, bytes, expected) in zips.iter().chain(&tars) {
        let staged = shelf
            .stage(bytes, Unpack::Auto)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let expected = expected.iter().map(|(name, kind, content)| {
            let found = match kind {
                'f' => Found::File(content.as_bytes().to_vec()),
                'x' => Found::Program(content.as_bytes().to_vec()),
                'l' => Found::Link((*content).to_owned()),
                _ => Found::Folder,
            };
            ((*name).to_owned(), found)
        });
        assert_eq!(tree(staged.path()), expected.collect(), "{what}");
        let tree = staged.publish(format!("t-{}", bytes.len()).parse().unwrap());
        drop(tree.unwrap_or_else(|error| panic!("{what}: {error}")));
        shelf.store.clean(&KeptParts::default(), |_| false).unwrap();
        assert!(shelf.left().is_empty(), "{what}: {:?}", shelf.left());
    }
}

#[test]
fn a_declared_kind_unpacks_as_the_one_found_by_content_does() {
    let shelf = Shelf::new(Limits::default());
    let one = tar(&[file("f", "content")]);
    for (bytes, unpack) in [
        (zip(&[entry("f", "content", FILE)]), Unpack::Zip),
        (gzip(&one), Unpack::TarGz),
        (zstd(&one, 20), Unpack::TarZst),
        // It begins with a frame to skip, so only its declared kind tells what it is.
        (
            [&b"\x50\x2a\x4d\x18\0\0\0\0"[..], &zstd(&one, 20)].concat(),
            Unpack::TarZst,
        ),
        (one, Unpack::Tar),
    ] {
        let staged = shelf
            .stage(&bytes, unpack)
            .unwrap_or_else(|error| panic!("{unpack}: {error}"));
        assert_eq!(tree(staged.path()).keys().collect::<Vec<_>>(), ["f"], "{unpack}");
    }
}
