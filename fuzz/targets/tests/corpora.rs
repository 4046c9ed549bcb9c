//! Everything that the fuzzer was given or has found, run again on every machine.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fuzz_targets::TARGETS;

fn corpora() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

#[test]
fn every_target_holds_for_all_of_its_corpus() {
    for (name, target) in TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpora().join(name)).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has no corpus");
    }
}

#[test]
fn every_corpus_and_every_binary_has_its_target() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(corpora().join(folder)).unwrap();
        let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries.map(|entry| stem(&entry.unwrap().path())).collect()
    };
    assert_eq!(names("."), targets);
    assert_eq!(names("../fuzz_targets"), targets);
}
