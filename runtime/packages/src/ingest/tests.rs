use std::fs;

use super::*;
use crate::sandbox::{Sandbox, download, mode, names};
use crate::{Expected, Limits};

const MD5_ABC: &str = "900150983cd24fb0d6963f7d28e17f72";

fn take(sandbox: &Sandbox, expected: Expected, bytes: &[u8]) -> Result<Blob, StoreError> {
    let mut ingest = sandbox.store().ingest(download("f", expected))?;
    bytes.chunks(2).try_for_each(|piece| ingest.write(piece))?;
    ingest.finish()
}

fn of_size(size: u64) -> Download {
    let expected = Expected {
        size: Some(size),
        ..Expected::default()
    };
    download("f", expected)
}

fn assert_empty(sandbox: &Sandbox) {
    assert!(names(&sandbox.root().join("ingest")).is_empty());
    assert!(names(&sandbox.root().join("blobs/sha256")).is_empty());
}

#[test]
fn what_holds_in_everything_is_stored_read_only_under_its_digest() {
    let sandbox = Sandbox::new();
    let expected = Expected {
        sha256: Some(Digest::of(b"abc")),
        md5: Some(MD5_ABC.parse().unwrap()),
        size: Some(3),
    };
    let blob = take(&sandbox, expected, b"abc").unwrap();
    assert_eq!((blob.size(), blob.digest()), (3, &Digest::of(b"abc")));
    assert_eq!(fs::read(blob.path()).unwrap(), b"abc");
    assert_eq!(mode(blob.path()), 0o444);
    assert_eq!(
        blob.path(),
        sandbox.root().join("blobs/sha256").join(Digest::of(b"abc").to_string())
    );
    assert!(names(&sandbox.root().join("ingest")).is_empty());
}

#[test]
fn without_any_digest_the_computed_one_is_answered() {
    let sandbox = Sandbox::new();
    let blob = take(&sandbox, Expected::default(), b"").unwrap();
    assert_eq!(blob.digest(), &Digest::of(b""));
}

#[test]
fn a_wrong_sha256_is_refused_even_with_the_right_md5() {
    let sandbox = Sandbox::new();
    let wrong = Digest::of(b"abd");
    let expected = Expected {
        sha256: Some(wrong),
        md5: Some(MD5_ABC.parse().unwrap()),
        size: None,
    };
    let error = take(&sandbox, expected, b"abc").unwrap_err().to_string();
    for needed in ["sha256", &wrong.to_string(), &Digest::of(b"abc").to_string(), "\"abc\""] {
        assert!(error.contains(needed), "{error}");
    }
    assert_empty(&sandbox);
}

#[test]
fn a_wrong_md5_is_refused_even_with_the_right_sha256() {
    let sandbox = Sandbox::new();
    let md5 = Some(MD5_ABC.replace('9', "8").parse().unwrap());
    let expected = Expected {
        sha256: Some(Digest::of(b"abc")),
        md5,
        size: None,
    };
    let error = take(&sandbox, expected, b"abc").unwrap_err();
    assert!(matches!(error, StoreError::Mismatch { what: "md5", .. }), "{error}");
    assert_empty(&sandbox);
}

#[test]
fn a_login_page_shows_itself_in_the_message_escaped_and_cut() {
    let sandbox = Sandbox::new();
    let page = format!("<html>\n\u{1b}{}", "x".repeat(100));
    let expected = Expected {
        sha256: Some(Digest::of(b"")),
        ..Expected::default()
    };
    let error = take(&sandbox, expected, page.as_bytes()).unwrap_err().to_string();
    assert!(
        error.contains(r"<html>\n\x1bxxx") && !error.contains(&"x".repeat(57)),
        "{error}"
    );
}

#[test]
fn a_body_beyond_its_declared_size_is_cut_at_once() {
    let sandbox = Sandbox::new();
    let mut ingest = sandbox.store().ingest(of_size(3)).unwrap();
    ingest.write(b"abc").unwrap();
    let error = ingest.write(b"d").unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { allowed: 3, .. }), "{error}");
    assert_eq!((ingest.offset(), fs::metadata(&ingest.path).unwrap().len()), (3, 3));
    let error = ingest.finish().unwrap_err();
    assert!(
        matches!(error, StoreError::Incomplete { size: 3 }),
        "what was refused cannot be finished: {error}"
    );
    assert_empty(&sandbox);
}

#[test]
fn a_download_with_a_piece_refused_stays_refused_though_a_later_piece_fits() {
    let sandbox = Sandbox::new();
    let mut ingest = sandbox.store().ingest(of_size(5)).unwrap();
    ingest.write(b"abc").unwrap();
    ingest.write(b"too long").unwrap_err();
    ingest.write(b"de").unwrap();
    assert!(matches!(
        ingest.finish().unwrap_err(),
        StoreError::Incomplete { size: 5 }
    ));
    assert_empty(&sandbox);
}

#[test]
fn a_body_short_of_its_declared_size_is_refused() {
    let sandbox = Sandbox::new();
    let error = take(
        &sandbox,
        Expected {
            size: Some(4),
            ..Expected::default()
        },
        b"abc",
    )
    .unwrap_err();
    assert!(matches!(error, StoreError::Mismatch { what: "size", .. }), "{error}");
    assert_empty(&sandbox);
}

#[test]
fn the_stores_limit_holds_for_declared_and_for_endless_bodies() {
    let sandbox = Sandbox::with(Limits {
        max_download: 3,
        ..Limits::default()
    });
    let error = take(&sandbox, Expected::default(), b"abcd").unwrap_err();
    assert!(error.to_string().contains("the store's limit"), "{error}");
    let declared = Expected {
        size: Some(4),
        ..Expected::default()
    };
    let error = sandbox.store().ingest(download("f", declared)).unwrap_err();
    assert!(
        matches!(error, StoreError::DeclaredTooLarge { declared: 4, limit: 3 }),
        "{error}"
    );
    take(&sandbox, Expected::default(), b"abc").unwrap();
}

