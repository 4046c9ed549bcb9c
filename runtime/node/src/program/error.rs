//! Why a package does not become a tree.

use aerolith_packages::StoreError;

use super::MANIFEST;
use crate::fetch::FetchError;
use crate::policy::Forbidden;

/// Why a package does not become a tree.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Nobody could say which objects are for this machine.
    #[error("package `{package}`: {reason}")]
    Unresolved {
        /// The package.
        package: String,
        /// What the resolver answered: the platform and all keys.
        reason: String,
    },
    /// The node's policy does not take an entry of it. Nothing was fetched.
    #[error("entry `{key}` of `{package}`: {error}")]
    Forbidden {
        /// The package.
        package: String,
        /// The variable name.
        key: String,
        /// Which rule.
        error: Forbidden,
    },
    /// One object could not be had.
    #[error("object `{key}` of `{package}`: {error}")]
    Object {
        /// The package.
        package: String,
        /// The variable name.
        key: String,
        /// Why.
        error: Box<FetchError>,
    },
    /// No `program.yml`.
    #[error(
        "package `{package}` has no {MANIFEST} at its root: put one there, in an archive or as a text entry, with a line \
         such as `entry: bin/app`"
    )]
    NoManifest {
        /// The package.
        package: String,
    },
    /// A bad `program.yml`.
    #[error("package `{package}`: {reason}")]
    Manifest {
        /// The package.
        package: String,
        /// What and where.
        reason: String,
    },
    /// The store refused the tree.
    #[error("package `{package}`: {error}")]
    Store {
        /// The package.
        package: String,
        /// Why.
        error: Box<StoreError>,
    },
}

impl PackageError {
    /// Whether the package breaks a rule, rather than that something could not be done with it.
    #[must_use]
    pub fn is_of_the_package(&self) -> bool {
        match self {
            Self::Forbidden { .. } | Self::NoManifest { .. } | Self::Manifest { .. } => true,
            Self::Object { error, .. } => error.is_of_the_object(),
            Self::Store { error, .. } => error.is_of_the_content(),
            Self::Unresolved { .. } => false,
        }
    }

    /// Whether the same package gives the same error for ever: what it was made of is known byte by byte, or not taken at all.
    pub(crate) const fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Forbidden { .. } | Self::NoManifest { .. } | Self::Manifest { .. }
        )
    }
}
