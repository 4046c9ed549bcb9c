//! What a child does between fork and program, and how it tells its parent which of it the system refused.

use rustix::io::Errno;
use std::io;

/// One thing that a child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Step {
    Group = 0x101,
    Affinity,
    OpenFiles,
    PrivateTmp,
    Bound,
    User,
    Capabilities,
    NoNewPrivileges,
    Files,
    SystemCalls,
}

const ALL: [Step; 10] = [
    Step::Group,
    Step::Affinity,
    Step::OpenFiles,
    Step::PrivateTmp,
    Step::Bound,
    Step::User,
    Step::Capabilities,
    Step::NoNewPrivileges,
    Step::Files,
    Step::SystemCalls,
];

/// The bits below a step's number; no error of Linux is larger.
const ERRNO_BITS: u32 = 16;

impl Step {
    /// Its refusal, as the one number that a child can tell.
    pub(crate) fn refused(self, errno: Errno) -> io::Error {
        io::Error::from_raw_os_error((self as i32) << ERRNO_BITS | errno.raw_os_error())
    }

    /// The step that a child told of and why; nothing when it is an error of the system alone.
    pub(crate) fn told(error: &io::Error) -> Option<(Self, io::Error)> {
        let told = error.raw_os_error()?;
        let step = ALL.into_iter().find(|step| *step as i32 == told >> ERRNO_BITS)?;
        Some((step, io::Error::from_raw_os_error(told & ((1 << ERRNO_BITS) - 1))))
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Group => "entering its control group",
            Self::Affinity => "binding it to its processors",
            Self::OpenFiles => "limiting its open files",
            Self::PrivateTmp => "mounting a `/tmp` of its own (`security.privateTmp`)",
            Self::Bound | Self::Capabilities => "taking powers of root away (`security.capabilities`)",
            Self::User => "becoming its user (`security.user`)",
            Self::NoNewPrivileges => "forswearing more power (`security.allowPrivilegeEscalation`)",
            Self::Files => "shutting files away (`security.files`, `security.readOnlyHost`)",
            Self::SystemCalls => "filtering its system calls (`security.systemCalls`)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_travels_as_a_number_that_no_error_of_the_system_has() {
        for step in ALL {
            let (told, error) = Step::told(&step.refused(Errno::BUSY)).unwrap();
            assert_eq!((told, error.raw_os_error()), (step, Some(Errno::BUSY.raw_os_error())));
        }
        assert!(Step::told(&Errno::BUSY.into()).is_none());
    }
}
