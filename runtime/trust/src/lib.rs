//! Who vouches for what: Ed25519 keys (RFC 8032), detached signatures of digests, and the keys that a node trusts.
//!
//! A signature is made of a SHA-256, never of bytes, so that a large file is signed and checked without reading it twice.
//! What is signed is [`message`], which names what kind of thing the digest is of: a signature of a package is none of
//! anything else.
//!
//! This room may **not** know packages, objects, plugins, networks or configurations. All it reads are key files and the
//! folder of trusted keys; it writes nothing.

mod error;
mod pem;
mod public;
mod signing;
mod trusted;

#[cfg(test)]
mod vectors;

pub use error::{InvalidKey, KeyError, Untrusted};
pub use public::PublicKey;
pub use signing::SigningKey;
pub use trusted::TrustedKeys;

use aerolith_model::Sha256;

/// The bytes that are signed for a package's object with this digest.
#[must_use]
pub fn message(sha256: &Sha256) -> Vec<u8> {
    format!("aerolith package 1\n{sha256}\n").into_bytes()
}
