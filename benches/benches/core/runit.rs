//! The peer: runit from Debian, which restarts and does no more.

use crate::births::Births;
use crate::program::Program;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

pub(crate) struct Runit {
    process: Child,
    pub(crate) begun: Instant,
    _folder: TempDir,
}

/// Whether it is here; a word about it where it is not.
pub(crate) fn is_here() -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v runsvdir && command -v runsv"])
        .stdout(Stdio::null())
        .status();
    let is_here = found.unwrap().success();
    if !is_here {
        eprintln!("SKIPPED the peer: no runit here (Debian's package `runit`)");
    }
    is_here
}

impl Runit {
    /// Starts it on as many services as there are names.
    pub(crate) fn start(program: &Program, births: &Births, names: impl Iterator<Item = String>) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        for name in names {
            let service = folder.path().join(&name);
            fs::create_dir(&service).unwrap();
            let (births, program) = (births.path(), program.path());
            let run = format!(
                "#!/bin/sh\nNAME={name} BIRTHS={} exec {}\n",
                births.display(),
                program.display()
            );
            write(&service.join("run"), &run);
        }
        let begun = Instant::now();
        let mut command = Command::new("runsvdir");
        command.arg(folder.path()).stdin(Stdio::null()).stderr(Stdio::null());
        Self {
            process: command.spawn().unwrap(),
            begun,
            _folder: folder,
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Drop for Runit {
    fn drop(&mut self) {
        // Asked so, it has each of its supervisors end its service and itself.
        let _ = kill_process(Pid::from_child(&self.process), Signal::HUP);
        let _ = self.process.wait();
    }
}
