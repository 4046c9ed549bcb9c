//! Bombs, each in a process of its own, so that its memory and what it writes can be measured.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;

use aerolith_packages::{Content, Download, Limits, Part, Rule, Store, Unpack};
use flate2::{Compress, Compression, FlushCompress};

use crate::raw_tar::{file, gzip, tar, zstd};
use crate::raw_zip::{Entry, FILE, entry, zip, zip_with};

/// Where a child finds the archive.
const ARCHIVE: &str = "AEROLITH_BOMB";
/// Bytes that a tree may have here.
const LIMIT: u64 = 48 << 20;
/// The most memory that one may take, in kB.
const MOST_MEMORY: u64 = 64 << 10;

/// A deflate stream of so many MiB of zeros, made of one piece that is good to repeat.
fn zeros(mib: usize) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::best(), false);
    let (zeros, mut piece) = (vec![0; 1 << 20], Vec::with_capacity(1 << 16));
    deflate.compress_vec(&zeros, &mut piece, FlushCompress::Full).unwrap();
    let mut stream = piece.repeat(mib);
    // An empty last block of fixed codes.
    stream.extend([3, 0]);
    stream
}

/// An entry of zeros that says to have `declared` bytes.
fn flat(name: &str, mib: usize, declared: u32) -> Entry {
    let data = zeros(mib);
    let packed = data.len() as u32;
    Entry {
        data,
        ..entry(name, "", FILE)
    }
    .both(|h| (h.method, h.packed, h.size) = (8, packed, declared))
}

/// A gzip file of a tar's head and then zeros.
fn gzipped(head: &[u8], mib: usize) -> Vec<u8> {
    // The head stands in a member of its own; the zeros follow in a second one.
    [&gzip(head)[..], b"\x1f\x8b\x08\0\0\0\0\0\0\x03", &zeros(mib), &[0; 8]].concat()
}

/// Unpacks the archive, which must be refused, in a process of its own; answers the rule as text.
fn explode(name: &str, archive: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, archive).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "bombs::in_a_child", "--nocapture", "--test-threads=1"])
        .env(ARCHIVE, &path);
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{name}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = |what: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(what));
        line.unwrap_or_else(|| panic!("{name} says no {what}: {text}"))
            .trim()
            .to_owned()
    };
    let (memory, written): (u64, u64) = (said("memory:").parse().unwrap(), said("written:").parse().unwrap());
    assert!(memory <= MOST_MEMORY, "{name}: {memory} kB");
    assert!(written <= LIMIT + LIMIT / 100, "{name}: {written} bytes written");
    said("rule:")
}

/// What a child does: takes the archive in and unpacks it.
#[test]
fn in_a_child() {
    let Some(path) = std::env::var_os(ARCHIVE) else { return };
    let path = Path::new(&path);
    let root = path.with_file_name("store");
    let limits = Limits {
        max_unpacked_total: LIMIT,
        ..Limits::default()
    };
    let store = Store::open(&root, limits).unwrap();
    let mut ingest = store.ingest(Download::default()).unwrap();
    let (mut archive, mut chunk) = (File::open(path).unwrap(), vec![0; 1 << 16]);
    loop {
        match archive.read(&mut chunk).unwrap() {
            0 => break,
            read => ingest.write(&chunk[..read]).unwrap(),
        }
    }
    let part = Part {
        name: "pkg".into(),
        content: Content::Object {
            blob: ingest.finish().unwrap(),
            unpack: Unpack::Auto,
            file_name: "object".into(),
        },
    };
    let before = proc("/proc/self/io", "wchar:");
    let error = store.stage(&[part]).unwrap_err();
    println!("\nwritten: {}", proc("/proc/self/io", "wchar:") - before);
    println!("memory: {}", proc("/proc/self/status", "VmHWM:"));
    println!("rule: {:?}", error.rule().unwrap());
    assert_eq!(fs::read_dir(root.join("trees")).unwrap().count(), 0);
}

