use super::*;
use aerolith_plugin::Code;
use aerolith_plugin::testing::Host;
use aerolith_plugin::wire::fetcher::{Client, Head, Validator, channel};
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// What came of a fetch.
struct Got {
    head: Option<Head>,
    pieces: Vec<Vec<u8>>,
    end: Result<Fetched>,
}

impl Got {
    fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    fn error(self) -> Error {
        self.end.unwrap_err()
    }
}

/// Fetches with room for one item only; `meanwhile` runs after the head.
fn fetch_and(request: &Fetch, meanwhile: impl FnOnce()) -> Got {
    let host = Host::new();
    let client = Client(host.instance(aerolith_root(), "file", "{}").unwrap());
    let (sink, mut download) = channel(1);
    let read = async {
        let head = download.head().await.unwrap();
        meanwhile();
        let mut pieces = Vec::new();
        while let Some(piece) = download.piece().await.unwrap() {
            pieces.push(piece.into_vec());
        }
        (head, pieces)
    };
    let (end, (head, pieces)) = host.block_on(async { tokio::join!(client.fetch(request, sink), read) });
    Got { head, pieces, end }
}

fn fetch(request: &Fetch) -> Got {
    fetch_and(request, || ())
}

fn url(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn at(path: &Path, offset: u64, validator: Validator) -> Fetch {
    Fetch {
        url: url(path),
        offset,
        validator,
        ..Fetch::default()
    }
}

fn file(content: &[u8]) -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("package.zip");
    fs::write(&path, content).unwrap();
    (dir, path)
}

