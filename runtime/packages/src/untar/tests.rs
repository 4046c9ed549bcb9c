use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::sandbox::{Sandbox, gzip, mode, names, object, refusal, rule, tar};
use crate::{Limits, Rule, Unpack};

fn one(name: &str, content: &[u8], flag: u8) -> Vec<u8> {
    tar(&[(name, content, flag, 0o644)])
}

#[test]
fn names_that_could_lead_out_refuse_the_whole_archive() {
    for (name, expected) in [
        ("../evil", Rule::Climbs),
        ("a/../../evil", Rule::Climbs),
        ("/abs", Rule::Absolute),
        (r"..\evil", Rule::Backslash),
        ("c:evil", Rule::Drive),
        ("", Rule::EmptyName),
        (".", Rule::EmptyName),
    ] {
        assert_eq!(rule(&one(name, b"x", b'0'), Unpack::Tar), expected, "{name:?}");
    }
}

#[test]
fn a_name_that_is_not_utf8_is_refused() {
    let mut bytes = one("name", b"", b'0');
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..2].copy_from_slice(b"a\xff");
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    bytes[..512].copy_from_slice(header.as_bytes());
    assert_eq!(rule(&bytes, Unpack::Tar), Rule::NotUtf8);
}

#[test]
fn pipes_devices_and_unknown_kinds_are_refused() {
    for flag in [b'3', b'4', b'6', b'Z'] {
        assert!(
            matches!(rule(&one("f", b"", flag), Unpack::Tar), Rule::Special { .. }),
            "{flag}"
        );
    }
}

#[test]
fn special_bits_fall_away_and_every_mode_stays_deletable() {
    let sandbox = Sandbox::new();
    let bytes = tar(&[
        ("d", b"", b'5', 0),
        ("d/s", b"", b'0', 0o7777),
        ("d/none", b"", b'0', 0),
        ("d/x", b"", b'0', 0o100),
    ]);
    let staged = sandbox
        .store()
        .stage(&[object(&sandbox, "a", &bytes, Unpack::Tar)])
        .unwrap();
    let tree = staged.publish("t".parse().unwrap()).unwrap();
    for (name, expected) in [("d", 0o755), ("d/s", 0o555), ("d/none", 0o444), ("d/x", 0o555)] {
        assert_eq!(mode(&tree.root().join(name)), expected, "{name}");
    }
}

#[test]
fn the_root_s_own_entry_and_a_folder_by_its_name_alone_are_legal() {
    let sandbox = Sandbox::new();
    let bytes = tar(&[
        ("./", b"", b'5', 0o755),
        ("old/", b"", b'0', 0o755),
        ("./f", b"x", b'0', 0o644),
    ]);
    let staged = sandbox
        .store()
        .stage(&[object(&sandbox, "a", &bytes, Unpack::Tar)])
        .unwrap();
    assert_eq!(names(staged.path()), ["f", "old"]);
    assert!(staged.path().join("old").is_dir());
}

#[test]
fn hard_links_inside_become_files_of_their_own_and_others_are_refused() {
    let sandbox = Sandbox::new();
    let bytes = tar(&[("f", b"same", b'0', 0o755), ("l", b"f", b'1', 0o644)]);
    let staged = sandbox
        .store()
        .stage(&[object(&sandbox, "a", &bytes, Unpack::Tar)])
        .unwrap();
    assert_eq!(fs::read(staged.path().join("l")).unwrap(), b"same");
    assert_eq!(fs::metadata(staged.path().join("l")).unwrap().nlink(), 1);
    assert_eq!(mode(&staged.path().join("l")), 0o555);
    drop(staged);
    for target in [&b"/etc/passwd"[..], b"../x", b"later", b"", b"dir"] {
        let bytes = tar(&[
            ("dir", b"", b'5', 0o755),
            ("l", target, b'1', 0o644),
            ("later", b"", b'0', 0o644),
        ]);
        let found = rule(&bytes, Unpack::Tar);
        let expected = matches!(
            found,
            Rule::Absolute | Rule::Climbs | Rule::EmptyName | Rule::HardLinkTarget { .. }
        );
        assert!(expected, "{found}");
    }
    let parts = [
        object(&sandbox, "a", &one("f", b"x", b'0'), Unpack::Tar),
        object(&sandbox, "b", &one("l", b"f", b'1'), Unpack::Tar),
    ];
    assert!(
        matches!(refusal(&sandbox, &parts).rule(), Some(Rule::HardLinkTarget { .. })),
        "another archive's file"
    );
}

#[test]
fn a_hard_link_to_a_link_is_refused() {
    let bytes = tar(&[("s", b"/etc/passwd", b'2', 0o777), ("l", b"s", b'1', 0o644)]);
    assert!(matches!(rule(&bytes, Unpack::Tar), Rule::HardLinkTarget { .. }));
}