#[test]
fn dropping_an_unfinished_download_leaves_nothing() {
    let sandbox = Sandbox::new();
    let mut ingest = sandbox.store().ingest(Download::default()).unwrap();
    ingest.write(b"half").unwrap();
    drop(ingest);
    assert_empty(&sandbox);
}

#[test]
fn taking_the_same_bytes_again_mends_a_rotten_blob() {
    let sandbox = Sandbox::new();
    let blob = sandbox.blob(b"abc");
    sandbox.overwrite(blob.path(), b"abx");
    assert_eq!(
        take(&sandbox, Expected::default(), b"abc").unwrap().digest(),
        blob.digest()
    );
    assert_eq!(fs::read(blob.path()).unwrap(), b"abc");
}

/// A download that can go on, with its place's tag.
fn tagged(sandbox: &Sandbox, tag: &str, size: Option<u64>) -> (Ingest, Result<(), StoreError>) {
    let mut ingest = sandbox.store().ingest(download("f", Expected::default())).unwrap();
    let announced = ingest.announce(validator(tag), size);
    (ingest, announced)
}

fn validator(tag: &str) -> Validator {
    Validator {
        etag: Some(tag.into()),
        last_modified: None,
    }
}

#[test]
fn a_second_download_under_one_key_is_refused_while_the_first_lives() {
    let sandbox = Sandbox::new();
    let first = sandbox.store().ingest(of_size(3)).unwrap();
    let error = sandbox.store().ingest(of_size(3)).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    assert!(error.to_string().contains("http://h/f"), "{error}");
    sandbox.store().ingest(download("g", Expected::default())).unwrap();
    drop(first);
    sandbox.store().ingest(of_size(3)).unwrap();
}

#[test]
fn a_place_that_has_other_bytes_than_the_part_is_noticed_and_its_bytes_begin_anew() {
    for (tag, size) in [("other", Some(6)), ("one", Some(7))] {
        let sandbox = Sandbox::new();
        let (mut ingest, announced) = tagged(&sandbox, "one", Some(6));
        announced.unwrap();
        ingest.write(b"abc").unwrap();
        drop(ingest);
        let (mut ingest, announced) = tagged(&sandbox, tag, size);
        let error = announced.unwrap_err();
        assert!(matches!(error, StoreError::Changed { taken: 3 }), "{error}");
        ingest.restart().unwrap();
        assert_eq!((ingest.offset(), ingest.missing()), (0, None));
        assert!(ingest.validator().is_empty());
        ingest.announce(validator(tag), size).unwrap();
        assert_eq!(ingest.missing(), size);
        let bytes = &b"new bytes"[..usize::try_from(size.unwrap()).unwrap()];
        ingest.write(bytes).unwrap();
        assert_eq!(ingest.finish().unwrap().digest(), &Digest::of(bytes));
        assert!(names(&sandbox.root().join("ingest")).is_empty());
    }
}

#[test]
fn a_part_that_its_place_disowned_is_not_gone_on_with_by_a_later_download() {
    let sandbox = Sandbox::new();
    let (mut ingest, _) = tagged(&sandbox, "one", None);
    ingest.write(b"abc").unwrap();
    drop(ingest);
    let (ingest, announced) = tagged(&sandbox, "other", None);
    announced.unwrap_err();
    assert!(matches!(ingest.finish(), Err(StoreError::Incomplete { .. })));
    assert_empty(&sandbox);
    assert_eq!(tagged(&sandbox, "one", None).0.offset(), 0);
}

#[test]
fn an_announced_size_must_be_the_declared_one_and_within_the_limit() {
    let sandbox = Sandbox::with(Limits {
        max_download: 9,
        ..Limits::default()
    });
    let mut ingest = sandbox.store().ingest(of_size(3)).unwrap();
    let error = ingest.announce(Validator::default(), Some(4)).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::OtherSize {
                announced: 4,
                declared: 3
            }
        ),
        "{error}"
    );
    drop(ingest);
    let (_, announced) = tagged(&sandbox, "one", Some(10));
    let error = announced.unwrap_err();
    assert!(
        matches!(error, StoreError::DeclaredTooLarge { declared: 10, limit: 9 }),
        "{error}"
    );
}

#[test]
fn bytes_beyond_the_announced_size_are_refused() {
    let sandbox = Sandbox::new();
    let (mut ingest, announced) = tagged(&sandbox, "one", Some(3));
    announced.unwrap();
    let error = ingest.write(b"abcd").unwrap_err();
    assert!(error.to_string().contains("the announced size"), "{error}");
}

#[test]
fn a_download_restarted_forgets_what_was_noted_of_it() {
    let sandbox = Sandbox::new();
    let (mut ingest, _) = tagged(&sandbox, "one", None);
    ingest.write(b"abc").unwrap();
    drop(ingest);
    let (mut ingest, _) = tagged(&sandbox, "one", None);
    assert_eq!(ingest.offset(), 3);
    ingest.restart().unwrap();
    drop(ingest);
    assert_empty(&sandbox);
}

#[test]
fn a_download_given_up_is_gone_though_it_could_go_on() {
    let sandbox = Sandbox::new();
    let (mut ingest, _) = tagged(&sandbox, "one", None);
    ingest.write(b"abc").unwrap();
    drop(ingest);
    tagged(&sandbox, "one", None).0.discard();
    assert_empty(&sandbox);
    assert_eq!(tagged(&sandbox, "one", None).0.offset(), 0);
}
