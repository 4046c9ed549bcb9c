//! The narrow waist: every type that crosses the edge of a plugin library, and nothing else.
//!
//! This is the only crate that names `abi_stable` and `async-ffi`. It knows no capability, no JSON and no runtime: what
//! is said across the waist is the business of `aerolith-plugin-wire`. Types here are frozen; members are only ever
//! appended, behind `last_prefix_field`, and an appended trait method has a default body.
#![allow(unsafe_code, reason = "the library edge itself: each block says why it is sound")]

pub mod c;
mod check;
mod export;
mod waist;

pub use check::{HEADER_SYMBOL, Header, Incompatible, open};
pub use export::{CheckTypeLayout, LibHeader, RootResult, leak_host_table, leak_root, root_result};
pub use waist::*;

/// A version of the plugin API. Two sides talk iff their majors are equal and each side's minimum is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Incremented when something incompatible changes.
    pub major: u32,
    /// Incremented when something is appended.
    pub minor: u32,
}

/// The API version of this build.
pub const API: Version = Version { major: 0, minor: 2 };

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Why a text is no API version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no API version: expected MAJOR.MINOR such as `{API}`")]
pub struct BadVersion(String);

impl std::str::FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.to_owned());
        let (major, minor) = text.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            major: major.parse().map_err(|_| bad())?,
            minor: minor.parse().map_err(|_| bad())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_back_what_it_prints() {
        assert_eq!(API.to_string().parse(), Ok(API));
        assert_eq!("1.12".parse(), Ok(Version { major: 1, minor: 12 }));
    }

    #[test]
    fn a_text_that_is_no_version_is_refused_by_name() {
        for text in ["", "1", "1.x", "-1.0", "1.0.0"] {
            let error = text.parse::<Version>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn the_crate_version_carries_the_api_minor() {
        assert_eq!(env!("CARGO_PKG_VERSION"), format!("0.1.{}", API.minor));
    }
}
