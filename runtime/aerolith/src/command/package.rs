//! `aerolith package`: packages, for whoever makes and checks them.

mod build;
mod described;
mod diff;
mod inspect;
mod keygen;
mod opened;
mod resolve;
mod sign;
mod sound;
mod verify;

use crate::arguments::Run;
use crate::arguments::package::{Node, Package};
use crate::daemon::settings::Settings;
use crate::outcome::DONE;
use crate::screen::Screen;

/// Does what needs no daemon; answers the exit code.
pub(crate) fn package(package: Package, screen: Screen) -> anyhow::Result<u8> {
    match package {
        Package::Build(wanted) => build::build(wanted, screen).map(|()| DONE),
        Package::Inspect(wanted) => inspect::inspect(&wanted, screen).map(|()| DONE),
        Package::Verify(wanted) => verify::verify(&wanted, screen).map(|()| DONE),
        Package::Resolve(wanted) => resolve::resolve(&wanted, screen).map(|()| DONE),
        Package::Diff(wanted) => diff::diff(&wanted, screen),
        Package::Keygen { key } => keygen::keygen(&key, screen).map(|()| DONE),
        Package::Sign(wanted) => sign::sign(&wanted, screen).map(|()| DONE),
    }
}

/// The settings of the node whose rules and plugins count.
fn settings(node: &Node) -> anyhow::Result<Settings> {
    let run = Run {
        config: node.config.clone(),
        data: None,
    };
    Settings::read(run, None)
}
