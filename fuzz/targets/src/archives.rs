use std::cell::RefCell;
use std::fs;
use std::path::Path;

use aerolith_packages::{Content, Download, Limits, Part, Store, Unpack};
use tempfile::TempDir;

/// A zip: refused, or a tree within the limits; nothing is left.
pub(crate) fn zip(data: &[u8]) {
    SHELF.with_borrow(|shelf| shelf.holds(data, Unpack::Zip));
}

/// A tar, the sums of its headers mended, so that what they say is reached: refused, or a tree within the limits;
/// nothing is left.
pub(crate) fn tar(data: &[u8]) {
    let mut data = data.to_vec();
    for block in data.chunks_exact_mut(512) {
        if block[257..262] == *b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    SHELF.with_borrow(|shelf| shelf.holds(&data, Unpack::Tar));
}

const MOST_BYTES: u64 = 1 << 16;
const MOST_ENTRIES: u64 = 64;

thread_local! {
    static SHELF: RefCell<Shelf> = RefCell::new(Shelf::new());
}

/// A store in a folder of its own.
struct Shelf {
    dir: TempDir,
    store: Store,
}

impl Shelf {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let limits = Limits {
            max_unpacked_total: MOST_BYTES,
            max_entries: MOST_ENTRIES,
            ..Limits::default()
        };
        let store = Store::open(dir.path(), limits).expect("a store");
        Shelf { dir, store }
    }

    fn holds(&self, data: &[u8], unpack: Unpack) {
        let mut ingest = self.store.ingest(Download::default()).expect("an ingest");
        ingest.write(data).expect("bytes taken in");
        let blob = ingest.finish().expect("a blob");
        let place = blob.path().to_owned();
        let part = Part {
            name: "pkg".into(),
            content: Content::Object {
                blob,
                unpack,
                file_name: "object".into(),
            },
        };
        match self.store.stage(&[part]) {
            Ok(staged) => {
                let (mut entries, mut bytes) = (0, 0);
                count(staged.path(), &mut entries, &mut bytes);
                assert!(
                    entries <= MOST_ENTRIES && bytes <= MOST_BYTES,
                    "{entries} entries, {bytes} bytes"
                );
            }
            Err(error) => assert!(error.rule().is_some(), "{error}"),
        }
        let left = fs::read_dir(self.dir.path().join("trees")).expect("the trees").count();
        assert_eq!(left, 0, "something is left");
        fs::remove_file(place).expect("the blob");
    }
}

/// Counts what lies below a folder. Follows no link, and no link leads out.
fn count(dir: &Path, entries: &mut u64, bytes: &mut u64) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let meta = fs::symlink_metadata(&path).expect("an entry");
        *entries += 1;
        if meta.is_dir() {
            count(&path, entries, bytes);
        } else if meta.is_file() {
            *bytes += meta.len();
        } else {
            let target = fs::read_link(&path).expect("a link");
            assert!(target.is_relative(), "{target:?}");
        }
    }
}