fn patterned(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

#[test]
fn it_serves_the_scheme_file_only() {
    let host = Host::new();
    let client = Client(host.instance(aerolith_root(), "file", "{}").unwrap());
    assert_eq!(host.block_on(client.schemes()).unwrap().schemes, ["file"]);
    assert_eq!(
        host.instance(aerolith_root(), "file", r#"{"x":1}"#).err().unwrap().code,
        Code::Invalid
    );
}

#[test]
fn a_file_arrives_whole_in_pieces_of_bounded_size() {
    let content = patterned(3 * regular::PIECE + 17);
    let (_dir, path) = file(&content);
    let got = fetch(&at(&path, 0, Validator::default()));
    assert_eq!(got.bytes(), content);
    assert_eq!(
        got.end,
        Ok(Fetched {
            bytes: content.len() as u64
        })
    );
    assert!(got.pieces.iter().all(|piece| piece.len() <= regular::PIECE));
    let head = got.head.unwrap();
    assert_eq!((head.offset, head.size), (0, Some(content.len() as u64)));
}

#[test]
fn an_empty_file_is_a_head_and_no_bytes() {
    let (_dir, path) = file(b"");
    let got = fetch(&at(&path, 0, Validator::default()));
    assert_eq!(
        (got.head.unwrap().size, got.pieces.len(), got.end),
        (Some(0), 0, Ok(Fetched { bytes: 0 }))
    );
}

#[test]
fn a_fetch_goes_on_behind_the_bytes_already_here() {
    let (_dir, path) = file(b"0123456789");
    let validator = fetch(&at(&path, 0, Validator::default())).head.unwrap().validator;
    for asked in [validator, Validator::default()] {
        let got = fetch(&at(&path, 4, asked));
        assert_eq!(
            (got.head.clone().unwrap().offset, got.bytes(), got.end),
            (4, b"456789".to_vec(), Ok(Fetched { bytes: 6 }))
        );
    }
    let complete = fetch(&at(&path, 10, Validator::default()));
    assert_eq!((complete.head.clone().unwrap().offset, complete.bytes().len()), (10, 0));
}

#[test]
fn an_offset_beyond_the_end_begins_anew() {
    let (_dir, path) = file(b"0123456789");
    let got = fetch(&at(&path, 11, Validator::default()));
    assert_eq!(
        (got.head.clone().unwrap().offset, got.bytes()),
        (0, b"0123456789".to_vec())
    );
}

#[test]
fn a_file_that_is_another_by_now_begins_anew() {
    let (_dir, path) = file(b"0123456789");
    let before = fetch(&at(&path, 0, Validator::default())).head.unwrap().validator;
    let touched = File::options().append(true).open(&path).unwrap();
    touched
        .set_modified(SystemTime::UNIX_EPOCH + Duration::new(1, 5))
        .unwrap();
    let got = fetch(&at(&path, 4, before));
    assert_eq!(
        (got.head.clone().unwrap().offset, got.bytes()),
        (0, b"0123456789".to_vec())
    );
    assert_eq!(got.head.unwrap().validator.etag.unwrap(), "\"1.000000005-10\"");
}

#[test]
fn a_file_that_grows_or_shrinks_while_it_is_read_is_a_retryable_error() {
    for length in [PIECES * 2, 1] {
        let (_dir, path) = file(&patterned(usize::try_from(PIECES).unwrap()));
        let got = fetch_and(&at(&path, 0, Validator::default()), || {
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(length)
                .unwrap();
        });
        assert!(got.bytes().len() as u64 <= PIECES);
        let error = got.error();
        assert_eq!((error.code, error.retryable), (Code::Io, true));
        assert!(
            error.message.contains("changed while it was read") && error.message.contains("package.zip"),
            "{error}"
        );
    }
}

/// More than fits between the reading and the one item of room.
const PIECES: u64 = 8 * regular::PIECE as u64;

#[test]
fn a_missing_file_is_named() {
    let (dir, path) = file(b"x");
    for missing in [dir.path().join("absent.zip"), path.join("below")] {
        let got = fetch(&at(&missing, 0, Validator::default()));
        assert_eq!(got.head, None);
        let error = got.error();
        assert_eq!((error.code, error.retryable), (Code::NotFound, false));
        assert!(error.message.contains(&missing.display().to_string()), "{error}");
    }
}

#[test]
fn a_link_is_followed() {
    let (dir, path) = file(b"through");
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    assert_eq!(fetch(&at(&link, 0, Validator::default())).bytes(), b"through");
}

#[test]
fn a_device_is_refused_without_opening_it() {
    let error = fetch(&at(Path::new("/dev/zero"), 0, Validator::default())).error();
    assert_eq!(error.code, Code::Invalid);
    assert!(
        error.message.contains("a device") && error.message.contains("/dev/zero"),
        "{error}"
    );
}

#[test]
fn a_file_in_the_known_state_is_unchanged() {
    let (_dir, path) = file(b"0123456789");
    let unless = fetch(&at(&path, 0, Validator::default())).head.unwrap().validator;
    let got = fetch(&Fetch {
        unless,
        ..at(&path, 0, Validator::default())
    });
    assert!(got.head.unwrap().unchanged);
    assert_eq!((got.pieces.len(), got.end), (0, Ok(Fetched { bytes: 0 })));
}

/// A directory with one of everything, and its tar.
fn stick() -> (TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| fs::write(dir.path().join(name), content).unwrap();
    fs::create_dir_all(dir.path().join("bin/empty")).unwrap();
    write("program.yml", b"entry: bin/run.sh\n");
    write("bin/run.sh", b"#!/bin/sh\n");
    write("bin-data", &patterned(regular::PIECE + 1000));
    write(&"long".repeat(50), &patterned(512));
    write("none", b"");
    let run = dir.path().join("bin/run.sh");
    fs::set_permissions(run, fs::Permissions::from_mode(0o4710)).unwrap();
    symlink("run.sh", dir.path().join("bin/link")).unwrap();
    let tar = fetch(&at(dir.path(), 0, Validator::default())).bytes();
    (dir, tar)
}

#[test]
fn a_directory_is_a_tar_of_what_is_in_it_sorted_and_of_nobody() {
    let (dir, tar) = stick();
    let mut archive = tar::Archive::new(&tar[..]);
    let found: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let (path, header) = (entry.path().unwrap().display().to_string(), entry.header().clone());
            assert_eq!(
                (header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()),
                (0, 0, 0)
            );
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            if header.entry_type().is_file() {
                assert_eq!(content, fs::read(dir.path().join(&path)).unwrap());
            }
            (path, header.entry_type(), header.mode().unwrap())
        })
        .collect();
    let expected = [
        ("bin", tar::EntryType::Directory, 0o755),
        ("bin/empty", tar::EntryType::Directory, 0o755),
        ("bin/link", tar::EntryType::Symlink, 0o777),
        ("bin/run.sh", tar::EntryType::Regular, 0o755),
        ("bin-data", tar::EntryType::Regular, 0o644),
        (&"long".repeat(50), tar::EntryType::Regular, 0o644),
        ("none", tar::EntryType::Regular, 0o644),
        ("program.yml", tar::EntryType::Regular, 0o644),
    ];
    assert_eq!(found, expected.map(|(path, kind, mode)| (path.to_owned(), kind, mode)));
}

