//! The sandbox of a process that runs, for a command beside it: as `/proc` shows it (proc_pid_status(5)).

use super::capabilities::Powers;
use super::{Sandbox, User};
use rustix::process::{Gid, Uid};
use rustix::thread::CapabilitySet;
use std::collections::BTreeMap;
use std::fs;
use std::io;

impl Sandbox {
    /// User, groups, powers and the promise to gain none, as a process has them. Its own view of `/tmp`, its files and its
    /// system calls are not taken on: who asks for a command is the operator.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn like(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
        of_status(&text).ok_or_else(|| io::Error::other("it lacks a line that every Linux since 4.10 has"))
    }
}

fn of_status(text: &str) -> Option<Sandbox> {
    let lines: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(':')).collect();
    let numbers = |name: &str| -> Option<Vec<u32>> {
        lines
            .get(name)?
            .split_whitespace()
            .map(|number| number.parse().ok())
            .collect()
    };
    let set = |name: &str| {
        let bits = u64::from_str_radix(lines.get(name)?.trim(), 16).ok()?;
        Some(CapabilitySet::from_bits_retain(bits))
    };
    let user = Uid::from_raw(*numbers("Uid")?.get(1)?);
    let group = Gid::from_raw(*numbers("Gid")?.get(1)?);
    let groups = numbers("Groups")?.into_iter().map(Gid::from_raw).collect();
    let powers = Powers {
        kept: set("CapPrm")?,
        bound: set("CapBnd")?,
    };
    let user = User::of_numbers(user, group, groups);
    Some(Sandbox {
        user: (!user.is_own()).then_some(user),
        powers: Some(powers),
        no_new_privileges: numbers("NoNewPrivs")? == [1],
        ..Sandbox::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tweb\nUid:\t33\t34\t33\t33\nGid:\t33\t35\t33\t33\nGroups:\t33 44 \nCapPrm:\t0000000000000400\n\
                          CapBnd:\t0000000000000401\nNoNewPrivs:\t1\n";

    #[test]
    fn a_process_is_taken_as_it_acts() {
        let sandbox = of_status(STATUS).unwrap();
        let user = sandbox.user.as_ref().unwrap();
        assert_eq!(
            (user.user.as_raw(), user.group.as_raw(), user.groups.len()),
            (34, 35, 2)
        );
        let powers = sandbox.powers.unwrap();
        assert_eq!(powers.kept, CapabilitySet::NET_BIND_SERVICE);
        assert_eq!(powers.bound, CapabilitySet::NET_BIND_SERVICE | CapabilitySet::CHOWN);
        assert!(sandbox.no_new_privileges);
        assert!(of_status("Uid:\t0\n").is_none());
    }

    #[test]
    fn this_process_can_be_read() {
        let own = Sandbox::like(std::process::id()).unwrap();
        assert!(own.user.is_none() && own.powers.is_some());
    }
}