#[test]
fn hard_links_count_as_the_bytes_they_stand_for() {
    let sandbox = Sandbox::with(Limits {
        max_unpacked_total: 10,
        ..Limits::default()
    });
    let bytes = tar(&[("f", b"123456", b'0', 0o644), ("l", b"f", b'1', 0o644)]);
    let error = refusal(&sandbox, &[object(&sandbox, "a", &bytes, Unpack::Tar)]);
    assert_eq!(error.rule(), Some(&Rule::TreeTooLarge { limit: 10 }));
}

#[test]
fn one_name_twice_is_fine_with_equal_bytes_and_refused_with_others() {
    let sandbox = Sandbox::new();
    let twice = |second: &[u8]| tar(&[("f", b"one", b'0', 0o644), ("f", second, b'0', 0o644)]);
    sandbox
        .store()
        .stage(&[object(&sandbox, "a", &twice(b"one"), Unpack::Tar)])
        .unwrap();
    assert!(matches!(rule(&twice(b"two"), Unpack::Tar), Rule::OtherBytes { .. }));
}

#[test]
fn a_cut_archive_is_refused_wherever_it_is_cut() {
    let good = one("f", &[7; 700], b'0');
    for length in [100, 512, 600, 512 + 1024, 512 + 1024 + 512, good.len() - 1024] {
        rule(&good[..length], Unpack::Tar);
    }
    let packed = gzip(&good);
    for cut in [1, 8, packed.len() / 2] {
        rule(&packed[..packed.len() - cut], Unpack::TarGz);
    }
}

#[test]
fn bytes_after_the_end_are_refused_and_zeros_are_not() {
    let good = one("f", b"x", b'0');
    let sandbox = Sandbox::new();
    let padded = [&good[..], &[0; 10_240]].concat();
    sandbox
        .store()
        .stage(&[object(&sandbox, "a", &padded, Unpack::Tar)])
        .unwrap();
    let hidden = [&good[..], &one("g", b"y", b'0')].concat();
    assert_eq!(rule(&hidden, Unpack::Tar), Rule::TrailingBytes);
    rule(&[&gzip(&good)[..], b"more"].concat(), Unpack::TarGz);
}

#[test]
fn a_wrong_gzip_checksum_is_refused() {
    let mut packed = gzip(&one("f", b"x", b'0'));
    let at = packed.len() - 8;
    packed[at] ^= 1;
    assert!(matches!(rule(&packed, Unpack::TarGz), Rule::Unreadable { .. }));
}

#[test]
fn a_long_name_that_would_fill_the_memory_is_refused() {
    let long = one("@LongLink", &vec![b'n'; 3 << 20], b'L');
    assert!(matches!(
        rule(&gzip(&long), Unpack::TarGz),
        Rule::HeadersTooLarge { .. }
    ));
    let global = one("pax", &vec![b'n'; 3 << 20], b'g');
    assert!(
        matches!(rule(&gzip(&global), Unpack::TarGz), Rule::HeadersTooLarge { .. }),
        "a header for all entries"
    );
}

#[test]
fn a_gzip_bomb_stops_at_its_allowance() {
    let bomb = gzip(&one("zeros", &vec![0; 4 << 20], b'0'));
    let sandbox = Sandbox::with(Limits {
        max_ratio: 100,
        ratio_floor: 1 << 16,
        ..Limits::default()
    });
    let error = refusal(&sandbox, &[object(&sandbox, "a", &bomb, Unpack::TarGz)]);
    assert!(
        error.to_string().contains("a bomb") || error.to_string().contains("limit"),
        "{error}"
    );
}

#[test]
fn long_names_in_the_gnu_and_the_pax_form_are_read() {
    let sandbox = Sandbox::new();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
    builder.append_pax_extensions([("path", &b"from-pax"[..])]).unwrap();
    header.set_cksum();
    builder.append(&header, &b"y"[..]).unwrap();
    let bytes = builder.into_inner().unwrap();
    let staged = sandbox
        .store()
        .stage(&[object(&sandbox, "a", &bytes, Unpack::Tar)])
        .unwrap();
    assert_eq!(fs::read(staged.path().join(&long)).unwrap(), b"x");
    assert_eq!(fs::read(staged.path().join("from-pax")).unwrap(), b"y");
}

#[test]
fn a_sparse_file_in_the_pax_form_is_refused_and_not_unpacked_wrongly() {
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_pax_extensions([("GNU.sparse.major", &b"1"[..])])
        .unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_path("f").unwrap();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, &b""[..]).unwrap();
    assert_eq!(rule(&builder.into_inner().unwrap(), Unpack::Tar), Rule::Sparse);
}

#[test]
fn a_two_thousand_deep_path_is_refused() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, "d/".repeat(2000) + "f", &b""[..])
        .unwrap();
    assert!(matches!(
        rule(&builder.into_inner().unwrap(), Unpack::Tar),
        Rule::TooDeep { found: 2001, .. }
    ));
}
