//! The packages: made here from a seed, the same on every machine.

use fastrand::Rng;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A zip to deploy.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    /// Its file in the folder that is served.
    pub(crate) file: &'static str,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) files: usize,
}

/// Bytes that do not shrink.
fn noise(random: &mut Rng, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    random.fill(&mut bytes);
    bytes
}

/// Writes the zips into a folder: large ones, or small ones of the same kind.
pub(crate) fn all(folder: &Path, large: bool) -> [Input; 3] {
    let mut random = Rng::with_seed(17);
    let (one, files, big) = if large {
        (105_000_000, 2_000, 15_000_000)
    } else {
        (1 << 20, 250, 1 << 20)
    };
    let stored = vec![("program".to_owned(), noise(&mut random, one))];
    let words: Vec<Vec<u8>> = (0..1024).map(|n| noise(&mut random, 4 + n % 10)).collect();
    let mut text = |size: usize| -> Vec<u8> {
        let picked = std::iter::repeat_with(|| random.choice(&words).unwrap().as_slice());
        picked.flatten().copied().take(size).collect()
    };
    let sizes = (0..files).map(|n| 1_000 + (n * 7919) % 58_000);
    let mut mixed: Vec<_> = sizes
        .enumerate()
        .map(|(n, size)| (format!("part{}/file{n}", n % 40), text(size)))
        .collect();
    mixed.push(("program".to_owned(), text(big)));
    let tiny = ["a", "b", "c"].map(|name| (name.to_owned(), text(1_500))).to_vec();
    [
        write(
            folder,
            "one large file, stored",
            "stored.zip",
            CompressionMethod::Stored,
            &stored,
        ),
        write(folder, "many files", "mixed.zip", CompressionMethod::Deflated, &mixed),
        write(
            folder,
            "three small files",
            "tiny.zip",
            CompressionMethod::Deflated,
            &tiny,
        ),
    ]
}

fn write(
    folder: &Path,
    name: &'static str,
    file: &'static str,
    method: CompressionMethod,
    entries: &[(String, Vec<u8>)],
) -> Input {
    let mut zip = ZipWriter::new(BufWriter::new(File::create(folder.join(file)).unwrap()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().flush().unwrap();
    let bytes = fs::read(folder.join(file)).unwrap();
    let unpacked: usize = entries.iter().map(|(_, bytes)| bytes.len()).sum();
    println!(
        "{name}: {} bytes, {unpacked} unpacked, {} files",
        bytes.len(),
        entries.len()
    );
    Input {
        name,
        file,
        bytes: bytes.len() as u64,
        sha256: hex(&Sha256::digest(bytes)),
        files: entries.len(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
