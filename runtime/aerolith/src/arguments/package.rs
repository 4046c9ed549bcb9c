//! What `aerolith package` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Package {
    /// Show what is in an archive, without a daemon
    Inspect(Inspect),
    /// Make a key to sign packages with
    Keygen {
        /// File of the private key; the public one is put beside it as KEY.pub. Neither may be there yet
        key: PathBuf,
    },
    /// Sign files, for the nodes that trust the key
    Sign(Sign),
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Show every file with its mode
    #[arg(long)]
    pub(crate) files: bool,
    /// The archive
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The private key, as `keygen` or `openssl genpkey -algorithm ed25519` writes it
    #[arg(long, value_name = "KEY")]
    pub(crate) key: PathBuf,
    /// The files of objects, such as archives
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}
