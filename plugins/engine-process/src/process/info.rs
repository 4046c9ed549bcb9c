//! How a process that is nobody's child here has ended: what its descriptor tells once it is gone (`PIDFD_GET_INFO` of
//! `linux/pidfd.h`, with the exit since Linux 6.15).

#![allow(unsafe_code, reason = "an ioctl that no library wraps")]

use aerolith_plugin::wire::engine::Exit;
use rustix::fd::OwnedFd;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// `struct pidfd_info` in its first version, 64 bytes.
#[repr(C)]
#[derive(Debug, Default)]
struct Info {
    /// What is asked for, and then what is told.
    mask: u64,
    cgroup: u64,
    /// pid, tgid, ppid, then users and groups: nothing of it is asked for.
    others: [u32; 11],
    /// As wait(2) encodes it.
    exit: i32,
}

/// `PIDFD_INFO_EXIT`.
const EXIT: u64 = 1 << 3;
/// `PIDFD_GET_INFO`.
const GET_INFO: Opcode = opcode::read_write::<Info>(0xff, 11);

/// How a process has ended; nothing while somebody has yet to wait for it, or on a kernel that does not tell.
pub(super) fn exit(pidfd: &OwnedFd) -> Option<Exit> {
    let mut info = Info {
        mask: EXIT,
        ..Info::default()
    };
    // SAFETY: the number stands for this very structure, whose size is part of it; the kernel writes no more than that.
    unsafe { ioctl(pidfd, Updater::<GET_INFO, Info>::new(&mut info)) }.ok()?;
    (info.mask & EXIT != 0).then(|| decoded(info.exit))
}

fn decoded(status: i32) -> Exit {
    let status = ExitStatus::from_raw(status);
    Exit {
        code: status.code(),
        signal: status.signal(),
        ..Exit::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_read_as_wait_encodes_it() {
        assert_eq!(size_of::<Info>(), 64);
        assert_eq!((decoded(7 << 8).code, decoded(7 << 8).signal), (Some(7), None));
        assert_eq!((decoded(9).code, decoded(9).signal), (None, Some(9)));
        // With a core dump.
        assert_eq!(decoded(11 | 0x80).signal, Some(11));
    }
}
