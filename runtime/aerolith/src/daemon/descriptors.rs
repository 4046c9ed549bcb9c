//! As many open files as the system allows: every connection, download and program that runs takes some.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one. The soft one is low for the sake of programs that use `select`, which
/// this one does not.
pub(super) fn allow_all() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let low = Rlimit {
            current: Some(maximum.unwrap_or(u64::MAX).min(512)),
            maximum,
        };
        setrlimit(Resource::Nofile, low).unwrap();
        allow_all();
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
    }
}
