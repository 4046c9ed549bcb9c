//! Why a key cannot be used, and why a signature counts for nothing.

use std::io;
use std::path::PathBuf;

use aerolith_model::Sha256;

/// Text that is not the key that is wanted. What it holds instead is told in kind, never in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {wanted}: {reason}")]
pub struct InvalidKey {
    /// What it should be.
    pub wanted: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file or folder cannot be read.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{path}: {error}")]
    Invalid {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        error: InvalidKey,
    },
    /// Others could put keys of their own there.
    #[error("{path}: {why}, so that others could say whom this node trusts: {remedy}")]
    Unsafe {
        /// The folder of trusted keys, or a file in it.
        path: PathBuf,
        /// By whom or how it can be changed.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A signature would not say whose it is.
    #[error("{path}: another key is called `{name}`: give each key a name of its own")]
    Twice {
        /// The file of one of them.
        path: PathBuf,
        /// What both are called.
        name: String,
    },
    /// Others than its owner may use a private key.
    #[error("{path}: it has mode {mode:04o}, so that others than its owner can sign with this key: `chmod 600` it")]
    Exposed {
        /// Of the private key.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The operating system gave no randomness.
    #[error("no key can be made: the system gives no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// A signature that no trusted key made of this digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no trusted key made its signature of sha256 {sha256}: {}", listed(.trusted))]
pub struct Untrusted {
    /// Of what it should be.
    pub sha256: Sha256,
    /// Names of the keys that are trusted.
    pub trusted: Vec<String>,
}

fn listed(trusted: &[String]) -> String {
    if trusted.is_empty() {
        return "no key is trusted".into();
    }
    let names: Vec<String> = trusted.iter().map(|name| format!("`{name}`")).collect();
    format!("trusted are {}", names.join(", "))
}
