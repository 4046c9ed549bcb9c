//! The control groups of one start: one in each hierarchy that it was put into.

use super::hierarchy::{Controller, Version};
use super::limits::{Plan, Setting, Value, unmet};
use super::{Cgroups, as_above, folders_in, made, remove_tree, write};
use crate::proc::{self, Known, Mark, Stat};
use crate::process::Process;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::Signal;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often the state of a group that is to hold still is looked at; then it is killed while it moves.
const FREEZING: u32 = 10_000;

/// The groups of one start. Everything that it starts is in them.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    cgroups: Arc<Cgroups>,
    name: Box<str>,
    /// Which hierarchies; the first is that by which members are found and killed.
    entered: Box<[usize]>,
}

impl Group {
    /// Makes the groups that a plan needs. Answers also which limits are not kept, and why; there is none where the host has
    /// none.
    pub(crate) fn make(cgroups: &Arc<Cgroups>, mark: &Mark, plan: &Plan) -> (Option<Self>, Vec<String>) {
        let uses = |at: usize, setting: &Setting| cgroups.hierarchies[at].controllers.contains(&setting.controller);
        let (mut entered, mut kept) = (Vec::new(), Vec::new());
        for at in cgroups.tracking_first() {
            let folder = cgroups.folder(at).join(&*name(mark));
            let settings: Vec<_> = plan.settings.iter().filter(|setting| uses(at, setting)).collect();
            if settings.is_empty() && !entered.is_empty() {
                continue;
            }
            let is_made = made(fs::create_dir(&folder));
            let refused: Vec<_> = match &is_made {
                Ok(()) => settings
                    .iter()
                    .filter_map(|setting| refusal(&folder, setting))
                    .collect(),
                Err(e) => settings.iter().filter_map(|s| told(s, &folder, e)).collect(),
            };
            let is_set = refused.is_empty() || !cgroups.needs_all(at);
            kept.extend(refused);
            if is_made.is_ok() && is_set {
                entered.push(at);
            } else if is_made.is_ok() {
                let _ = remove_tree(&folder);
            }
        }
        let group = Self {
            cgroups: cgroups.clone(),
            name: name(mark),
            entered: entered.into(),
        };
        (group.settled(), kept)
    }

    /// Has it end as a whole when it runs out of memory, where the kernel can.
    fn settled(self) -> Option<Self> {
        if let Some((folder, Version::Two)) = self.with(Controller::Memory) {
            let _ = write(&folder.join("memory.oom.group"), "1");
        }
        (!self.entered.is_empty()).then_some(self)
    }

    /// The groups of a start that were made before, by whomever; nothing when there are none.
    pub(crate) fn find(cgroups: &Arc<Cgroups>, mark: &Mark) -> Option<Self> {
        let name = name(mark);
        let first = cgroups
            .tracking
            .filter(|at| cgroups.folder(*at).join(&*name).is_dir())?;
        let is_there = |at: &usize| *at == first || cgroups.folder(*at).join(&*name).is_dir();
        let entered = cgroups.tracking_first().filter(is_there).collect();
        Some(Self {
            cgroups: cgroups.clone(),
            name,
            entered,
        })
    }

