//! Between fork and program: the child takes its sandbox upon itself. System calls only, in an order in which no step takes
//! away what a later one needs.

#![allow(unsafe_code, reason = "two system calls that no library wraps for a child of a fork")]

use super::capabilities::Powers;
use super::{Sandbox, User};
use crate::step::Step;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::Mode;
use rustix::io::{self, Errno};
use rustix::thread::{self, CapabilitySet, CapabilitySets, UnshareFlags};

impl Sandbox {
    /// Takes it upon the calling process, which is a child that becomes the program next.
    ///
    /// # Errors
    /// The step that the system refused; the program must not be started then.
    pub(crate) fn enter(&self) -> std::io::Result<()> {
        rustix::process::umask(Mode::WGRP | Mode::RWXO);
        let at = |step: Step| move |errno| step.refused(errno);
        if let Some(tmp) = &self.private_tmp {
            own_mounts().and_then(|()| tmp.mount()).map_err(at(Step::PrivateTmp))?;
        }
        if let Some(powers) = &self.powers {
            powers.bound().map_err(at(Step::Bound))?;
        }
        if let Some(user) = &self.user {
            user.become_it().map_err(at(Step::User))?;
        }
        if let Some(powers) = &self.powers {
            powers.hold().map_err(at(Step::Capabilities))?;
        }
        if self.no_new_privileges {
            thread::set_no_new_privs(true).map_err(at(Step::NoNewPrivileges))?;
        }
        if let Some(files) = &self.files {
            restrict(files).map_err(at(Step::Files))?;
        }
        match &self.system_calls {
            Some(filter) => seccompiler::apply_filter(filter).map_err(|_| at(Step::SystemCalls)(Errno::INVAL)),
            None => Ok(()),
        }
    }
}

/// A view of the file system of its own.
fn own_mounts() -> io::Result<()> {
    // SAFETY: the child of a fork has one thread, and shares its descriptors with nobody.
    unsafe { thread::unshare_unsafe(UnshareFlags::NEWNS) }
}

/// landlock_restrict_self(2).
fn restrict(rules: &OwnedFd) -> io::Result<()> {
    thread::set_no_new_privs(true)?;
    // SAFETY: takes two numbers, of which the first is a descriptor that is open.
    match unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) } {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

impl Powers {
    /// Bounds what any program of it can have, and lets what is kept pass the change of the user. Who has not the power to
    /// bound has no others either that a program could come by, but through a set-user-ID file.
    fn bound(&self) -> io::Result<()> {
        for power in one_by_one(!self.bound.bits()) {
            match thread::remove_capability_from_bounding_set(power) {
                // Not root; or a later power than this kernel knows.
                Err(Errno::PERM | Errno::INVAL) => break,
                result => result?,
            }
        }
        thread::set_keep_capabilities(true)
    }

    /// Holds what is kept and nothing else, handed on to programs without any power of their own.
    fn hold(&self) -> io::Result<()> {
        thread::clear_ambient_capability_set()?;
        thread::set_capabilities(
            None,
            CapabilitySets {
                effective: self.kept,
                permitted: self.kept,
                inheritable: self.kept,
            },
        )?;
        one_by_one(self.kept.bits()).try_for_each(|power| thread::configure_capability_in_ambient_set(power, true))
    }
}

fn one_by_one(bits: u64) -> impl Iterator<Item = CapabilitySet> {
    let set = move |at: &u32| bits & (1 << at) != 0;
    (0..u64::BITS)
        .filter(set)
        .map(|at| CapabilitySet::from_bits_retain(1 << at))
}

impl User {
    /// Becomes it, groups first: who is no longer root can change none.
    fn become_it(&self) -> io::Result<()> {
        if rustix::process::geteuid().is_root() {
            thread::set_thread_groups(&self.groups)?;
        }
        thread::set_thread_res_gid(self.group, self.group, self.group)?;
        thread::set_thread_res_uid(self.user, self.user, self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_taken_apart_into_its_members() {
        let all: Vec<_> = one_by_one((CapabilitySet::KILL | CapabilitySet::SYSLOG).bits()).collect();
        assert_eq!(all, [CapabilitySet::KILL, CapabilitySet::SYSLOG]);
    }
}
