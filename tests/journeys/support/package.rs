//! Archives of program packages.

use md5::Digest as _;
use std::io::{Cursor, Write as _};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A zip of files; a script is executable as its first bytes say.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let executable = bytes.starts_with(b"#!") || bytes.starts_with(b"\x7fELF");
        let mode = if executable { 0o755 } else { 0o644 };
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(mode))
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The zip of a shell script and the file that names it as the program.
pub(crate) fn script(body: &str) -> Vec<u8> {
    let script = format!("#!/bin/sh\n{body}\n");
    zip(&[("program.yml", b"entry: run.sh\n"), ("run.sh", script.as_bytes())])
}

pub(crate) fn md5(bytes: &[u8]) -> String {
    md5::Md5::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The machine as keys of packages name it.
pub(crate) fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "linux-amd64",
        "aarch64" => "linux-arm64-v8",
        other => other,
    }
}
