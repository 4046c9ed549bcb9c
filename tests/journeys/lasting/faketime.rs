//! Another wall clock for the daemon alone, by Debian's libfaketime. What measures durations goes on as it does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library, in the form for programs with threads; nothing where it is not installed, which is said.
pub(super) fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut paths = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let found = paths.find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: libfaketime is not installed, so no clock jumps");
    }
    found
}

/// Lets a daemon take its wall clock from a file, which is read again at each look.
pub(super) fn follow(daemon: &mut Command, library: &Path, file: &Path) {
    daemon
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", file)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
}

/// Sets the clock, as libfaketime writes it: `@1970-01-01 00:01:00`, `-1d`, `+10y`.
pub(super) fn set(file: &Path, text: &str) {
    // Whoever reads it must never see a part of it.
    let staged = file.with_extension("new");
    fs::write(&staged, format!("{text}\n")).unwrap();
    fs::rename(&staged, file).unwrap();
}
