use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::sandbox::{Sandbox, gzip, mode, names, object, refusal, rule, tar, text, zip};
use crate::{Limits, Rule, StoreError, Unpack};

const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;

#[test]
fn objects_and_plain_entries_become_one_tree() {
    let sandbox = Sandbox::new();
    let parts = [
        text("notes.txt", "plain"),
        object(&sandbox, "b-program", &zip(&[("bin/app", b"#!", PROGRAM)]), Unpack::Zip),
        object(
            &sandbox,
            "a-yml",
            &gzip(&tar(&[("./program.yml", b"entry: bin/app", b'0', 0o644)])),
            Unpack::TarGz,
        ),
        object(&sandbox, "c-data", b"raw", Unpack::None),
    ];
    let staged = sandbox.store().stage(&parts).unwrap();
    assert_eq!(names(staged.path()), ["bin", "notes.txt", "object", "program.yml"]);
    assert_eq!(fs::read(staged.path().join("notes.txt")).unwrap(), b"plain");
    assert_eq!(fs::read(staged.path().join("object")).unwrap(), b"raw");
    assert_eq!(mode(&staged.path().join("bin/app")), 0o555);
    assert_eq!(mode(&staged.path().join("notes.txt")), 0o444);
}

#[test]
fn two_parts_that_bring_other_bytes_for_one_path_are_refused_and_both_named() {
    let sandbox = Sandbox::new();
    for other in [&b"two"[..], b"on", b"ones", b""] {
        let parts = [
            object(&sandbox, "second", &zip(&[("bin/app", other, FILE)]), Unpack::Zip),
            object(&sandbox, "first", &zip(&[("bin/app", b"one", FILE)]), Unpack::Zip),
        ];
        let error = refusal(&sandbox, &parts).to_string();
        assert!(
            error.contains("`second`, entry `bin/app`: `first` brings the same file with other bytes"),
            "{error}"
        );
    }
}

#[test]
fn equal_bytes_for_one_path_are_fine_and_stay_executable_when_either_is() {
    let sandbox = Sandbox::new();
    let parts = [
        object(&sandbox, "a", &zip(&[("bin/app", b"one", PROGRAM)]), Unpack::Zip),
        object(&sandbox, "b", &tar(&[("bin/app", b"one", b'0', 0o644)]), Unpack::Tar),
    ];
    let staged = sandbox.store().stage(&parts).unwrap();
    assert_eq!(mode(&staged.path().join("bin/app")), 0o555);
}

#[test]
fn a_file_and_a_folder_of_one_name_are_refused_whichever_comes_first() {
    let sandbox = Sandbox::new();
    let file = zip(&[("x", b"", FILE)]);
    let folder = zip(&[("x/", b"", 0o040_755)]);
    let inside = zip(&[("x/y", b"", FILE)]);
    let link = zip(&[("x", b"z", LINK)]);
    for (first, second, inner) in [
        (&file, &folder, false),
        (&folder, &file, false),
        (&file, &inside, true),
        (&link, &inside, true),
        (&inside, &link, false),
        (&link, &file, false),
        (&file, &link, false),
        (&link, &folder, false),
    ] {
        let parts = [
            object(&sandbox, "a", first, Unpack::Zip),
            object(&sandbox, "b", second, Unpack::Zip),
        ];
        let error = refusal(&sandbox, &parts);
        match error.rule() {
            Some(Rule::OtherKind { other, .. }) if !inner => assert_eq!(other, "a"),
            Some(Rule::Through { other, .. }) if inner => assert_eq!(other, "a"),
            _ => panic!("{error}"),
        }
    }
}

#[test]
fn a_write_through_a_link_is_refused_even_where_the_link_stays_inside() {
    let archive = tar(&[
        ("real", b"", b'5', 0o755),
        ("l", b"real", b'2', 0o777),
        ("l/f", b"x", b'0', 0o644),
    ]);
    assert!(matches!(
        rule(&archive, Unpack::Tar),
        Rule::Through { was: "a link", .. }
    ));
}

#[test]
fn links_that_lead_out_across_parts_are_refused_and_the_part_is_named() {
    let sandbox = Sandbox::new();
    let parts = [
        object(&sandbox, "a", &zip(&[("l", b"d/../outside", LINK)]), Unpack::Zip),
        object(&sandbox, "b", &zip(&[("d", b".", LINK)]), Unpack::Zip),
    ];
    let error = refusal(&sandbox, &parts);
    assert!(matches!(error.rule(), Some(Rule::LinkEscapes { .. })), "{error}");
    assert!(error.to_string().contains("`a`, entry `l`"), "{error}");
}

