//! Whose fault it is when something does not succeed. What can be mended in a package, in a file that is named or in how
//! something is asked for is the operator's own mistake; what the system, a network or a plugin refuses is a failure.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;

use aerolith_builder::{BuildError, TreeError};
use aerolith_node::PrepareError;
use aerolith_packages::StoreError;
use aerolith_plugin_wire::{Code, Error as Refusal};
use aerolith_trust::KeyError;

use crate::outcome::Wrong;

/// An error of which it can be told whose fault it is.
pub(super) trait Mistake: Error + Send + Sync + 'static {
    /// Whether it is the operator's.
    fn is_mistake(&self) -> bool;
}

/// Sorts an error for the exit code: a mistake becomes [`Wrong`].
pub(super) fn judged(error: impl Mistake) -> anyhow::Error {
    if error.is_mistake() {
        Wrong::new(error.to_string()).into()
    } else {
        error.into()
    }
}

/// The same, with what it is about in front.
pub(super) fn judged_of(what: impl fmt::Display, error: impl Mistake) -> anyhow::Error {
    judged(About {
        what: what.to_string(),
        error,
    })
}

#[derive(Debug, thiserror::Error)]
#[error("{what}: {error}")]
struct About<E: Mistake> {
    what: String,
    error: E,
}

impl<E: Mistake> Mistake for About<E> {
    fn is_mistake(&self) -> bool {
        self.error.is_mistake()
    }
}

impl Mistake for BuildError {
    fn is_mistake(&self) -> bool {
        self.is_of_the_request()
    }
}

impl Mistake for TreeError {
    fn is_mistake(&self) -> bool {
        self.is_of_the_tree()
    }
}

impl Mistake for StoreError {
    fn is_mistake(&self) -> bool {
        self.is_of_the_content()
    }
}

impl Mistake for PrepareError {
    fn is_mistake(&self) -> bool {
        self.is_of_the_package()
    }
}

/// A plugin's answer.
impl Mistake for Refusal {
    fn is_mistake(&self) -> bool {
        self.code == Code::Invalid
    }
}

impl Mistake for KeyError {
    fn is_mistake(&self) -> bool {
        match self {
            Self::Read { source, .. } => matches!(source.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory),
            Self::Random(_) => false,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{FAILED, WRONG, code};

    #[test]
    fn a_file_that_is_not_there_is_a_mistake_and_a_full_disk_is_none() {
        for (kind, expected) in [(ErrorKind::NotFound, WRONG), (ErrorKind::StorageFull, FAILED)] {
            let io = || std::io::Error::from(kind);
            let path = std::path::PathBuf::from("a");
            let tree = || TreeError::Io {
                path: path.clone(),
                source: io(),
            };
            let key = KeyError::Read {
                path: path.clone(),
                source: io(),
            };
            assert_eq!(code(&judged(tree())), expected);
            assert_eq!(code(&judged(BuildError::from(tree()))), expected);
            assert_eq!(code(&judged_of("b", tree())), expected);
            assert_eq!(code(&judged(key)), expected);
        }
    }

    #[test]
    fn a_resolver_that_is_asked_for_no_platform_says_so_and_one_that_fails_does_not() {
        for (refusal, expected) in [(Code::Invalid, WRONG), (Code::NotFound, FAILED), (Code::Io, FAILED)] {
            let error = judged_of("package `weather`", Refusal::new(refusal, "z80"));
            assert_eq!(
                (code(&error), &*error.to_string()),
                (expected, "package `weather`: z80")
            );
        }
    }
}
