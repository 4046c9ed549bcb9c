//! What `aerolith package` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Package {
    /// Show what is in an archive, without a daemon
    Inspect(Inspect),
    /// Show what lies in the daemon's package store, and who uses it
    List,
    /// Remove what nothing needs from the daemon's package store
    Gc {
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Show every file with its mode
    #[arg(long)]
    pub(crate) files: bool,
    /// The archive
    pub(crate) file: PathBuf,
}
