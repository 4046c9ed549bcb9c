//! Which hierarchies of control groups a host has: v2, v1, both beside each other, or none (cgroups(7)). Looks only.

use rustix::fs::{Access, access, getxattr};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The interface that the kernel gives to a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    One,
    Two,
}

/// What a hierarchy can limit or tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    Cpu,
    /// Of v1 alone: v2 accounts in `cpu`.
    Cpuacct,
    Cpuset,
    /// Of v1 alone: every group of v2 can be frozen.
    Freezer,
    Io,
    Memory,
    Pids,
}

impl Controller {
    /// By the kernel's name, in either version; nothing for one that is of no use here.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "cpu" => Self::Cpu,
            "cpuacct" => Self::Cpuacct,
            "cpuset" => Self::Cpuset,
            "freezer" => Self::Freezer,
            "io" | "blkio" => Self::Io,
            "memory" => Self::Memory,
            "pids" => Self::Pids,
            _ => return None,
        })
    }

    /// The kernel's name in v2.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Freezer => "freezer",
            Self::Io => "io",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }
}

/// One hierarchy in which groups can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    pub(crate) version: Version,
    pub(crate) controllers: BTreeSet<Controller>,
    /// The group below which groups of this engine's own are made.
    pub(crate) base: PathBuf,
}

/// A hierarchy as /proc/PID/mountinfo (proc_pid_mountinfo(5)) tells it.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    device: String,
    /// What of the hierarchy is mounted.
    part: PathBuf,
    at: PathBuf,
    writable: bool,
    version: Version,
    options: Vec<String>,
}

/// The hierarchies in which this process may make groups: from the texts of its `mountinfo` and `cgroup`, and what lies below
/// `root`, which is `/` but for tests.
pub(crate) fn detect(root: &Path, mountinfo: &str, membership: &str) -> Vec<Hierarchy> {
    let mut seen = BTreeSet::new();
    let mounts = mountinfo.lines().filter_map(mount);
    let usable = mounts.filter(|mount| mount.writable && seen.insert(mount.device.clone()));
    usable
        .filter_map(|mount| match mount.version {
            Version::One => one(root, &mount),
            Version::Two => two(root, &mount, membership),
        })
        .collect()
}

fn one(root: &Path, mount: &Mount) -> Option<Hierarchy> {
    let controllers: BTreeSet<_> = mount
        .options
        .iter()
        .filter_map(|name| Controller::named(name))
        .collect();
    let base = below(root, &mount.at);
    (!controllers.is_empty() && is_writable(&base)).then_some(Hierarchy {
        version: Version::One,
        controllers,
        base,
    })
}

fn two(root: &Path, mount: &Mount, membership: &str) -> Option<Hierarchy> {
    let top = below(root, &mount.at);
    let own = own_group(membership).and_then(|own| own.strip_prefix(&mount.part).ok().map(|own| top.join(own)));
    let chain = || {
        let own = own.as_deref().into_iter().flat_map(Path::ancestors);
        own.take_while(|group| group.starts_with(&top))
    };
    let base = chain()
        .find(|group| is_delegated(group))
        .or_else(|| is_writable(&top).then_some(top.as_path()))
        .or_else(|| chain().filter(|group| is_writable(group)).last())?;
    let controllers = fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
    Some(Hierarchy {
        version: Version::Two,
        controllers: controllers.split_whitespace().filter_map(Controller::named).collect(),
        base: base.to_owned(),
    })
}

/// The group of v2 that a process is in, as its hierarchy names it.
fn own_group(membership: &str) -> Option<PathBuf> {
    let path = membership.lines().find_map(|line| line.strip_prefix("0::"))?;
    // One outside of what this process may see begins with `/..`.
    (!path.split('/').any(|part| part == "..")).then(|| PathBuf::from(path))
}

/// Whether the service manager left a group to the unit in it (systemd.resource-control(5), `Delegate=`).
fn is_delegated(group: &Path) -> bool {
    let mut value = [0; 8];
    ["user.delegate", "trusted.delegate"]
        .into_iter()
        .any(|name| getxattr(group, name, &mut value).is_ok_and(|length| value[..length] == *b"1"))
}

fn is_writable(folder: &Path) -> bool {
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let fields: Vec<&str> = before.split(' ').collect();
    let behind: Vec<&str> = after.split(' ').collect();
    let version = match *behind.first()? {
        "cgroup" => Version::One,
        "cgroup2" => Version::Two,
        _ => return None,
    };
    let options: Vec<String> = behind.get(2)?.split(',').map(str::to_owned).collect();
    let is_writable = |mut all: std::str::Split<'_, char>| all.any(|option| option == "rw");
    Some(Mount {
        device: (*fields.get(2)?).to_owned(),
        part: unescaped(fields.get(3)?),
        at: unescaped(fields.get(4)?),
        writable: is_writable(fields.get(5)?.split(',')) && options.iter().any(|option| option == "rw"),
        version,
        options,
    })
}

/// A path whose blanks and backslashes the kernel wrote as `\040` and the like.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| *first == b'\\');
        let octal = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &behind[3..] } else { behind };
    }
    OsString::from_vec(bytes).into()
}

/// Which controllers there are, and how they are spoken to.
pub(crate) type Controllers = BTreeMap<Controller, Version>;

#[cfg(test)]
mod tests;
