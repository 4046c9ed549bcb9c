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

    /// Whether nothing but another policy or other resources can put it right. Where a link of the host leads, what comes
    /// from an address, and which plugins there are may be otherwise the next time, and nobody would tell.
    pub(crate) const fn is_lasting(&self) -> bool {
        match self {
            Self::Package(error) => error.is_lasting(),
            Self::Mount(error) => error.is_lasting(),
            _ => false,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_model::TemplateError;

    fn of_package(error: PackageError) -> PrepareError {
        PrepareError::Package(error)
    }

    #[test]
    fn what_the_resources_say_lasts_and_what_others_bring_does_not() {
        let (package, reason) = (String::from("weather"), String::from("unknown key `entrie`"));
        let manifest = PackageError::Manifest {
            package: package.clone(),
            reason: reason.clone(),
        };
        let template = MountError::Template {
            configuration: "conf".parse().unwrap(),
            key: "a".into(),
            error: TemplateError::Open { line: 1 },
        };
        for lasting in [
            of_package(manifest),
            of_package(PackageError::NoManifest {
                package: package.clone(),
            }),
            template.into(),
        ] {
            assert!(lasting.is_lasting(), "{lasting}");
        }
        let no_fetcher = NoProvider::Fetcher {
            scheme: "htp".into(),
            others: Vec::new(),
        };
        for passing in [
            of_package(PackageError::Unresolved {
                package: package.clone(),
                reason,
            }),
            of_package(PackageError::Object {
                package,
                key: "a".into(),
                error: Box::new(FetchError::NoFetcher(no_fetcher)),
            }),
            PrepareError::Superseded,
        ] {
            assert!(!passing.is_lasting(), "{passing}");
        }
    }
}