#[test]
fn two_parts_of_one_name_are_refused() {
    let sandbox = Sandbox::new();
    let error = refusal(&sandbox, &[text("a", "1"), text("a", "1")]);
    assert_eq!(error.rule(), Some(&Rule::DuplicatePart));
}

#[test]
fn a_plain_key_that_is_no_safe_path_is_refused() {
    let sandbox = Sandbox::new();
    assert_eq!(refusal(&sandbox, &[text("../x", "")]).rule(), Some(&Rule::Climbs));
}

#[test]
fn content_that_is_not_what_it_is_declared_to_be_is_refused_with_its_first_bytes() {
    let (zipped, tarred) = (zip(&[("f", b"x", FILE)]), tar(&[("f", b"x", b'0', 0o644)]));
    for (bytes, declared) in [
        (&zipped, Unpack::Tar),
        (&zipped, Unpack::TarGz),
        (&tarred, Unpack::Zip),
        (&tarred, Unpack::TarGz),
        (&gzip(&tarred), Unpack::Zip),
        (&gzip(&tarred), Unpack::Tar),
    ] {
        assert!(matches!(rule(bytes, declared), Rule::WrongKind { .. }), "{declared}");
    }
    for declared in [Unpack::Zip, Unpack::Tar, Unpack::TarGz] {
        let found = rule(b"<html>please log in</html>", declared);
        assert!(
            matches!(&found, Rule::Unreadable { head, .. } if head.starts_with("<html>")),
            "{found}"
        );
    }
}

#[test]
fn an_empty_body_is_no_archive_of_any_kind() {
    for declared in [Unpack::Zip, Unpack::Tar, Unpack::TarGz] {
        assert!(
            matches!(rule(b"", declared), Rule::Unreadable { .. } | Rule::NoEndMark),
            "{declared}"
        );
    }
}

#[test]
fn auto_takes_what_the_content_says_and_keeps_what_is_no_archive() {
    let sandbox = Sandbox::new();
    let (zipped, tarred) = (zip(&[("f", b"x", FILE)]), tar(&[("f", b"x", b'0', 0o644)]));
    for (bytes, name) in [
        (&zipped, "f"),
        (&tarred, "f"),
        (&gzip(&tarred), "f"),
        (&b"plain".to_vec(), "object"),
    ] {
        let staged = sandbox
            .store()
            .stage(&[object(&sandbox, "p", bytes, Unpack::Auto)])
            .unwrap();
        assert_eq!(names(staged.path()), [name]);
    }
}

#[test]
fn a_tree_is_bounded_over_all_its_parts() {
    let sandbox = Sandbox::with(Limits {
        max_entries: 3,
        max_unpacked_total: 10,
        max_file: 8,
        ..Limits::default()
    });
    let limit = |parts: &[crate::Part]| refusal(&sandbox, parts).rule().unwrap().clone();
    let many: Vec<_> = (0..4).map(|n| text(&format!("f{n}"), "")).collect();
    assert_eq!(limit(&many), Rule::TooManyEntries { limit: 3 });
    assert_eq!(
        limit(&[text("a/b/c/d", "")]),
        Rule::TooManyEntries { limit: 3 },
        "implied folders count"
    );
    assert_eq!(
        limit(&[text("a", "123456"), text("b", "12345")]),
        Rule::TreeTooLarge { limit: 10 }
    );
    assert_eq!(limit(&[text("a", "123456789")]), Rule::FileTooLarge { limit: 8 });
}

#[test]
fn a_rotten_blob_is_refused_and_removed_so_that_it_is_fetched_again() {
    let sandbox = Sandbox::new();
    let part = object(&sandbox, "a", b"good", Unpack::None);
    let blob = sandbox.blob(b"good");
    sandbox.overwrite(blob.path(), b"evil");
    let error = refusal(&sandbox, std::slice::from_ref(&part));
    assert!(matches!(error, StoreError::Rotten { .. }), "{error}");
    assert!(sandbox.store().blob(blob.digest()).unwrap().is_none());
    assert!(matches!(refusal(&sandbox, &[part]), StoreError::Gone(_)));
}

#[test]
fn a_zip_that_was_edited_since_it_came_is_rotten_though_it_came_just_now() {
    let sandbox = Sandbox::new();
    let (good, evil) = (zip(&[("f", b"good", 0o100_644)]), zip(&[("f", b"evil", 0o100_644)]));
    let part = object(&sandbox, "a", &good, Unpack::Zip);
    sandbox.store().stage(std::slice::from_ref(&part)).unwrap();
    let place = sandbox
        .root()
        .join("blobs/sha256")
        .join(crate::Digest::of(&good).to_string());
    sandbox.overwrite(&place, &evil);
    // Some clocks of file systems are slower than this test.
    fs::File::open(&place)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    assert!(matches!(refusal(&sandbox, &[part]), StoreError::Rotten { .. }));
}

