//! `aerolith package keygen`: a pair of keys.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aerolith_trust::SigningKey;
use anyhow::Context as _;
use serde_json::json;

use crate::outcome::Wrong;
use crate::screen::Screen;

/// Makes a pair of keys and writes both, overwriting nothing.
pub(super) fn keygen(path: &Path, screen: Screen) -> anyhow::Result<()> {
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    let public = PathBuf::from(public);
    let key = SigningKey::generate()?;
    write(path, 0o600, &key.to_pem()?)?;
    write(&public, 0o644, &key.public().to_string()).map_err(|error| without(path, error))?;
    screen.tell(&json!({ "key": path, "publicKey": public }), || {
        format!(
            "{}: the private key; keep it secret\n{}: the public key; put it into the folder `packages.trust` of a node\n",
            path.display(),
            public.display()
        )
    })
}

/// Writes a file that is not there yet, or leaves none.
fn write(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let created = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = match created {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("{}: is there already, and no key is ever overwritten", path.display());
            return Err(Wrong::new(message).into());
        }
        created => created.with_context(|| format!("{}: cannot be written", path.display()))?,
    };
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let written = written.with_context(|| format!("{}: cannot be written", path.display()));
    written.map_err(|error| without(path, error))
}

/// The error, with the file removed that is of no use now: half a key or half a pair, in the way of the next try.
fn without(path: &Path, error: anyhow::Error) -> anyhow::Error {
    match fs::remove_file(path) {
        Ok(()) => error,
        Err(stays) => error.context(format!("{}: cannot be removed: {stays}", path.display())),
    }
}
