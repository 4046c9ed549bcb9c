//! Between fork and program: the child enters its control groups and takes on what no group limits. System calls only.

use crate::cgroup::{Group, unmet};
use crate::error::RequestError;
use crate::step::Step;
use rustix::fd::OwnedFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CpuSet, capabilities, sched_setaffinity};
use std::fs;
use std::io;

/// Descriptors that a program may open when nobody said a number: more than its `select` could hold would break it.
const OPEN_FILES: u64 = 1024;

/// What a child takes upon itself.
#[derive(Debug)]
pub(crate) struct Confinement {
    doors: Vec<OwnedFd>,
    affinity: Option<CpuSet>,
    open_files: Rlimit,
}

impl Confinement {
    /// A member of a group, with the daemon's own limits.
    ///
    /// # Errors
    /// When the group cannot be opened.
    pub(crate) fn within(group: Option<&Group>) -> io::Result<Self> {
        let hard = getrlimit(Resource::Nofile).maximum;
        Ok(Self {
            doors: group.map(Group::doors).transpose()?.unwrap_or_default(),
            affinity: None,
            open_files: Rlimit {
                current: Some(hard.map_or(OPEN_FILES, |hard| hard.min(OPEN_FILES))),
                maximum: hard,
            },
        })
    }

    /// Bound to processors.
    pub(crate) fn on(self, cpus: CpuSet) -> Self {
        Self {
            affinity: Some(cpus),
            ..self
        }
    }

    /// With so many descriptors at most; answers what is not kept where the host allows less.
    pub(crate) fn opening(&mut self, files: u64) -> Option<String> {
        let allowed = most_open_files().min(files);
        self.open_files = Rlimit {
            current: Some(allowed),
            maximum: Some(allowed),
        };
        (allowed < files).then(|| {
            unmet(
                &format!("openFiles limit {files}"),
                &format!("this host allows {allowed}"),
            )
        })
    }

    /// Enters groups and processors: the calling process is a child that becomes the program soon.
    ///
    /// # Errors
    /// The step that the system refused; the program must not be started then.
    pub(crate) fn enter(&self) -> io::Result<()> {
        for door in &self.doors {
            rustix::io::write(door, b"0").map_err(|e| Step::Group.refused(e))?;
        }
        if let Some(cpus) = &self.affinity {
            sched_setaffinity(None, cpus).map_err(|e| Step::Affinity.refused(e))?;
        }
        Ok(())
    }

    /// Takes on the limit of descriptors. The child opens none after that: the daemon may have more than it will be allowed.
    ///
    /// # Errors
    /// When the system refuses it; the program must not be started then.
    pub(crate) fn limit_files(&self) -> io::Result<()> {
        setrlimit(Resource::Nofile, self.open_files).map_err(|e| Step::OpenFiles.refused(e))
    }
}

/// The most that this process can allow one: what the kernel takes when it may raise limits, else what it has itself.
fn most_open_files() -> u64 {
    let may_raise = capabilities(None).is_ok_and(|mine| mine.effective.contains(CapabilitySet::SYS_RESOURCE));
    if !may_raise {
        return getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    }
    let most = fs::read_to_string("/proc/sys/fs/nr_open");
    most.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX)
}

/// Reads processors as the kernel lists them: `0-3,6`.
///
/// # Errors
/// [`RequestError::Cpus`] when the text lists none.
pub(crate) fn cpus(text: &str) -> Result<CpuSet, RequestError> {
    let wrong = || RequestError::Cpus(text.to_owned());
    let mut set = CpuSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|cpu| *cpu < CpuSet::MAX_CPU);
        let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
        if first > last {
            return Err(wrong());
        }
        (first..=last).for_each(|cpu| set.set(cpu));
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn processors_are_listed_one_by_one_and_as_ranges() {
        let set = cpus("0-2,5").unwrap();
        assert_eq!((0..8).filter(|cpu| set.is_set(*cpu)).collect::<Vec<_>>(), [0, 1, 2, 5]);
        for wrong in ["", "a", "3-1", "0,", "1-", "99999"] {
            assert!(cpus(wrong).unwrap_err().to_string().contains("0-3,6"), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_to_be_read(text in "[0-9,\\- a]{0,20}") {
            let _ = cpus(&text);
        }
    }
}
