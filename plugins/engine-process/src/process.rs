//! A process that is held by a descriptor (pidfd_open(2)), so that no later one of its number is ever meant.

mod info;

use crate::proc::{self, Known};
use crate::readable::readable;
use aerolith_plugin::wire::engine::Exit;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open, pidfd_send_signal,
    waitid,
};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long whoever is to wait for a process that is no child of this daemon may take, before its exit counts as unknown.
const REAPING: Duration = Duration::from_secs(3);

/// A process, running or not yet waited for when it was opened.
#[derive(Debug)]
pub(crate) struct Process {
    known: Known,
    pidfd: OwnedFd,
    /// Nobody tells how it ended.
    lost: AtomicBool,
}

impl Process {
    /// Holds a process; nothing when it is gone, or its number is another's by now.
    ///
    /// # Errors
    /// When the system gives no descriptor: too many are open, or it is older than Linux 5.3.
    pub(crate) fn open(known: Known) -> io::Result<Option<Self>> {
        let Some(pid) = i32::try_from(known.pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // Asked after it was opened: from here on the number cannot change hands unseen.
            Ok(pidfd) => Ok(proc::stat(known.pid).is_some_and(|s| known.is(&s)).then_some(Self {
                known,
                pidfd,
                lost: AtomicBool::new(false),
            })),
            Err(Errno::SRCH | Errno::INVAL) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Holds a child that was just started and for which nobody else waits.
    ///
    /// # Errors
    /// As [`Process::open`].
    pub(crate) fn child(pid: u32) -> io::Result<Self> {
        let gone = || {
            io::Error::other(format!(
                "process {pid} is not to be seen in /proc although it was just started"
            ))
        };
        let stat = proc::stat(pid).ok_or_else(gone)?;
        Self::open(Known::from(&stat))?.ok_or_else(gone)
    }

    /// Its number and start.
    pub(crate) const fn known(&self) -> Known {
        self.known
    }

    /// Sends a signal. One that has ended takes it without effect.
    ///
    /// # Errors
    /// When it belongs to another user.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Err(Errno::SRCH) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Sends a signal to the group that it leads, as long as it runs.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let pid = i32::try_from(self.known.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| !self.has_ended()) {
            // A group that is gone needs no signal; one of another user is found by the sweep that follows.
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Whether it has ended. It may still have to be waited for.
    pub(crate) fn has_ended(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// Ready once it runs no more.
    ///
    /// # Errors
    /// When the runtime takes no further descriptor.
    pub(crate) async fn gone(&self) -> io::Result<()> {
        // A duplicate, since a runtime takes each number once only and there may be several who wait.
        let watched = readable(self.pidfd.try_clone()?)?;
        watched.readable().await.map(|_| ())
    }

    /// Ready once it has ended, and [`Process::exit`] is known as far as it ever will be.
    ///
    /// # Errors
    /// When the runtime takes no further descriptor.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        self.gone().await?;
        if self.exit().is_none() {
            let pidfd = self.pidfd.try_clone()?;
            // Only its hang-up is still to come: whoever is its parent now has waited for it.
            let waited = tokio::task::spawn_blocking(move || await_hang_up(&pidfd)).await;
            self.lost.store(true, Ordering::Release);
            waited?;
        }
        Ok(())
    }

    /// How it ended, without waiting for it: its number stays its own until [`Process::reap`]. Nothing while it runs, or
    /// while a process that is not this daemon's child has yet to be waited for by its parent. Unknown where the kernel does
    /// not tell how such a one ended.
    pub(crate) fn exit(&self) -> Option<Exit> {
        if !self.has_ended() {
            return None;
        }
        if let Some(status) = self.wait(WaitIdOptions::NOWAIT) {
            return Some(Exit {
                code: status.exit_status(),
                signal: status.terminating_signal(),
                ..Exit::default()
            });
        }
        info::exit(&self.pidfd).or_else(|| self.lost.load(Ordering::Acquire).then(Exit::unknown))
    }

    /// Gives its number free when it was a child and has ended.
    pub(crate) fn reap(&self) {
        self.wait(WaitIdOptions::empty());
    }

    fn wait(&self, options: WaitIdOptions) -> Option<WaitIdStatus> {
        let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        waitid(WaitId::PidFd(self.pidfd.as_fd()), options).ok().flatten()
    }
}

/// Waits until a process that has ended is waited for, but not for ever.
fn await_hang_up(pidfd: &OwnedFd) {
    let limit = Timespec::try_from(REAPING).ok();
    // A hang-up is told without being asked for. When the wait fails, its exit is not known, and that is told.
    let _ = rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(pidfd, PollFlags::empty())], limit.as_ref()));
}
