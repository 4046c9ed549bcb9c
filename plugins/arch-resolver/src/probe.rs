//! Reads the running machine.

use crate::detect::{Detected, Machine, NoPlatform, detect};
use std::env::consts;
use std::path::Path;

/// Detects the platform of the machine whose files begin at `root`. A file that cannot be read tells nothing.
pub(crate) fn detect_at(root: &Path, uname: Option<&str>) -> Result<Detected, NoPlatform> {
    let cpuinfo = std::fs::read(root.join("proc/cpuinfo")).ok();
    let cpuinfo = cpuinfo.as_deref().map(String::from_utf8_lossy);
    let kernel = rustix::system::uname();
    detect(&Machine {
        system: consts::OS,
        architecture: consts::ARCH,
        cpuinfo: cpuinfo.as_deref(),
        uname: uname.or_else(|| kernel.machine().to_str().ok()),
    })
}
