//! Which files an instance may open (landlock(7)): no root is needed, and a kernel without it is told of.

use super::Unenforced;
use crate::error::StartError;
use aerolith_plugin::wire::engine::{Files, Workload};
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    path_beneath_rules,
};
use rustix::fd::OwnedFd;

/// What is asked of the kernel: all that it can refuse of files but `ioctl`, which devices and terminals need.
const KNOWN: ABI = ABI::V3;

/// What any program needs to be loaded, to find a host and a user, and to check a certificate.
const READ: &[&str] = &[
    "/bin",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/run/systemd/resolve",
    "/sbin",
    "/sys/devices/system/cpu",
    "/usr",
];

const WRITE: &[&str] = &[
    "/dev/full",
    "/dev/null",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/random",
    "/dev/shm",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
];

/// The rules of a workload, ready to be entered; nothing when it asks for none, or the kernel has none.
///
/// # Errors
/// What the system says to a rule.
pub(super) fn ruleset(workload: &Workload, unenforced: &mut Unenforced) -> Result<Option<OwnedFd>, StartError> {
    let Some(Allowed { read, write }) = allowed(workload) else {
        return Ok(None);
    };
    let made = rules(&read, &write).map_err(|e| StartError::NoRules(e.to_string()))?;
    if made.is_none() {
        let told = "files, readOnlyHost: this kernel has no Landlock (Linux 5.13 or later with `landlock` in `lsm=`)";
        unenforced.push(told.into());
    }
    Ok(made)
}

/// Whether this kernel knows such rules.
pub(super) fn are_known() -> bool {
    rules(&[], &[]).is_ok_and(|rules| rules.is_some())
}

/// Every path that may be opened, with all below it.
#[derive(Debug, PartialEq, Eq)]
struct Allowed {
    read: Vec<String>,
    write: Vec<String>,
}

fn allowed(workload: &Workload) -> Option<Allowed> {
    let sandbox = &workload.sandbox;
    let own = |all: &[&str]| all.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let (mut read, mut write) = match (&sandbox.files, sandbox.read_only_host) {
        (Some(Files { read, write }), true) => ([own(READ), read.clone(), write.clone()].concat(), own(WRITE)),
        (Some(Files { read, write }), false) => {
            ([own(READ), read.clone()].concat(), [own(WRITE), write.clone()].concat())
        }
        (None, true) => (own(&["/"]), own(&["/dev"])),
        (None, false) => return None,
    };
    read.extend(workload.program.iter().map(|program| program.directory.clone()));
    write.extend(workload.own.iter().cloned());
    write.push(workload.directory.clone());
    if sandbox.private_tmp {
        write.extend(own(&["/tmp", "/var/tmp"]));
    }
    for shown in &workload.shown {
        let list = if shown.read_only { &mut read } else { &mut write };
        list.push(shown.path.clone());
    }
    Some(Allowed { read, write })
}

fn rules(read: &[String], write: &[String]) -> Result<Option<OwnedFd>, RulesetError> {
    let all: BitFlags<AccessFs> = AccessFs::from_all(KNOWN);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .create()?
        // A path that does not exist is left out.
        .add_rules(path_beneath_rules(read, AccessFs::from_read(KNOWN)))?
        .add_rules(path_beneath_rules(write, all))?;
    Ok(ruleset.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_plugin::wire::engine::{Sandbox, Shown};

    fn workload(sandbox: Sandbox) -> Workload {
        let shown = |path: &str, read_only| Shown {
            path: path.into(),
            read_only,
        };
        Workload {
            directory: "/own/a".into(),
            own: vec!["/own".into()],
            shown: vec![shown("/data", false), shown("/conf", true)],
            sandbox,
            ..Workload::default()
        }
    }

    #[test]
    fn who_asks_for_nothing_gets_no_rules() {
        assert_eq!(allowed(&workload(Sandbox::default())), None);
    }

    #[test]
    fn a_host_for_reading_leaves_what_is_its_own_or_shown_for_writing() {
        let sandbox = Sandbox {
            read_only_host: true,
            ..Sandbox::default()
        };
        let Allowed { read, write } = allowed(&workload(sandbox)).unwrap();
        assert_eq!(read, ["/", "/conf"]);
        assert_eq!(write, ["/dev", "/own", "/own/a", "/data"]);
    }

    #[test]
    fn named_files_are_added_to_what_every_program_needs_and_a_host_for_reading_takes_writing_away() {
        let files = Files {
            read: vec!["/etc/app".into()],
            write: vec!["/srv".into()],
        };
        let mut sandbox = Sandbox {
            files: Some(files),
            ..Sandbox::default()
        };
        let named = allowed(&workload(sandbox.clone())).unwrap();
        assert!(named.read.contains(&"/usr".into()) && named.read.contains(&"/etc/app".into()));
        assert!(named.write.contains(&"/srv".into()) && !named.read.contains(&"/".into()));
        sandbox.read_only_host = true;
        let named = allowed(&workload(sandbox)).unwrap();
        assert!(named.read.contains(&"/srv".into()) && !named.write.contains(&"/srv".into()));
    }
}
