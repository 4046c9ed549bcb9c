//! Control groups: where an instance's processes are held together, limited, counted and killed (cgroups(7)).
//!
//! Groups lie at `aerolith/INSTANCE@TOKEN` in each hierarchy that the instance needs. Nothing of the daemon's own is moved.

mod group;
mod hierarchy;
mod limits;
mod readings;

pub(crate) use group::{Group, kill_each};
pub(crate) use limits::{enforced, plan, unmet};
pub(crate) use readings::Readings;

use hierarchy::{Controller, Controllers, Hierarchy, Version, detect};
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

/// What a host offers, and what of it this engine has claimed.
#[derive(Debug)]
pub(crate) struct Cgroups {
    hierarchies: Vec<Hierarchy>,
    /// The group below each hierarchy's base that those of the instances lie in.
    parent: PathBuf,
    /// The hierarchy that every instance is in: it tells its members, and kills them.
    tracking: Option<usize>,
    controllers: Controllers,
    /// Held as long as groups may be made or read; who holds it alone may clear up.
    _claim: Option<OwnedFd>,
}

impl Cgroups {
    /// None at all.
    pub(crate) fn none() -> Self {
        Self::of(Vec::new(), PathBuf::new())
    }

    /// What this host offers. Groups of instances that are gone are removed, unless another daemon uses the same parent.
    pub(crate) fn claim(parent: &Path) -> Self {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        let found = detect(
            Path::new("/"),
            &read("/proc/self/mountinfo"),
            &read("/proc/self/cgroup"),
        );
        let made = found.into_iter().filter_map(|hierarchy| establish(hierarchy, parent));
        let mut cgroups = Self::of(made.collect(), parent.to_owned());
        cgroups._claim = cgroups.lock();
        cgroups
    }

    fn of(hierarchies: Vec<Hierarchy>, parent: PathBuf) -> Self {
        let has = |hierarchy: &Hierarchy, file| hierarchy.base.join(&parent).join(file).exists();
        // The better the fewer: one that kills by itself, one that can hold still, one that lists.
        let rank = |hierarchy: &Hierarchy| match hierarchy.version {
            Version::Two if has(hierarchy, "cgroup.kill") => 0,
            Version::One if hierarchy.controllers.contains(&Controller::Freezer) => 1,
            Version::Two => 2,
            Version::One if hierarchy.controllers.contains(&Controller::Pids) => 3,
            Version::One => 4,
        };
        let tracking = (0..hierarchies.len()).min_by_key(|at| rank(&hierarchies[*at]));
        let each = |hierarchy: &Hierarchy| {
            let version = hierarchy.version;
            hierarchy
                .controllers
                .clone()
                .into_iter()
                .map(move |controller| (controller, version))
        };
        Self {
            controllers: hierarchies.iter().flat_map(each).collect(),
            hierarchies,
            parent,
            tracking,
            _claim: None,
        }
    }

    /// What can be limited.
    pub(crate) const fn controllers(&self) -> &Controllers {
        &self.controllers
    }

    /// How groups are used here, for people.
    pub(crate) fn words(&self) -> String {
        let version = |version| self.hierarchies.iter().any(|hierarchy| hierarchy.version == version);
        let names: Vec<_> = self.controllers.keys().map(|controller| controller.name()).collect();
        match (version(Version::One), version(Version::Two)) {
            (false, false) => "none".into(),
            (true, false) => format!("version 1 with {}", names.join(", ")),
            (false, true) => format!("version 2 with {}", names.join(", ")),
            (true, true) => format!("version 1 beside 2 with {}", names.join(", ")),
        }
    }

    fn folder(&self, at: usize) -> PathBuf {
        self.hierarchies[at].base.join(&self.parent)
    }

    fn lock(&self) -> Option<OwnedFd> {
        let folder = self.folder(self.tracking?);
        let claim = open(
            folder,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .ok()?;
        if flock(&claim, FlockOperation::NonBlockingLockExclusive).is_ok() {
            self.clear();
        }
        // Whoever holds it alone clears up, which takes a moment.
        flock(&claim, FlockOperation::LockShared).ok()?;
        Some(claim)
    }

    /// Removes the groups that nobody is in.
    fn clear(&self) {
        for at in 0..self.hierarchies.len() {
            for group in folders_in(&self.folder(at)) {
                // One that somebody is in is busy, and stays.
                let _ = remove_tree(&group);
            }
        }
    }
}

/// Makes the parent in a hierarchy, with what groups below it can be limited by; nothing where it cannot be made.
fn establish(hierarchy: Hierarchy, parent: &Path) -> Option<Hierarchy> {
    let mut folder = hierarchy.base.clone();
    let mut controllers = enable(&folder, &hierarchy);
    for part in parent.components().filter(|part| matches!(part, Component::Normal(_))) {
        folder.push(part);
        made(fs::create_dir(&folder)).ok()?;
        if hierarchy.version == Version::One && controllers.contains(&Controller::Cpuset) {
            // A group of v1 without processors and memory nodes takes nobody.
            as_above(&folder, "cpuset.cpus")
                .and_then(|()| as_above(&folder, "cpuset.mems"))
                .ok()?;
        }
        controllers = enable(&folder, &hierarchy);
    }
    Some(Hierarchy {
        controllers,
        ..hierarchy
    })
}

/// Hands controllers down to the groups below a group of v2, one by one, since one may be refused: to a group that is not the
/// top and has processes of its own each is. Answers those that are.
fn enable(folder: &Path, hierarchy: &Hierarchy) -> std::collections::BTreeSet<Controller> {
    if hierarchy.version == Version::One {
        return hierarchy.controllers.clone();
    }
    let file = folder.join("cgroup.subtree_control");
    for controller in &hierarchy.controllers {
        if let Err(error) = write(&file, &format!("+{}", controller.name())) {
            aerolith_plugin::tracing::debug!(folder = %folder.display(), controller = controller.name(), %error, "not handed down");
        }
    }
    let enabled = fs::read_to_string(file).unwrap_or_default();
    enabled.split_whitespace().filter_map(Controller::named).collect()
}

/// Gives a file of a group what that of the group above holds, unless it holds something.
fn as_above(folder: &Path, file: &str) -> io::Result<()> {
    let (own, above) = (folder.join(file), folder.parent().unwrap_or(folder).join(file));
    if fs::read_to_string(&own)?.trim().is_empty() {
        write(&own, fs::read_to_string(above)?.trim())?;
    }
    Ok(())
}

/// Writes to a file of the kernel's, which is never made by that.
fn write(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
}

fn made(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// Removes a group with those that lie in it; their files go by themselves.
fn remove_tree(group: &Path) -> io::Result<()> {
    folders_in(group).iter().try_for_each(|inner| remove_tree(inner))?;
    match fs::remove_dir(group) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