/// A figure of a file in /proc.
fn proc(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    value.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_flat_bomb_is_refused_by_what_it_says_of_itself() {
    let rule = explode("flat.zip", &zip(&[flat("zeros", 3 << 10, 3 << 30)]));
    assert_eq!(rule, format!("{:?}", Rule::TreeTooLarge { limit: LIMIT }));
    let head = file("zeros", "").say(124, b"40000000000\0");
    let rule = explode("flat.tgz", &gzipped(&head.header, 4 << 10));
    assert_eq!(rule, format!("{:?}", Rule::TreeTooLarge { limit: LIMIT }));
}

#[test]
fn a_bomb_that_lies_about_itself_is_cut_at_what_it_said() {
    let rule = explode("lying.zip", &zip(&[flat("zeros", 4 << 10, 1000)]));
    assert!(rule.starts_with("LyingSize { declared: 1000"), "{rule}");
    let many: Vec<_> = (0..80).map(|n| file(&format!("f{n}"), vec![0; 1 << 20])).collect();
    assert_eq!(
        explode("many.tgz", &gzip(&tar(&many))),
        format!("{:?}", Rule::TreeTooLarge { limit: LIMIT })
    );
    let rule = explode("many.tzst", &zstd(&tar(&many), 23));
    assert_eq!(rule, format!("{:?}", Rule::TreeTooLarge { limit: LIMIT }));
    let rule = explode("zeros behind.tgz", &gzipped(&tar(&[file("f", "")]), 512));
    assert!(rule.starts_with("HeadersTooLarge"), "{rule}");
}

#[test]
fn bombs_that_use_bytes_twice_are_refused_before_any_is_unpacked() {
    let kernel = flat("0", 16, 16 << 20);
    let again = |n: usize| {
        kernel
            .clone()
            .unwritten(0)
            .both(|h| h.name = n.to_string().into_bytes())
    };
    let full: Vec<_> = [kernel.clone()].into_iter().chain((1..500).map(again)).collect();
    let rule = explode("overlap.zip", &zip(&full));
    assert!(rule.starts_with("Conflict") && rule.contains("name"), "{rule}");
    // Each entry's content begins with the headers of all that follow, in stored blocks, as in the bomb of 2019.
    let inner = kernel.local_bytes();
    let quoting = [&[0, inner.len() as u8, 0, !(inner.len() as u8), 0xff][..], &inner].concat();
    let outer = Entry {
        data: quoting.clone(),
        ..entry("outer", "", FILE)
    };
    let outer = outer.both(|h| (h.method, h.packed, h.size) = (8, quoting.len() as u32, 16 << 20));
    let at = outer.local_bytes().len() - inner.len();
    let rule = explode("quoted.zip", &zip(&[outer, kernel.unwritten(at as u32)]));
    assert!(rule.starts_with("Overlap"), "{rule}");
}

#[test]
fn a_million_files_are_refused_before_the_first_is_read() {
    // One entry, its name counted up in both headers, and its place in the directory's.
    let one = entry("00000000", "", FILE);
    let (mut local, mut central) = (one.local_bytes(), one.central_bytes(0));
    let (mut locals, mut directory) = (Vec::new(), Vec::new());
    for n in 0..1_000_000_u32 {
        let name: [u8; 8] = std::array::from_fn(|digit| b'a' + (n >> (4 * digit) & 15) as u8);
        local[30..38].copy_from_slice(&name);
        central[46..54].copy_from_slice(&name);
        central[42..46].copy_from_slice(&(locals.len() as u32).to_le_bytes());
        locals.extend_from_slice(&local);
        directory.extend_from_slice(&central);
    }
    let (size, offset) = (directory.len() as u64, locals.len() as u64);
    // The builder's own zip of nothing brings the two ends.
    let ends = zip_with(b"", &[], |end| {
        end.wide = Some([1_000_000, size, offset]);
        end.locator = Some(offset + size);
        (end.count, end.here, end.size, end.offset) = (0xffff, 0xffff, u32::MAX, u32::MAX);
    });
    let rule = explode("million.zip", &[locals, directory, ends].concat());
    assert_eq!(rule, format!("{:?}", Rule::TooManyEntries { limit: 200_000 }));
}

#[test]
fn an_archive_in_an_archive_is_a_file_like_any_other() {
    let shelf = crate::shelf::Shelf::new(Limits::default());
    let inner = zip(&[flat("zeros", 1 << 10, 1 << 30)]);
    let staged = shelf
        .stage(&zip(&[entry("inner.zip", &inner, FILE)]), Unpack::Auto)
        .unwrap();
    assert_eq!(fs::read(staged.path().join("inner.zip")).unwrap(), inner);
}
