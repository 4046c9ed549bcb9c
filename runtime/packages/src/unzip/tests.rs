use std::fs;
use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::sandbox::{Sandbox, mode, names, object, refusal, rule, zip};
use crate::{Limits, Rule, Unpack};

const FILE: u32 = 0o100_644;

/// Overwrites every `from` with `to`, which has the same length, in both headers.
fn patched(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

fn central(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|at| at == b"PK\x01\x02").unwrap()
}

/// A zip with one entry called `name`, whatever the writer thinks of the name.
fn named(name: &str) -> Vec<u8> {
    let plain = "q".repeat(name.len());
    patched(zip(&[(&plain, b"content", FILE)]), plain.as_bytes(), name.as_bytes())
}

/// A zip with one entry whose Unix mode, kind included, is written into the directory afterwards.
fn with_mode(mode: u32) -> Vec<u8> {
    let mut bytes = zip(&[("f", b"", FILE)]);
    let at = central(&bytes) + 38;
    bytes[at..at + 4].copy_from_slice(&(mode << 16).to_le_bytes());
    bytes
}

#[test]
fn names_that_could_lead_out_refuse_the_whole_archive() {
    for (name, expected) in [
        ("../evil", Rule::Climbs),
        ("a/../../evil", Rule::Climbs),
        ("/abs", Rule::Absolute),
        ("//unc/share/x", Rule::Absolute),
        (r"\\unc\x", Rule::Backslash),
        (r"a\b", Rule::Backslash),
        ("C:evil", Rule::Drive),
        ("a\0b", Rule::NulInName),
        (".", Rule::EmptyName),
        ("./.", Rule::EmptyName),
    ] {
        assert_eq!(rule(&named(name), Unpack::Zip), expected, "{name:?}");
    }
}

#[test]
fn an_entry_without_a_name_is_refused() {
    assert_eq!(rule(&zip(&[("", b"x", FILE)]), Unpack::Zip), Rule::EmptyName);
}

#[test]
fn special_kinds_are_refused_and_special_bits_fall_away() {
    for kind in [0o010_644, 0o020_644, 0o060_644, 0o140_644] {
        assert!(
            matches!(rule(&with_mode(kind), Unpack::Zip), Rule::Special { .. }),
            "{kind:o}"
        );
    }
    let sandbox = Sandbox::new();
    for (bits, kept) in [
        (0o107_777, 0o555),
        (0o104_755, 0o555),
        (0o100_000, 0o444),
        (0o100_777, 0o555),
    ] {
        let staged = sandbox
            .store()
            .stage(&[object(&sandbox, "a", &with_mode(bits), Unpack::Zip)])
            .unwrap();
        assert_eq!(mode(&staged.path().join("f")), kept, "{bits:o}");
    }
}

#[test]
fn links_inside_are_made_and_links_out_are_refused() {
    let link = |target: &str| zip(&[("d/f", b"x", FILE), ("d/l", target.as_bytes(), 0o120_777)]);
    let sandbox = Sandbox::new();
    let staged = sandbox
        .store()
        .stage(&[object(&sandbox, "a", &link("../d/f"), Unpack::Zip)])
        .unwrap();
    assert_eq!(fs::read(staged.path().join("d/l")).unwrap(), b"x");
    for target in ["../../x", "/etc/passwd", ""] {
        assert!(
            matches!(rule(&link(target), Unpack::Zip), Rule::LinkEscapes { .. }),
            "{target}"
        );
    }
    assert!(matches!(rule(&link("l"), Unpack::Zip), Rule::LinkLoop { .. }));
    assert!(matches!(
        rule(&link(&"x/".repeat(5000)), Unpack::Zip),
        Rule::LinkEscapes { .. }
    ));
}

#[test]
fn a_wrong_checksum_a_lying_size_and_a_cut_archive_are_refused() {
    let good = zip(&[("f", &[7; 5000], FILE)]);
    let at = central(&good);
    let mut crc = good.clone();
    let mut size = good.clone();
    for (header, field) in [(0, 14), (at, 16)] {
        crc[header + field] ^= 1;
        size[header + field + 8] ^= 1;
    }
    assert!(matches!(rule(&crc, Unpack::Zip), Rule::Broken { .. }));
    assert!(matches!(
        rule(&size, Unpack::Zip),
        Rule::Broken { .. } | Rule::LyingSize { .. }
    ));
    for cut in [1, 10, good.len() / 2] {
        rule(&good[..good.len() - cut], Unpack::Zip);
    }
}

