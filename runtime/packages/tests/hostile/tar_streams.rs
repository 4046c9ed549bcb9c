use aerolith_packages::{Rule, Unpack};

use crate::hostile;
use crate::raw_tar::{file, gzip, member, open_tar, pax, tar, zstd};
use crate::raw_zip::{FILE, entry, zip};
use crate::shelf::{Hostile, refuse_all};

pub(crate) fn headers_and_ends() -> Vec<Hostile> {
    let good = || tar(&[file("f", "content")]);
    let sized = |bytes: &[u8]| tar(&[file("g", ""), file("f", "content").say(124, bytes)]);
    let negative = [&[0xff; 12][..]].concat();
    let beyond = [&[0x80, 0, 0, 0][..], &[0xff; 8]].concat();
    let mut summed = file("f", "content");
    summed.header[0] = b'e';
    let pax_size = |size: &str| tar(&[pax(b'x', &[("size", size)]), file("f", "content")]);
    vec![
        hostile!(
            "a negative size",
            sized(&negative),
            Unpack::Tar,
            "",
            Rule::Unreadable { .. } | Rule::FileTooLarge { .. }
        ),
        hostile!(
            "a size beyond all numbers",
            sized(&beyond),
            Unpack::Tar,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "a size that is no number",
            sized(b"x9999999999\0"),
            Unpack::Tar,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "a size of 8 GiB",
            sized(b"77777777777\0"),
            Unpack::Tar,
            "f",
            Rule::FileTooLarge { .. }
        ),
        hostile!(
            "a pax size that is no number",
            pax_size("many"),
            Unpack::Tar,
            "f",
            Rule::Broken { .. }
        ),
        hostile!(
            "a negative pax size",
            pax_size("-7"),
            Unpack::Tar,
            "f",
            Rule::Broken { .. }
        ),
        hostile!(
            "two pax sizes",
            tar(&[pax(b'x', &[("size", "7"), ("size", "0")]), file("f", "content")]),
            Unpack::Tar,
            "f",
            Rule::Broken { .. }
        ),
        hostile!(
            "a broken pax record",
            tar(&[member("pax", b'x', "99 path=x\n"), file("f", "")]),
            Unpack::Tar,
            "f",
            Rule::Broken { .. }
        ),
        hostile!(
            "one name for all",
            tar(&[pax(b'g', &[("path", "evil")]), file("f", "")]),
            Unpack::Tar,
            "pax",
            Rule::Broken { .. }
        ),
        hostile!(
            "a wrong header sum",
            tar(&[file("g", ""), summed.clone()]),
            Unpack::Tar,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "a wrong first header sum",
            tar(&[summed]),
            Unpack::Tar,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "a pax header of 2 MiB",
            tar(&[member("p", b'x', vec![b'x'; 2 << 20])]),
            Unpack::Tar,
            "",
            Rule::HeadersTooLarge { .. }
        ),
        hostile!(
            "a long name of 2 MiB",
            tar(&[member("p", b'L', vec![b'x'; 2 << 20])]),
            Unpack::Tar,
            "",
            Rule::HeadersTooLarge { .. }
        ),
        hostile!(
            "a long name for nobody",
            tar(&[member("p", b'L', "x")]),
            Unpack::Tar,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!("no end", open_tar(&[file("f", "x")]), Unpack::Tar, "", Rule::NoEndMark),
        hostile!(
            "half an end",
            [open_tar(&[file("f", "x")]), vec![0; 512]].concat(),
            Unpack::Tar,
            "",
            Rule::NoEndMark
        ),
        hostile!(
            "bytes behind",
            [&good()[..], b"more"].concat(),
            Unpack::Tar,
            "",
            Rule::TrailingBytes
        ),
        hostile!(
            "two archives",
            [good(), good()].concat(),
            Unpack::Tar,
            "",
            Rule::TrailingBytes
        ),
        hostile!(
            "cut in its content",
            good()[..515].to_vec(),
            Unpack::Tar,
            "f",
            Rule::LyingSize { .. }
        ),
        hostile!(
            "cut in a header",
            good()[..300].to_vec(),
            Unpack::Tar,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!("an empty file", Vec::new(), Unpack::Tar, "", Rule::Unreadable { .. }),
    ]
}

pub(crate) fn packed() -> Vec<Hostile> {
    let good = tar(&[file("f", "content")]);
    let (gz, zst) = (gzip(&good), zstd(&good, 20));
    let flip = |bytes: &[u8], from_end: usize| {
        let mut bytes = bytes.to_vec();
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        bytes
    };
    let text = b"no archive at all";
    let zipped = zip(&[entry("f", "", FILE)]);
    vec![
        hostile!(
            "bytes behind gzip",
            [&gz[..], b"more"].concat(),
            Unpack::TarGz,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "a wrong gzip sum",
            flip(&gz, 8),
            Unpack::TarGz,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "a wrong gzip size",
            flip(&gz, 1),
            Unpack::TarGz,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "gzip cut",
            gz[..gz.len() - 9].to_vec(),
            Unpack::TarGz,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "gzip of a text",
            gzip(text),
            Unpack::TarGz,
            "",
            Rule::NoTarInside { outer: "gzip file", .. }
        ),
        hostile!(
            "gzip of nothing",
            gzip(b""),
            Unpack::TarGz,
            "",
            Rule::NoTarInside { .. }
        ),
        hostile!("gzip of a text, kind by content", gzip(text), Unpack::Auto, "", Rule::NoTarInside { head, .. } if head == "no archive at all"),
        hostile!("gzip of gzip", gzip(&gz), Unpack::Auto, "", Rule::NoTarInside { .. }),
        hostile!(
            "bytes behind zstd",
            [&zst[..], b"more"].concat(),
            Unpack::TarZst,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "a wrong zstd sum",
            flip(&zst, 1),
            Unpack::TarZst,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "zstd cut",
            zst[..zst.len() - 5].to_vec(),
            Unpack::TarZst,
            "",
            Rule::Unreadable { .. }
        ),
        hostile!(
            "zstd of a text",
            zstd(text, 20),
            Unpack::Auto,
            "",
            Rule::NoTarInside {
                outer: "Zstandard file",
                ..
            }
        ),
        hostile!(
            "a zstd window of 128 MiB",
            zstd(&tar(&[file("f", vec![7; 9 << 20])]), 27),
            Unpack::TarZst,
            "",
            Rule::WindowTooLarge { limit: 8_388_608 }
        ),
        hostile!(
            "gzip called zstd",
            gz.clone(),
            Unpack::TarZst,
            "",
            Rule::WrongKind { .. }
        ),
        hostile!(
            "zstd called gzip",
            zst.clone(),
            Unpack::TarGz,
            "",
            Rule::WrongKind { .. }
        ),
        hostile!("zstd called zip", zst, Unpack::Zip, "", Rule::WrongKind { .. }),
        hostile!("zip called tar", zipped, Unpack::Tar, "", Rule::WrongKind { .. }),
        hostile!("tar called gzip", good, Unpack::TarGz, "", Rule::WrongKind { .. }),
        hostile!(
            "a text called zstd",
            text.to_vec(),
            Unpack::TarZst,
            "",
            Rule::Unreadable { .. }
        ),
    ]
}

#[test]
fn headers_and_ends_of_a_tar_that_lie_are_refused() {
    refuse_all(&headers_and_ends());
}

#[test]
fn compressed_tars_that_are_broken_or_none_are_refused() {
    refuse_all(&packed());
}
