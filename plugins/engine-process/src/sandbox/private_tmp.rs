//! A `/tmp` and a `/var/tmp` of an instance's own, in memory that counts as its own, gone with its last process.

use super::{Unenforced, user};
use crate::error::StartError;
use aerolith_plugin::wire::engine::Workload;
use rustix::io;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::ffi::CStr;
use std::path::Path;

const FOLDERS: [&CStr; 2] = [c"/tmp", c"/var/tmp"];

/// A child mounts them in a view of the file system that is its own (mount_namespaces(7)).
#[derive(Debug)]
pub(super) struct PrivateTmp;

impl PrivateTmp {
    /// Whether a workload asks for it and it can be had.
    ///
    /// # Errors
    /// [`StartError::Hidden`] when the program or a folder of its own lies in the shared one.
    pub(super) fn of(workload: &Workload, unenforced: &mut Unenforced) -> Result<Option<Self>, StartError> {
        if !workload.sandbox.private_tmp {
            return Ok(None);
        }
        if !user::is_root() {
            unenforced.push("privateTmp: only root can mount one, and the daemon is not root".into());
            return Ok(None);
        }
        let program = workload.program.iter().map(|program| &program.directory);
        let shown = workload.shown.iter().map(|shown| &shown.path);
        let mut needed = program.chain([&workload.directory]).chain(&workload.own).chain(shown);
        match needed.find(|path| is_shared(path)) {
            Some(path) => Err(StartError::Hidden(path.into())),
            None => Ok(Some(Self)),
        }
    }

    /// Mounts them. Runs in the child, in a mount namespace of its own: makes system calls only.
    pub(super) fn mount(&self) -> io::Result<()> {
        // Nothing of it may be seen outside.
        mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        FOLDERS
            .iter()
            .try_for_each(|folder| mount(c"tmpfs", *folder, c"tmpfs", flags, c"mode=1777"))
    }
}

fn is_shared(path: &str) -> bool {
    let path = Path::new(path);
    path.starts_with("/tmp") || path.starts_with("/var/tmp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_them_is_hidden() {
        assert!(is_shared("/tmp") && is_shared("/tmp/a") && is_shared("/var/tmp/a"));
        assert!(!is_shared("/tmpfile") && !is_shared("/var/lib"));
    }
}
