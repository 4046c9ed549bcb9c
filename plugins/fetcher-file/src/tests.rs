use super::*;
use aerolith_plugin::Code;
use aerolith_plugin::testing::Host;
use aerolith_plugin::wire::fetcher::{Client, Head, Validator, channel};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
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
    let content = patterned(3 * source::PIECE + 17);
    let (_dir, path) = file(&content);
    let got = fetch(&at(&path, 0, Validator::default()));
    assert_eq!(got.bytes(), content);
    assert_eq!(
        got.end,
        Ok(Fetched {
            bytes: content.len() as u64
        })
    );
    assert!(got.pieces.iter().all(|piece| piece.len() <= source::PIECE));
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
const PIECES: u64 = 8 * source::PIECE as u64;

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
fn what_is_no_regular_file_is_refused_without_opening_it() {
    let (dir, _path) = file(b"x");
    for (path, found) in [(dir.path(), "a directory"), (Path::new("/dev/zero"), "a device")] {
        let error = fetch(&at(path, 0, Validator::default())).error();
        assert_eq!(error.code, Code::Invalid);
        assert!(
            error.message.contains(found) && error.message.contains("regular file"),
            "{error}"
        );
    }
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
    let (_dir, path) = file(&patterned(4 * source::PIECE));
    let host = Host::new();
    let client = Client(host.instance(aerolith_root(), "file", "{}").unwrap());
    let (sink, download) = channel(1);
    drop(download);
    let error = host
        .block_on(client.fetch(&at(&path, 0, Validator::default()), sink))
        .unwrap_err();
    assert_eq!(error.code, Code::Stopped);
}