#[test]
fn a_large_rotten_blob_is_told_as_rotten_whatever_its_unpacking_says_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let content: Vec<u8> = (0..3 << 20_u32).map(|n: u32| (n.wrapping_mul(n) >> 7) as u8).collect();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("f", plain).unwrap();
    std::io::Write::write_all(&mut writer, &content).unwrap();
    let mut stored = writer.finish().unwrap().into_inner();
    let part = object(&sandbox, "a", &stored, Unpack::Zip);
    let staged = sandbox.store().stage(std::slice::from_ref(&part)).unwrap();
    assert!(fs::read(staged.path().join("f")).unwrap() == content);
    drop(staged);
    let blob = sandbox.blob(&stored);
    let middle = stored.len() / 2;
    stored[middle] ^= 1;
    sandbox.overwrite(blob.path(), &stored);
    assert!(matches!(refusal(&sandbox, &[part]), StoreError::Rotten { .. }));
}

#[test]
fn odd_names_are_unpacked_as_they_are_and_shown_escaped() {
    let sandbox = Sandbox::new();
    let odd = "new\nline\u{1b}[31m and ü";
    let staged = sandbox
        .store()
        .stage(&[object(&sandbox, "a", &zip(&[(odd, b"", FILE)]), Unpack::Zip)])
        .unwrap();
    assert_eq!(names(staged.path()), [odd]);
    drop(staged);
    let parts = [
        text("a", ""),
        object(&sandbox, "b", &zip(&[(&format!("a/{odd}"), b"", FILE)]), Unpack::Zip),
    ];
    let error = refusal(&sandbox, &parts).to_string();
    assert!(error.contains(r"new\nline\u{1b}") && !error.contains('\n'), "{error}");
}

/// Every file below a folder with its bytes and whether it is executable.
fn read_tree(root: &Path, dir: &Path, found: &mut BTreeMap<String, (Vec<u8>, bool)>) {
    for name in names(dir) {
        let path = dir.join(name);
        if path.is_dir() {
            read_tree(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, (fs::read(&path).unwrap(), mode(&path) == 0o555));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_legal_tree_comes_out_of_each_kind_of_archive_as_it_went_in(
        files in prop::collection::btree_map(
            "[a-z ]{1,8}(/[A-Zü]{1,4}){0,3}",
            (prop::collection::vec(any::<u8>(), 0..200), any::<bool>()),
            0..12,
        ),
    ) {
        let sandbox = Sandbox::new();
        let is_folder = |name: &str| files.keys().any(|other| other.starts_with(&format!("{name}/")));
        let files: BTreeMap<_, _> = files.iter().filter(|(name, _)| !is_folder(name)).collect();
        let mode = |executable| if executable { PROGRAM } else { FILE };
        let zipped: Vec<_> =
            files.iter().map(|(name, (bytes, x))| (name.as_str(), bytes.as_slice(), mode(*x))).collect();
        let tarred: Vec<_> =
            files.iter().map(|(name, (bytes, x))| (name.as_str(), bytes.as_slice(), b'0', mode(*x) & 0o777)).collect();
        let tarred = tar(&tarred);
        for (bytes, unpack) in [(zip(&zipped), Unpack::Zip), (gzip(&tarred), Unpack::TarGz), (tarred, Unpack::Tar)] {
            let staged = sandbox.store().stage(&[object(&sandbox, "p", &bytes, unpack)]).unwrap();
            let mut found = BTreeMap::new();
            read_tree(staged.path(), staged.path(), &mut found);
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), files.iter().map(|(n, f)| (*n, *f)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn whatever_an_archive_is_damaged_to_it_is_unpacked_or_refused_and_nothing_is_left(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        kind in 0..3,
    ) {
        let sandbox = Sandbox::new();
        let (mut bytes, unpack) = match kind {
            0 => (zip(&[("a/b", b"hello hello hello", FILE), ("l", b"a/b", LINK)]), Unpack::Zip),
            1 => (tar(&[("a/b", b"hello", b'0', 0o644), ("l", b"a/b", b'2', 0o777)]), Unpack::Tar),
            _ => (gzip(&tar(&[("a/b", b"hello", b'0', 0o644)])), Unpack::TarGz),
        };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        drop(sandbox.store().stage(&[object(&sandbox, "p", &bytes, unpack)]));
        prop_assert_eq!(names(&sandbox.root().join("trees")), [""; 0]);
        prop_assert_eq!(names(&sandbox.outside("")), [""; 0]);
    }
}
