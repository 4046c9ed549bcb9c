//! Which system calls an instance may not make (seccomp(2)).

use crate::error::StartError;
use aerolith_plugin::wire::engine::SystemCalls;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::collections::BTreeMap;
use std::str::FromStr;
use syscalls::Sysno;

/// What no service needs that is not a part of the system itself: modules, other kernels, mounts and namespaces, the clock,
/// swap, raw ports, keys of the kernel, other processes' memory. A name that a machine does not have is left out.
const REFUSED: &[&str] = &[
    "acct",
    "add_key",
    "adjtimex",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "create_module",
    "delete_module",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mount",
    "mount_setattr",
    "move_mount",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
    "umount2",
    "unshare",
    "userfaultfd",
    "vhangup",
];

/// The filter: what it refuses fails with EPERM, and calls of another machine's form (32 bit) end the program.
///
/// # Errors
/// [`StartError::NoSystemCall`] for a name that is none; [`StartError::NoFilter`] on a machine that has none.
pub(super) fn filter(asked: &SystemCalls) -> Result<BpfProgram, StartError> {
    let none = |reason: String| StartError::NoFilter(reason);
    let machine: TargetArch = std::env::consts::ARCH
        .try_into()
        .map_err(|e: seccompiler::BackendError| none(e.to_string()))?;
    let rules: BTreeMap<i64, Vec<_>> = refused(asked)?.into_iter().map(|number| (number, Vec::new())).collect();
    let refusal = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, machine).map_err(|e| none(e.to_string()))?;
    filter
        .try_into()
        .map_err(|e: seccompiler::BackendError| none(e.to_string()))
}

fn refused(asked: &SystemCalls) -> Result<Vec<i64>, StartError> {
    let allowed = numbers(&asked.allow)?;
    let own = REFUSED
        .iter()
        .filter_map(|name| number(name))
        .filter(|number| !allowed.contains(number));
    let mut all: Vec<i64> = own.chain(numbers(&asked.deny)?).collect();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn numbers(names: &[String]) -> Result<Vec<i64>, StartError> {
    let named = |name: &String| number(name).ok_or_else(|| StartError::NoSystemCall(name.clone()));
    names.iter().map(named).collect()
}

fn number(name: &str) -> Option<i64> {
    Sysno::from_str(name).ok().map(|call| i64::from(call.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(deny: &[&str], allow: &[&str]) -> SystemCalls {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        SystemCalls {
            deny: names(deny),
            allow: names(allow),
        }
    }

    #[test]
    fn what_is_allowed_is_taken_from_the_list_and_what_is_denied_is_added() {
        let of = |deny, allow| refused(&asked(deny, allow)).unwrap();
        let contains = |all: &[i64], name| all.contains(&number(name).unwrap());
        assert!(contains(&of(&[], &[]), "ptrace") && !contains(&of(&[], &[]), "socket"));
        assert!(!contains(&of(&[], &["ptrace"]), "ptrace"));
        assert!(contains(&of(&["socket"], &[]), "socket"));
    }

    #[test]
    fn a_name_that_is_none_is_told_and_most_of_the_own_list_is_known() {
        let error = filter(&asked(&["sockets"], &[])).unwrap_err().to_string();
        assert!(error.contains("sockets"), "{error}");
        let known = REFUSED.iter().filter(|name| number(name).is_some()).count();
        assert!(known + 4 >= REFUSED.len(), "{known} of {}", REFUSED.len());
    }
}
