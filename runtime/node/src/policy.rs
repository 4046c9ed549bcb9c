//! What the operator of the node demands of packages.

use serde::Deserialize;

/// What packages must have to be taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackagePolicy {
    /// An object without sha256 and md5 is refused. Otherwise its first sha256 is pinned to that version of its
    /// configuration, and the status warns of it.
    pub require_digest: bool,
    /// What is done about a program that is not any more what was published.
    pub edited: Edited,
}

/// What is done about a program whose entry or `program.yml` was edited on disk, before it is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edited {
    /// It is put back from the store, and that is reported.
    #[default]
    Restore,
    /// It is not started until it is put back.
    Refuse,
}

/// A rule of the policy that an object breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// No digest.
    #[error("it has neither sha256 nor md5, and this node's policy `requireDigest` asks for one: add its sha256")]
    NoDigest,
}

impl PackagePolicy {
    /// Checks what is promised of an object, before anything of it is fetched.
    pub(crate) fn allows(&self, object: &aerolith_model::Object) -> Result<(), Forbidden> {
        if self.require_digest && !object.has_digest() {
            return Err(Forbidden::NoDigest);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_of_either_kind_satisfies_a_policy_that_asks_for_one() {
        let strict = PackagePolicy {
            require_digest: true,
            ..PackagePolicy::default()
        };
        for (json, allowed) in [
            (r#"{"url":"http://h/a"}"#, false),
            (r#"{"url":"http://h/a","size":3}"#, false),
            (r#"{"url":"http://h/a","md5":"0123456789abcdef0123456789abcdef"}"#, true),
        ] {
            let object = serde_json::from_str(json).unwrap();
            assert_eq!(strict.allows(&object).is_ok(), allowed, "{json}");
            assert!(PackagePolicy::default().allows(&object).is_ok());
        }
    }
}
