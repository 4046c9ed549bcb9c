//! Between fork and program: the child enters its control groups and takes on what no group limits. System calls only.

use crate::cgroup::{Group, unmet};
use crate::error::RequestError;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
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

/// What a child does. The number travels with that of the error from the child to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Step {
    Group = 0x101,
    Affinity,
    OpenFiles,
}

/// The bits below a step's number; no error of Linux is larger.
const ERRNO_BITS: u32 = 16;

impl Step {
    fn refused(self, errno: Errno) -> io::Error {
        io::Error::from_raw_os_error((self as i32) << ERRNO_BITS | errno.raw_os_error())
    }

    /// The step that a child told of and why; nothing when it is an error of the system alone.
    pub(crate) fn told(error: &io::Error) -> Option<(Self, io::Error)> {
        let told = error.raw_os_error()?;
        let step = [Self::Group, Self::Affinity, Self::OpenFiles]
            .into_iter()
            .find(|step| *step as i32 == told >> ERRNO_BITS)?;
        Some((step, io::Error::from_raw_os_error(told & ((1 << ERRNO_BITS) - 1))))
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Group => "entering its control group",
            Self::Affinity => "binding it to its processors",
            Self::OpenFiles => "limiting its open files",
        })
    }
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

    /// Takes it upon the calling process, which is a child that becomes the program next.
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

    #[test]
    fn a_refusal_travels_as_a_number_that_no_error_of_the_system_has() {
        for step in [Step::Group, Step::Affinity, Step::OpenFiles] {
            let (told, error) = Step::told(&step.refused(Errno::BUSY)).unwrap();
            assert_eq!((told, error.raw_os_error()), (step, Some(Errno::BUSY.raw_os_error())));
        }
        assert!(Step::told(&Errno::BUSY.into()).is_none());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_to_be_read(text in "[0-9,\\- a]{0,20}") {
            let _ = cpus(&text);
        }
    }
}
