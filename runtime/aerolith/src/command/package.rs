//! `aerolith package`: packages, for whoever makes and checks them.

mod build;
mod described;
mod diff;
mod gc;
mod inspect;
mod keygen;
mod list;
mod mistake;
mod opened;
mod resolve;
mod sign;
mod sound;
mod verify;

use std::path::PathBuf;

use crate::arguments::Run;
use crate::arguments::package::{Node, Package};
use crate::asking;
use crate::outcome::DONE;
use crate::scratch::end_with_signals;
use crate::screen::Screen;
use crate::settings::Settings;

/// Answers the exit code. Only what concerns the daemon's own store asks it.
pub(crate) fn package(package: Package, socket: Option<PathBuf>, screen: Screen) -> anyhow::Result<u8> {
    end_with_signals()?;
    match package {
        Package::Build(wanted) => build::build(wanted, screen)?,
        Package::Inspect(wanted) => inspect::inspect(&wanted, screen)?,
        Package::Verify(wanted) => verify::verify(&wanted, screen)?,
        Package::Resolve(wanted) => resolve::resolve(&wanted, screen)?,
        Package::Diff(wanted) => return diff::diff(&wanted, screen),
        Package::Keygen { key } => keygen::keygen(&key, screen)?,
        Package::Sign(wanted) => sign::sign(&wanted, screen)?,
        Package::List => asking(socket, async |client| list::list(client, screen).await)?,
        Package::Gc { dry_run } => asking(socket, async |client| gc::gc(client, dry_run, screen).await)?,
    }
    Ok(DONE)
}

/// The settings of the node whose rules and plugins count.
fn settings(node: &Node) -> anyhow::Result<Settings> {
    let run = Run {
        config: node.config.clone(),
        data: None,
    };
    Settings::read(run, None)
}
