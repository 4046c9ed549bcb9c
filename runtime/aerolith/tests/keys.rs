//! Keys and signatures on the command line.

#![allow(clippy::unwrap_used, reason = "what helps a test may fail it")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use aerolith_model::{Sha256, Signature};
use aerolith_trust::{PublicKey, SigningKey};
use serde_json::Value;

/// Exit code, standard output, standard error.
fn run(folder: &Path, line: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aerolith"));
    let output = command
        .args(line.split(' '))
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_pair_of_keys_is_made_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (code, out, err) = run(folder.path(), "package keygen ours");
    assert!(
        code == 0 && out.contains("ours.pub") && out.contains("packages.trust"),
        "{out}{err}"
    );
    let mode = |name| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ours"), mode("ours.pub")), (0o600, 0o644));
    let (key, public) = (
        SigningKey::load(&path("ours")).unwrap(),
        PublicKey::load(&path("ours.pub")).unwrap(),
    );
    assert_eq!(key.public(), public);
    assert!(!out.contains(key.to_pem().unwrap().lines().nth(1).unwrap()), "{out}");
    for taken in ["ours", "ours.pub"] {
        let kept = fs::read(path(taken)).unwrap();
        let (code, _, err) = run(folder.path(), "package keygen ours");
        assert!(code == 2 && err.contains("no key is ever overwritten"), "{err}");
        assert_eq!(fs::read(path(taken)).unwrap(), kept);
        fs::remove_file(path("ours")).unwrap_or_default();
    }
    assert!(!path("ours").exists(), "no half of a pair is left");
}

#[test]
fn a_key_that_cannot_be_written_leaves_nothing_in_the_way_of_the_next_try() {
    let folder = tempfile::tempdir().unwrap();
    // As on a full disk: the file is made, and not a byte fits.
    let full = "trap '' XFSZ; ulimit -f 0; exec \"$0\" package keygen ours";
    let output = Command::new("sh")
        .args(["-c", full, env!("CARGO_BIN_EXE_aerolith")])
        .current_dir(&folder)
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && err.contains("ours: cannot be written"),
        "{err}"
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    assert_eq!(run(folder.path(), "package keygen ours").0, 0);
}

#[test]
fn every_file_is_signed_for_pasting_and_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let files = [("abc", "abc"), ("empty", "")];
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    assert_eq!(run(folder.path(), "package keygen ours").0, 0);
    let (code, out, err) = run(folder.path(), "package sign --key ours abc empty -o json");
    assert_eq!((code, err.as_str()), (0, ""));
    let signed: Vec<Value> = serde_json::from_str(&out).unwrap();
    let public = PublicKey::load(&folder.path().join("ours.pub")).unwrap();
    assert_eq!(signed.len(), files.len());
    // FIPS 180-2, appendix B.1.
    assert!(signed[0]["sha256"].as_str().unwrap().starts_with("ba7816bf8f01cfea"));
    let (_, text, _) = run(folder.path(), "package sign --key ours abc empty");
    for (signed, (name, _)) in signed.iter().zip(files) {
        let (sha256, signature) = (
            signed["sha256"].as_str().unwrap(),
            signed["signature"].as_str().unwrap(),
        );
        assert!(public.verifies(
            &sha256.parse::<Sha256>().unwrap(),
            &signature.parse::<Signature>().unwrap()
        ));
        let pasted = format!("# {name}\nsha256: {sha256}\nsignature: {signature}\n");
        assert!(text.contains(&pasted), "{text}");
    }
}

#[test]
fn what_cannot_sign_or_be_signed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), "package keygen ours").0, 0);
    fs::copy(folder.path().join("ours"), folder.path().join("open")).unwrap();
    fs::set_permissions(folder.path().join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    for (line, part) in [
        ("package sign --key open ours.pub", "`chmod 600`"),
        ("package sign --key ours absent", "absent"),
        ("package sign --key absent ours.pub", "absent: cannot be read"),
        ("package sign --key ours.pub ours", "not an Ed25519 private key"),
        ("package sign ours", "--key"),
        ("package sign --key ours", "<FILE>"),
    ] {
        let (code, out, err) = run(folder.path(), line);
        assert!(code == 2 && out.is_empty() && err.contains(part), "{line}: {err}");
    }
}
