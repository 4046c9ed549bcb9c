//! `aerolith package`: packages, for whoever makes and checks them.

mod inspect;
mod opened;

use crate::arguments::package::Package;
use crate::outcome::DONE;
use crate::screen::Screen;

/// Does what needs no daemon; answers the exit code.
pub(crate) fn package(package: Package, screen: Screen) -> anyhow::Result<u8> {
    match package {
        Package::Inspect(wanted) => inspect::inspect(&wanted, screen).map(|()| DONE),
    }
}
