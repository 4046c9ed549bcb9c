//! `aerolith package`: packages, for whoever makes and checks them.

mod inspect;
mod keygen;
mod opened;
mod sign;

use crate::arguments::package::Package;
use crate::outcome::DONE;
use crate::screen::Screen;

/// Does what needs no daemon; answers the exit code.
pub(crate) fn package(package: Package, screen: Screen) -> anyhow::Result<u8> {
    match package {
        Package::Inspect(wanted) => inspect::inspect(&wanted, screen),
        Package::Keygen { key } => keygen::keygen(&key, screen),
        Package::Sign(wanted) => sign::sign(&wanted, screen),
    }
    .map(|()| DONE)
}
