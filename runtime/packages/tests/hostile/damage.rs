//! Whatever bytes arrive, nothing panics, nothing is left, and a tree that comes of them keeps within the limits.

use std::fs;

use aerolith_packages::{Limits, Unpack};
use proptest::prelude::*;

use crate::raw_tar::{file, gzip, link, member, pax, tar, zstd};
use crate::raw_zip::{FILE, FOLDER, LINK, PROGRAM, entry, zip};
use crate::shelf::{Found, Shelf, tree};

const KINDS: [Unpack; 5] = [Unpack::Auto, Unpack::Zip, Unpack::Tar, Unpack::TarGz, Unpack::TarZst];

fn limits() -> Limits {
    Limits {
        max_file: 3000,
        max_unpacked_total: 5000,
        max_entries: 12,
        max_depth: 4,
        max_path: 40,
        ..Limits::default()
    }
}

/// A good archive of each kind, with something of everything.
fn good() -> [Vec<u8>; 4] {
    let zip = zip(&[
        entry("bin/app", [7; 700], PROGRAM).deflated(),
        entry("d/", "", FOLDER),
        entry("d/l", "../bin/app", LINK),
        entry("caf\u{e9}", "streamed", FILE).deflated().streamed(true, false),
    ]);
    let tar = tar(&[
        member("d/", b'5', ""),
        pax(b'x', &[("path", "d/long")]),
        file("short", [7; 700]),
        link("d/h", b'1', "d/long"),
        link("l", b'2', "d/h"),
    ]);
    [zip, gzip(&tar), zstd(&tar, 20), tar]
}

fn holds(shelf: &Shelf, bytes: &[u8], unpack: Unpack) -> Result<(), TestCaseError> {
    if let Ok(staged) = shelf.stage(bytes, unpack) {
        let found = tree(staged.path());
        let (most, mut total) = (limits(), 0);
        prop_assert!(found.len() as u64 <= most.max_entries);
        for (path, what) in &found {
            prop_assert!(path.len() <= most.max_path && path.split('/').count() <= most.max_depth);
            match what {
                Found::File(bytes) | Found::Program(bytes) => {
                    prop_assert!(bytes.len() as u64 <= most.max_file);
                    total += bytes.len() as u64;
                }
                Found::Link(_) => {
                    let root = fs::canonicalize(staged.path()).unwrap();
                    let arrives = fs::canonicalize(staged.path().join(path));
                    prop_assert!(arrives.is_err() || arrives.unwrap().starts_with(root));
                }
                Found::Folder => {}
            }
        }
        prop_assert!(total <= most.max_unpacked_total);
    }
    prop_assert_eq!(shelf.left(), [""; 0]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_a_good_archive_is_damaged_to_it_is_refused_or_comes_out_within_the_limits(
        which in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        auto in any::<bool>(),
    ) {
        let mut bytes = good()[which].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let kind = [Unpack::Zip, Unpack::TarGz, Unpack::TarZst, Unpack::Tar][which];
        holds(&Shelf::new(limits()), &bytes, if auto { Unpack::Auto } else { kind })?;
    }

    #[test]
    fn a_tar_whose_headers_say_anything_is_refused_or_comes_out_within_the_limits(
        members in prop::collection::vec(
            (
                "(\\.\\./|[a-c]/|\\./){0,3}[a-c]?/?",
                prop::sample::select(b"0127536xgLKSV".to_vec()),
                prop::collection::vec(any::<u8>(), 0..40),
                prop::option::weighted(0.3, (0..500_usize, prop::collection::vec(any::<u8>(), 1..12))),
            ),
            0..6,
        ),
    ) {
        let members: Vec<_> = members.into_iter().map(|(name, kind, content, change)| {
            let content = if matches!(kind, b'1' | b'2' | b'5') { Vec::new() } else { content };
            let member = member(&name, kind, content).say(157, b"a/b");
            match change {
                Some((at, bytes)) => member.say(at, &bytes),
                None => member,
            }
        }).collect();
        holds(&Shelf::new(limits()), &tar(&members), Unpack::Tar)?;
    }

    #[test]
    fn bytes_that_are_no_archive_are_refused_whatever_they_are_called(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        kind in prop::sample::select(KINDS.to_vec()),
        magic in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd"]),
    ) {
        holds(&Shelf::new(limits()), &[magic, &bytes].concat(), kind)?;
    }
}