    /// What a process writes `0` to, so that it and all that it starts are members.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(crate) fn doors(&self) -> io::Result<Vec<OwnedFd>> {
        let door = |folder: PathBuf| {
            open(
                folder.join("cgroup.procs"),
                OFlags::WRONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )
        };
        self.folders().map(|folder| Ok(door(folder)?)).collect()
    }

    /// Those of its members that run.
    pub(crate) fn members(&self) -> Vec<Stat> {
        let Some(folder) = self.folders().next() else {
            return Vec::new();
        };
        let mut members = Vec::new();
        collect(&folder, &mut members);
        members
    }

    /// Kills every member, also who is being forked meanwhile. They may take a moment to go.
    ///
    /// # Errors
    /// When members belong to another user, whom this one may not kill.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let Some(folder) = self.folders().next() else {
            return Ok(());
        };
        // Linux before 5.14 and v1 have none.
        if write(&folder.join("cgroup.kill"), "1").is_ok() {
            return Ok(());
        }
        self.freeze(true);
        let killed = kill_each(self.members().iter().map(Known::from));
        self.freeze(false);
        killed
    }

    /// Has nobody in it run, or everybody again, where the kernel can. Who is frozen forks nobody.
    fn freeze(&self, is_frozen: bool) {
        let Some((folder, version)) = self.freezer() else {
            return;
        };
        let (file, to, seen) = match (version, is_frozen) {
            (Version::One, true) => ("freezer.state", "FROZEN", ("freezer.state", "FROZEN")),
            (Version::One, false) => ("freezer.state", "THAWED", ("freezer.state", "THAWED")),
            (Version::Two, true) => ("cgroup.freeze", "1", ("cgroup.events", "frozen 1")),
            (Version::Two, false) => ("cgroup.freeze", "0", ("cgroup.events", "frozen 0")),
        };
        let holds = || fs::read_to_string(folder.join(seen.0)).is_ok_and(|text| text.contains(seen.1));
        if write(&folder.join(file), to).is_ok() {
            // No event tells of v1's. One that waits for a device may take long.
            let _ = (0..FREEZING).find(|_| {
                std::thread::yield_now();
                holds()
            });
        }
    }

    fn freezer(&self) -> Option<(PathBuf, Version)> {
        self.with(Controller::Freezer)
            .or_else(|| Some((self.unified()?, Version::Two)))
    }

    /// The group of v2, whatever limits it there.
    pub(super) fn unified(&self) -> Option<PathBuf> {
        let is_two = |at: &&usize| self.cgroups.hierarchies[**at].version == Version::Two;
        let at = self.entered.iter().find(is_two)?;
        Some(self.cgroups.folder(*at).join(&*self.name))
    }

    /// Whether the kernel killed one of its members for want of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let Some((folder, version)) = self.with(Controller::Memory) else {
            return false;
        };
        let file = match version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
        number(&text, "oom_kill").is_some_and(|kills| kills > 0)
    }

    /// Removes it.
    ///
    /// # Errors
    /// `ResourceBusy` as long as somebody is in it, which the kernel may believe for a moment longer than that is so.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.folders().try_for_each(|folder| remove_tree(&folder))
    }

    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.entered.iter().map(|at| self.cgroups.folder(*at).join(&*self.name))
    }

    /// The group by which a controller limits it.
    pub(super) fn with(&self, controller: Controller) -> Option<(PathBuf, Version)> {
        let hierarchies = &self.cgroups.hierarchies;
        let at = self
            .entered
            .iter()
            .find(|at| hierarchies[**at].controllers.contains(&controller))?;
        Some((self.cgroups.folder(*at).join(&*self.name), hierarchies[*at].version))
    }
}

impl Cgroups {
    /// Every hierarchy, that by which members are found before the others.
    fn tracking_first(&self) -> impl Iterator<Item = usize> {
        let others = (0..self.hierarchies.len()).filter(|at| Some(*at) != self.tracking);
        self.tracking.into_iter().chain(others)
    }

    /// Whether nobody can enter a group of it that is not set up wholly.
    fn needs_all(&self, at: usize) -> bool {
        let hierarchy = &self.hierarchies[at];
        hierarchy.version == Version::One && hierarchy.controllers.contains(&Controller::Cpuset)
    }
}

/// What a file of the kernel's with a name and a number in each line says of a name.
pub(super) fn number(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

/// The name of a start's groups. The kernel's own files have no `@`.
fn name(mark: &Mark) -> Box<str> {
    let plain = |text: &str| text.replace('%', "%25").replace('/', "%2F").replace('\n', "%0A");
    format!("{}@{}", plain(&mark.instance), plain(&mark.token)).into()
}

/// Gives the first file of a setting that is there its value; why not, when somebody asked for it.
fn refusal(folder: &Path, setting: &Setting) -> Option<String> {
    let Some((file, value)) = setting.files.iter().find(|(file, _)| folder.join(file).exists()) else {
        let names: Vec<_> = setting.files.iter().map(|(file, _)| *file).collect();
        let why = format!("this kernel has no {}", names.join(" and no "));
        return setting.asked.as_ref().map(|limit| unmet(limit, &why));
    };
    let written = match value {
        Value::Text(text) => write(&folder.join(file), text),
        Value::AsAbove => as_above(folder, file),
    };
    written.err().and_then(|e| told(setting, &folder.join(file), &e))
}

fn told(setting: &Setting, path: &Path, error: &io::Error) -> Option<String> {
    let limit = setting.asked.as_ref()?;
    Some(unmet(limit, &format!("{}: {error}", path.display())))
}

fn collect(folder: &Path, members: &mut Vec<Stat>) {
    let listed = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let running = listed.lines().filter_map(|pid| proc::stat(pid.parse().ok()?));
    members.extend(running.filter(|process| !process.ended()));
    // Few make groups of their own; a folder counts those in it as links.
    if fs::metadata(folder).is_ok_and(|folder| std::os::unix::fs::MetadataExt::nlink(&folder) > 2) {
        folders_in(folder).iter().for_each(|inner| collect(inner, members));
    }
}

/// Kills processes that were seen, each held so that no later one of its number is meant.
pub(crate) fn kill_each(seen: impl Iterator<Item = Known>) -> io::Result<()> {
    let refusal = |known: Known| match Process::open(known) {
        Ok(None) => None,
        Ok(Some(process)) => Some(format!(
            "process {}: {}",
            known.pid,
            process.signal(Signal::KILL).err()?
        )),
        Err(e) => Some(format!("process {}: {e}", known.pid)),
    };
    let refusals: Vec<String> = seen.filter_map(refusal).collect();
    match refusals.is_empty() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "cannot be killed by this user: {}",
            refusals.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests;
