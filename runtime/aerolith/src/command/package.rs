//! `aerolith package`: packages, for whoever makes and checks them.

mod gc;
mod inspect;
mod list;
mod opened;

use std::path::PathBuf;

use crate::arguments::package::Package;
use crate::asking;
use crate::outcome::DONE;
use crate::screen::Screen;

/// Answers the exit code. Only what concerns the daemon's own store asks it.
pub(crate) fn package(package: Package, socket: Option<PathBuf>, screen: Screen) -> anyhow::Result<u8> {
    match package {
        Package::Inspect(wanted) => inspect::inspect(&wanted, screen)?,
        Package::List => asking(socket, async |client| list::list(client, screen).await)?,
        Package::Gc { dry_run } => asking(socket, async |client| gc::gc(client, dry_run, screen).await)?,
    }
    Ok(DONE)
}