#[test]
fn the_tar_of_a_directory_does_not_depend_on_when_and_where_it_was_written() {
    let ((one, first), (_other, second)) = (stick(), stick());
    assert!(first == second);
    let touched = File::open(one.path().join("none")).unwrap();
    touched.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(fetch(&at(one.path(), 0, Validator::default())).bytes() == first);
}

#[test]
fn the_tar_of_a_directory_goes_on_at_any_byte() {
    let (dir, tar) = stick();
    let head = fetch(&at(dir.path(), 0, Validator::default())).head.unwrap();
    assert_eq!((head.offset, head.size), (0, Some(tar.len() as u64)));
    let mut offsets: Vec<usize> = (0..tar.len()).step_by(509).collect();
    offsets.extend([1, 511, 512, 513, tar.len() - 1024, tar.len() - 1, tar.len()]);
    for offset in offsets {
        let got = fetch(&at(dir.path(), offset as u64, head.validator.clone()));
        assert!(got.bytes() == tar[offset..], "from {offset}: {:?}", got.end);
        let bytes = (tar.len() - offset) as u64;
        assert_eq!(
            (got.head.unwrap().offset, got.end),
            (offset as u64, Ok(Fetched { bytes }))
        );
    }
}

#[test]
fn a_directory_that_is_another_by_now_begins_anew() {
    for change in [
        |root: &Path| fs::write(root.join("new"), b"").unwrap(),
        |root: &Path| fs::remove_file(root.join("none")).unwrap(),
        |root: &Path| fs::write(root.join("none"), b"some").unwrap(),
        |root: &Path| fs::set_permissions(root.join("none"), fs::Permissions::from_mode(0o755)).unwrap(),
        |root: &Path| {
            fs::remove_file(root.join("bin/link")).unwrap();
            symlink("empty", root.join("bin/link")).unwrap();
        },
    ] {
        let (dir, _) = stick();
        let before = fetch(&at(dir.path(), 0, Validator::default())).head.unwrap().validator;
        change(dir.path());
        let got = fetch(&at(dir.path(), 512, before.clone()));
        let head = got.head.unwrap();
        assert!(head.offset == 0 && head.validator != before);
    }
}

#[test]
fn a_directory_that_changes_while_it_is_read_is_a_retryable_error() {
    let (dir, _) = stick();
    let path = dir.path().to_owned();
    let got = fetch_and(&at(&path, 0, Validator::default()), || {
        fs::write(path.join("program.yml"), b"entry: other\n").unwrap();
    });
    let error = got.error();
    assert!(
        error.retryable && error.message.contains("changed while it was read"),
        "{error}"
    );
}

#[test]
fn a_socket_in_a_directory_is_refused_by_name() {
    let (dir, _) = stick();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("bin/s")).unwrap();
    let error = fetch(&at(dir.path(), 0, Validator::default())).error();
    assert_eq!(error.code, Code::Invalid);
    assert!(
        error.message.contains("bin/s") && error.message.contains("socket"),
        "{error}"
    );
}

#[test]
fn a_wrong_url_is_refused() {
    let error = fetch(&Fetch {
        url: "file://nas/x".into(),
        ..Fetch::default()
    })
    .error();
    assert_eq!(error.code, Code::Invalid);
    assert!(error.message.contains("nas"), "{error}");
}

#[test]
fn a_reader_that_goes_away_ends_the_fetch() {
    let (_dir, path) = file(&patterned(4 * regular::PIECE));
    let host = Host::new();
    let client = Client(host.instance(aerolith_root(), "file", "{}").unwrap());
    let (sink, download) = channel(1);
    drop(download);
    let error = host
        .block_on(client.fetch(&at(&path, 0, Validator::default()), sink))
        .unwrap_err();
    assert_eq!(error.code, Code::Stopped);
}
