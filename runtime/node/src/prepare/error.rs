//! Why a version of a service is not prepared.

use std::time::Duration;

use crate::blocking::LostThread;
use crate::durable::FileError;
use crate::enforcement::WrongUser;
use crate::fetch::FetchError;
use crate::layout::MountError;
use crate::plugins::NoProvider;
use crate::policy::NotAllowed;
use crate::program::PackageError;

/// Why a version of a service cannot be started yet. The one before it goes on running.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Its package or a volume's objects.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Its mounts.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// No engine.
    #[error(transparent)]
    NoEngine(#[from] NoProvider),
    /// The engine refused it.
    #[error("the {kind} engine refuses it: {error}")]
    Engine {
        /// The engine's kind.
        kind: String,
        /// What it answered.
        error: aerolith_plugin_wire::Error,
    },
    /// Its engine would run it as somebody else.
    #[error(transparent)]
    User(#[from] WrongUser),
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is desired no more.
    #[error("it is desired no more")]
    Superseded,
    /// A thread was lost.
    #[error(transparent)]
    Thread(#[from] LostThread),
    /// The preparation ended without a result: a fault of the program.
    #[error("preparing it ended early: {0}")]
    Lost(String),
}

impl PrepareError {
    /// Whether its package breaks a rule, rather than that something could not be done with it.
    #[must_use]
    pub fn is_of_the_package(&self) -> bool {
        matches!(self, Self::Package(error) if error.is_of_the_package())
    }

    /// Whether it is what the node's policy does not take.
    pub(crate) fn is_of_the_policy(&self) -> bool {
        match self {
            Self::Package(PackageError::Forbidden { .. }) => true,
            Self::Package(PackageError::Object { error, .. }) => matches!(**error, FetchError::Forbidden { .. }),
            Self::Mount(MountError::Host(NotAllowed::Unknown { .. })) => false,
            Self::Mount(MountError::Host(_)) => true,
            _ => false,
        }
    }

    /// Whether nothing but another policy or other resources can put it right. Where a link of the host leads, and what
    /// comes from an address, may be otherwise the next time, and nobody would tell.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(self, Self::Package(PackageError::Forbidden { .. }))
    }

    /// Whether it is this node's own disk that refuses: full, read-only or broken.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Package(PackageError::Store { error, .. }) => error.is_of_the_disk(),
            Self::Package(PackageError::Object { error, .. }) => error.is_of_the_disk(),
            _ => false,
        }
    }

    /// How long the place asked to be left alone.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Package(PackageError::Object { error, .. }) => error.wait(),
            _ => None,
        }
    }
}
