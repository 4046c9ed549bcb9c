//! The real openssl: keys that it makes are ours, ours are its, and each accepts what the other signs.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "all of this is test code")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aerolith_model::{Sha256, Signature};
use aerolith_trust::{PublicKey, SigningKey, message};

/// A folder in which openssl works.
struct Desk(tempfile::TempDir);

impl Desk {
    /// None where there is no openssl, which is told.
    fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_ok() {
            return Some(Self(tempfile::tempdir().unwrap()));
        }
        eprintln!("SKIPPED: no openssl here, so that nothing is proven of its keys and signatures");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Whether it is satisfied.
    fn accepts(&self, line: &str) -> bool {
        let openssl = Command::new("openssl")
            .args(line.split(' '))
            .current_dir(&self.0)
            .output();
        openssl.unwrap().status.success()
    }

    fn openssl(&self, line: &str) {
        assert!(self.accepts(line), "openssl {line}");
    }
}

fn digest() -> Sha256 {
    Sha256::from([0xab; 32])
}

fn signature(path: &Path) -> Signature {
    <[u8; 64]>::try_from(fs::read(path).unwrap()).unwrap().into()
}

#[test]
fn a_key_of_openssl_signs_here_and_openssl_agrees() {
    let Some(desk) = Desk::new() else { return };
    desk.openssl("genpkey -algorithm ed25519 -out key.pem");
    desk.openssl("pkey -in key.pem -pubout -out key.pub");
    let key = SigningKey::load(&desk.path("key.pem")).unwrap();
    assert_eq!(key.public(), PublicKey::load(&desk.path("key.pub")).unwrap());
    assert_eq!(
        key.public().to_string(),
        fs::read_to_string(desk.path("key.pub")).unwrap()
    );
    desk.write("message", message(&digest()));
    desk.write("other", message(&Sha256::from([0; 32])));
    desk.write("signature", key.sign(&digest()).bytes());
    let verify = "pkeyutl -verify -pubin -inkey key.pub -rawin -sigfile signature -in";
    assert!(desk.accepts(&format!("{verify} message")));
    assert!(!desk.accepts(&format!("{verify} other")));
}

#[test]
fn openssl_signs_with_a_key_made_here_and_we_agree() {
    let Some(desk) = Desk::new() else { return };
    let key = SigningKey::generate().unwrap();
    desk.write("key.pem", key.to_pem().unwrap().as_bytes());
    desk.openssl("pkey -in key.pem -pubout -out key.pub");
    assert_eq!(
        fs::read_to_string(desk.path("key.pub")).unwrap(),
        key.public().to_string()
    );
    desk.write("message", message(&digest()));
    desk.openssl("pkeyutl -sign -inkey key.pem -rawin -in message -out signature");
    let signature = signature(&desk.path("signature"));
    assert_eq!(signature, key.sign(&digest()));
    assert!(key.public().verifies(&digest(), &signature));
    assert!(!key.public().verifies(&Sha256::from([0; 32]), &signature));
}

#[test]
fn keys_of_other_kinds_and_encrypted_ones_are_refused_with_the_reason() {
    let Some(desk) = Desk::new() else { return };
    desk.openssl("genpkey -algorithm ed25519 -aes256 -pass pass:hush -out encrypted.pem");
    desk.openssl("genpkey -algorithm ed25519 -out key.pem");
    desk.openssl("genpkey -algorithm x25519 -out x25519.pem");
    desk.openssl("genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out ec.pem");
    desk.openssl("pkey -in key.pem -pubout -out key.pub");
    desk.openssl("pkey -in ec.pem -pubout -out ec.pub");
    for (name, part) in [
        ("encrypted.pem", "it is encrypted"),
        ("x25519.pem", "1.3.101.110"),
        ("ec.pem", "1.2.840.10045.2.1"),
        ("key.pub", "it holds a `PUBLIC KEY` where a `PRIVATE KEY` is expected"),
        ("absent.pem", "cannot be read"),
    ] {
        let message = SigningKey::load(&desk.path(name)).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(part), "{message}");
    }
    for (name, part) in [("key.pem", "`PRIVATE KEY`"), ("ec.pub", "1.2.840.10045.2.1")] {
        let message = PublicKey::load(&desk.path(name)).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(part), "{message}");
    }
}

#[test]
fn a_key_with_the_line_ends_of_windows_is_the_same_key() {
    let key = SigningKey::generate().unwrap();
    let windows = |pem: &str| pem.replace('\n', "\r\n");
    let read = SigningKey::from_pem(&windows(&key.to_pem().unwrap())).unwrap();
    assert_eq!(read.public(), key.public());
    assert_eq!(
        PublicKey::from_pem(&windows(&key.public().to_string())).unwrap(),
        key.public()
    );
}