#[test]
fn bytes_after_the_end_are_refused_and_a_comment_is_not() {
    let good = zip(&[("f", b"x", FILE)]);
    assert_eq!(rule(&[&good[..], b"more"].concat(), Unpack::Zip), Rule::TrailingBytes);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("f", SimpleFileOptions::default()).unwrap();
    writer.set_comment("made by hand").unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    let sandbox = Sandbox::new();
    sandbox
        .store()
        .stage(&[object(&sandbox, "a", &bytes, Unpack::Zip)])
        .unwrap();
}

#[test]
fn headers_that_disagree_and_entries_missing_from_the_directory_are_refused() {
    let good = zip(&[("aaaa", b"x", FILE), ("bbbb", b"y", FILE)]);
    let mut renamed = good.clone();
    renamed[30..34].copy_from_slice(b"cccc");
    assert_eq!(
        rule(&renamed, Unpack::Zip),
        Rule::Conflict {
            field: "name",
            local: "`cccc`".into(),
            directory: "`aaaa`".into()
        }
    );
    let second = zip(&[("other", b"z", FILE)]);
    assert_eq!(
        rule(&[&good[..], &second].concat(), Unpack::Zip),
        Rule::LeadingBytes {
            count: good.len() as u64
        },
        "a hidden archive"
    );
}

#[test]
fn one_name_twice_in_one_archive_is_refused() {
    let twice = patched(zip(&[("aaaa", b"x", FILE), ("bbbb", b"y", FILE)]), b"bbbb", b"aaaa");
    assert_eq!(rule(&twice, Unpack::Zip), Rule::NamedTwice);
}

#[test]
fn overlapping_entries_are_refused() {
    let mut bytes = zip(&[("aaaa", b"xxxx", FILE), ("aaab", b"xxxx", FILE)]);
    let second = bytes.iter().rposition(|byte| *byte == b'b').unwrap() - 3 - 46;
    assert!(bytes[second..].starts_with(b"PK\x01\x02"));
    bytes[second + 42..second + 46].copy_from_slice(&0_u32.to_le_bytes());
    // The name is not the local header's either, which is found first.
    assert!(matches!(
        rule(&bytes, Unpack::Zip),
        Rule::Conflict { field: "name", .. }
    ));
}

#[test]
fn a_flat_bomb_stops_at_its_allowance_and_leaves_nothing() {
    let bomb = zip(&[("zeros", &vec![0; 4 << 20], FILE)]);
    assert!(bomb.len() < 8 << 10);
    let limits = Limits {
        max_ratio: 100,
        ratio_floor: 1 << 16,
        ..Limits::default()
    };
    let sandbox = Sandbox::with(limits);
    let error = refusal(&sandbox, &[object(&sandbox, "a", &bomb, Unpack::Zip)]);
    assert!(matches!(error.rule(), Some(Rule::RatioTooHigh { .. })), "{error}");
    let sandbox = Sandbox::with(Limits {
        max_unpacked_total: 1 << 20,
        ..Limits::default()
    });
    let error = refusal(&sandbox, &[object(&sandbox, "a", &bomb, Unpack::Zip)]);
    assert_eq!(error.rule(), Some(&Rule::TreeTooLarge { limit: 1 << 20 }));
}

