//! What `aerolith package` takes.

use std::path::PathBuf;

use aerolith_builder::{Format as Archive, Version};
use aerolith_model::{Md5, Name, Sha256, Signature, Unpack};
use clap::{Args, Subcommand};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;

#[derive(Debug, Subcommand)]
pub(crate) enum Package {
    /// Make a package: an archive for each platform, and the configuration to apply
    Build(Build),
    /// Show what is in an archive, or which objects a configuration has
    Inspect(Inspect),
    /// Check a package as a node does that installs it, and keep nothing
    Verify(Verify),
    /// Show which objects of a package are for a platform, and why
    Resolve(Resolve),
    /// Show in what two packages differ; exit code 1 if they do
    Diff(Diff),
    /// Make a key to sign packages with
    Keygen {
        /// File of the private key; the public one is put beside it as KEY.pub. Neither may be there yet
        key: PathBuf,
    },
    /// Sign files, for the nodes that trust the key
    Sign(Sign),
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
pub(crate) struct Build {
    /// Holds program.yml, or a folder for each platform such as linux-amd64, and `any` for what belongs to all
    pub(crate) folder: PathBuf,
    /// The package's name
    #[arg(long)]
    pub(crate) name: Name,
    /// Its version
    #[arg(long)]
    pub(crate) version: Option<Version>,
    /// Where the archives will lie [default: where they are made]
    #[arg(long, value_name = "BASE")]
    pub(crate) url: Option<String>,
    /// How the archives are written: zip or tar.zst
    #[arg(long, default_value = "zip", value_parser = archive)]
    pub(crate) format: Archive,
    /// Folder for the files
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Private key to sign the archives with, as `keygen` makes it
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<PathBuf>,
    /// Replace files with other content
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) node: Node,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Show every file with its mode
    #[arg(long)]
    pub(crate) files: bool,
    /// An archive, or a file in Aerolith's YAML or Baetyl's JSON
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// An archive as file or URL, or a configuration as file
    #[arg(value_name = "FILE|URL")]
    pub(crate) target: String,
    /// The SHA-256 that the archive must have
    #[arg(long, value_name = "DIGEST")]
    pub(crate) sha256: Option<Sha256>,
    /// The MD5 that the archive must have
    #[arg(long, value_name = "DIGEST")]
    pub(crate) md5: Option<Md5>,
    /// The bytes that the archive must have
    #[arg(long, value_name = "N")]
    pub(crate) size: Option<u64>,
    /// How the archive is unpacked: zip, tar, tgz, tar.zst or auto [default: auto]
    #[arg(long, value_name = "KIND", value_parser = unpack)]
    pub(crate) unpack: Option<Unpack>,
    /// The signature that the archive must have
    #[arg(long, value_name = "SIGNATURE")]
    pub(crate) signature: Option<Signature>,
    /// Folder of public keys, one of which must have signed every object [default: as the node's configuration says]
    #[arg(long, value_name = "DIR")]
    pub(crate) trust: Option<PathBuf>,
    /// A platform to verify a configuration for, once or more [default: this machine's]
    #[arg(long)]
    pub(crate) platform: Vec<String>,
    #[command(flatten)]
    pub(crate) node: Node,
}

#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// Such as linux/arm64/v8 [default: this machine's]
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// A file in Aerolith's YAML or Baetyl's JSON; `-` is standard input
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) node: Node,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// An archive or a folder
    pub(crate) one: PathBuf,
    /// Another
    pub(crate) other: PathBuf,
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

/// Whose rules and plugins are used.
#[derive(Debug, Args)]
pub(crate) struct Node {
    /// Configuration of the node whose plugins and limits count [default: as for `run`]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

fn archive(text: &str) -> Result<Archive, String> {
    match text {
        "zip" => Ok(Archive::Zip),
        "tar.zst" => Ok(Archive::TarZst),
        _ => Err("expected zip or tar.zst".into()),
    }
}

fn unpack(text: &str) -> Result<Unpack, serde::de::value::Error> {
    Unpack::deserialize(text.into_deserializer())
}
