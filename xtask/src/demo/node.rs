//! A node in a folder of its own, and its command line.

use anyhow::{Context as _, Result, bail};
use rustix::net::RecvFlags;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a node may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running node; it is stopped when this goes.
pub(crate) struct Node {
    aerolith: PathBuf,
    folder: PathBuf,
    daemon: Child,
    ready: UnixDatagram,
    began: Instant,
}

impl Node {
    /// Starts a node and waits until it says that it is ready, as it says it to systemd.
    pub(super) fn start(aerolith: &Path, folder: &Path) -> Result<Self> {
        let node = Self::spawn(aerolith, folder)?;
        node.wait_until_ready()?;
        Ok(node)
    }

    /// Starts a node.
    pub(crate) fn spawn(aerolith: &Path, folder: &Path) -> Result<Self> {
        let notify = folder.join("notify");
        if notify.exists() {
            std::fs::remove_file(&notify)?;
        }
        let ready = UnixDatagram::bind(&notify)?;
        ready.set_read_timeout(Some(PATIENCE))?;
        let mut run = command(aerolith, folder);
        run.arg("run")
            .arg("--data")
            .arg(folder.join("data"))
            .env("NOTIFY_SOCKET", &notify);
        let began = Instant::now();
        let daemon = run.spawn()?;
        Ok(Self {
            aerolith: aerolith.to_owned(),
            folder: folder.to_owned(),
            daemon,
            ready,
            began,
        })
    }

    pub(crate) fn wait_until_ready(&self) -> Result<()> {
        let mut said = [0; 256];
        // A wait with a time limit is not taken up again by the kernel when a stopped machine goes on (signal(7)).
        let length = rustix::io::retry_on_intr(|| rustix::net::recv(&self.ready, &mut said, RecvFlags::empty()));
        let (_, length) = length.context("the node did not become ready")?;
        let said = String::from_utf8_lossy(said.get(..length).unwrap_or_default());
        if said.contains("READY=1") {
            Ok(())
        } else {
            bail!("the node says `{said}` instead of READY=1")
        }
    }

    /// When it was started.
    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.id()
    }

    /// Runs the command line as a person would.
    pub(super) fn client(&self, words: &[&str]) -> Result<()> {
        println!("$ aerolith {}", words.join(" "));
        let status = command(&self.aerolith, &self.folder).args(words).status()?;
        if status.success() {
            Ok(())
        } else {
            bail!("aerolith {} ended with {status}", words.join(" "))
        }
    }

    /// Asks the node to end, and waits.
    pub(crate) fn stop(&mut self) -> Result<()> {
        Command::new("kill").arg(self.daemon.id().to_string()).status()?;
        let status = self.daemon.wait()?;
        if status.success() {
            Ok(())
        } else {
            bail!("the node ended with {status}")
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !matches!(self.daemon.try_wait(), Ok(None)) {
            return;
        }
        // A step failed: leave nothing running all the same.
        let _ = command(&self.aerolith, &self.folder)
            .args(["delete", "application", "shop", "--wait", "--timeout", "30s"])
            .output();
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn command(aerolith: &Path, folder: &Path) -> Command {
    let mut command = Command::new(aerolith);
    command
        .current_dir(folder)
        .env("AEROLITH_SOCKET", folder.join("aerolith.sock"));
    command.env("XDG_RUNTIME_DIR", folder);
    command
}