#[test]
fn too_many_entries_are_refused_by_the_end_record_alone() {
    let names: Vec<String> = (0..20).map(|n| format!("f{n}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), &b""[..], FILE)).collect();
    let sandbox = Sandbox::with(Limits {
        max_entries: 19,
        ..Limits::default()
    });
    let mut bytes = zip(&entries);
    // With a broken directory only a check that comes before it can name the count.
    let at = central(&bytes);
    bytes[at] = b'X';
    let error = refusal(&sandbox, &[object(&sandbox, "a", &bytes, Unpack::Zip)]);
    assert_eq!(error.rule(), Some(&Rule::TooManyEntries { limit: 19 }));
}

#[test]
fn more_entries_than_the_old_count_field_can_say_are_counted_by_the_zip64_record() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for n in 0..65_540 {
        writer.add_directory(format!("{n}"), options).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    let sandbox = Sandbox::with(Limits {
        max_entries: 65_539,
        ..Limits::default()
    });
    let error = refusal(&sandbox, &[object(&sandbox, "a", &bytes, Unpack::Zip)]);
    assert_eq!(error.rule(), Some(&Rule::TooManyEntries { limit: 65_539 }));
    let mut counted = bytes.clone();
    let at = counted.len() - 22 - 20 - 56;
    assert!(counted[at..].starts_with(b"PK\x06\x06"));
    counted[at] = b'X';
    let error = refusal(&sandbox, &[object(&sandbox, "a", &counted, Unpack::Zip)]);
    assert!(matches!(error.rule(), Some(Rule::Unreadable { .. })), "{error}");
}

#[test]
fn an_empty_zip_is_legal_and_one_behind_a_program_is_not() {
    let sandbox = Sandbox::new();
    let staged = sandbox
        .store()
        .stage(&[object(&sandbox, "a", &zip(&[]), Unpack::Zip)])
        .unwrap();
    assert_eq!(names(staged.path()), [""; 0]);
    let behind = [b"#!/bin/sh\nexit\n", &zip(&[("f", b"x", FILE)])[..]].concat();
    assert_eq!(rule(&behind, Unpack::Zip), Rule::LeadingBytes { count: 15 });
}

#[test]
fn a_stored_and_a_streamed_entry_are_read_like_any_other() {
    let mut writer = ZipWriter::new_stream(Vec::new());
    for (name, method) in [
        ("stored", CompressionMethod::Stored),
        ("packed", CompressionMethod::Deflated),
    ] {
        writer
            .start_file(name, SimpleFileOptions::default().compression_method(method))
            .unwrap();
        writer.write_all(name.as_bytes()).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    let sandbox = Sandbox::new();
    let staged = sandbox
        .store()
        .stage(&[object(&sandbox, "a", &bytes, Unpack::Zip)])
        .unwrap();
    for name in ["stored", "packed"] {
        assert_eq!(fs::read(staged.path().join(name)).unwrap(), name.as_bytes());
    }
}

#[test]
fn an_encrypted_entry_is_refused() {
    let mut bytes = zip(&[("f", b"xxxxxxxxxxxxxxxxxxxxxxxx", FILE)]);
    let at = central(&bytes);
    bytes[6] |= 1;
    bytes[at + 8] |= 1;
    assert_eq!(rule(&bytes, Unpack::Zip), Rule::Encrypted);
}

/// A zip of many files, each of its own 8 KiB, that several threads unpack; the content of some is broken.
fn many(broken: &[usize]) -> Vec<u8> {
    let content = |n: usize| n.to_le_bytes().repeat(1024);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for n in 0..300 {
        writer.start_file(format!("d{}/f{n:03}", n % 7), stored).unwrap();
        writer.write_all(&content(n)).unwrap();
    }
    let mut bytes = writer.finish().unwrap().into_inner();
    // All entries are of one size, so the second header tells it.
    let size = 1 + bytes[1..]
        .windows(4)
        .position(|window| window == b"PK\x03\x04")
        .unwrap();
    for n in broken {
        bytes[(n + 1) * size - 1] ^= 1;
    }
    bytes
}

#[test]
fn a_zip_of_many_files_comes_out_as_it_went_in_whichever_thread_wrote_what() {
    let sandbox = Sandbox::new();
    let parts = [object(&sandbox, "a", &many(&[]), Unpack::Zip)];
    let staged = sandbox.store().stage(&parts).unwrap();
    for n in 0..300_usize {
        let path = staged.path().join(format!("d{}/f{n:03}", n % 7));
        assert_eq!(fs::read(&path).unwrap(), n.to_le_bytes().repeat(1024), "{n}");
        assert_eq!(mode(&path), 0o444);
    }
}

#[test]
fn of_many_broken_files_the_first_is_told_whichever_thread_met_which_first() {
    let bytes = many(&[113, 114, 115, 116, 250, 299]);
    for _ in 0..8 {
        let sandbox = Sandbox::new();
        let error = refusal(&sandbox, &[object(&sandbox, "a", &bytes, Unpack::Zip)]);
        assert!(
            error.to_string().contains("entry `d1/f113`: the content is broken"),
            "{error}"
        );
    }
}

#[test]
fn the_declared_sizes_of_many_files_are_counted_before_one_is_written() {
    let sandbox = Sandbox::with(Limits {
        max_unpacked_total: 200 << 13,
        ..Limits::default()
    });
    // The first file is broken, which nobody comes to see.
    let error = refusal(&sandbox, &[object(&sandbox, "a", &many(&[0]), Unpack::Zip)]);
    assert_eq!(error.rule(), Some(&Rule::TreeTooLarge { limit: 200 << 13 }));
    assert!(error.to_string().contains("f200"), "{error}");
}
