//! The part of `aerolith.yml` about packages.

use std::path::PathBuf;

use aerolith_node::{Edited, PackagePolicy, Signatures};
use aerolith_packages::Limits;
use aerolith_trust::TrustedKeys;
use serde::Deserialize;

use super::absolute;
use crate::outcome::Wrong;
use crate::size::Size;

/// What packages must have to be taken, and what they may cost at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Packages {
    /// Whether an object without any digest is refused.
    pub(crate) require_digest: bool,
    /// Whether a trusted key must have signed an object.
    pub(crate) signatures: Demand,
    /// Folder of the public keys that are trusted.
    #[serde(deserialize_with = "absolute")]
    #[cfg_attr(test, schemars(regex(pattern = "^/")))]
    pub(crate) trust: Option<PathBuf>,
    /// What is done about a program that was edited on disk.
    pub(crate) edited: Edited,
    /// Bytes of one download.
    pub(crate) max_download: Option<Size>,
    /// Bytes of all files of one package.
    pub(crate) max_unpacked: Option<Size>,
    /// Bytes of one file of a package.
    pub(crate) max_file: Option<Size>,
    /// Files, folders and links of one package.
    pub(crate) max_entries: Option<u64>,
}

/// Whether something must be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Demand {
    /// It may be absent.
    #[default]
    Optional,
    /// What lacks it is refused.
    Required,
}

impl Packages {
    /// The store's limits, with what is said here in place of the defaults.
    pub(crate) fn limits(&self) -> Limits {
        let default = Limits::default();
        let bytes = |size: Option<Size>, otherwise| size.map_or(otherwise, |size| size.0);
        Limits {
            max_download: bytes(self.max_download, default.max_download),
            max_unpacked_total: bytes(self.max_unpacked, default.max_unpacked_total),
            max_file: bytes(self.max_file, default.max_file),
            max_entries: self.max_entries.unwrap_or(default.max_entries),
            ..default
        }
    }

    /// What the node demands. Reads the trusted keys.
    ///
    /// # Errors
    /// [`Wrong`] when a key cannot be used, or where signatures are required and nobody is trusted.
    pub(crate) fn policy(&self) -> Result<PackagePolicy, Wrong> {
        Ok(PackagePolicy {
            require_digest: self.require_digest,
            signatures: self.signatures()?,
            edited: self.edited,
        })
    }

    fn signatures(&self) -> Result<Signatures, Wrong> {
        let required = self.signatures == Demand::Required;
        let Some(folder) = &self.trust else {
            return match required {
                false => Ok(Signatures::Unchecked),
                true => Err(nobody("no folder of keys is named")),
            };
        };
        let trusted = TrustedKeys::load(folder).map_err(|error| Wrong::new(format!("packages.trust: {error}")))?;
        match (required, trusted.is_empty()) {
            (true, true) => Err(nobody(&format!(
                "there is no `*.pub` or `*.pem` in {}",
                folder.display()
            ))),
            (true, false) => Ok(Signatures::Required(trusted)),
            (false, is_empty) => {
                if is_empty {
                    tracing::warn!(folder = %folder.display(), "no key is trusted: every signed package is refused");
                }
                Ok(Signatures::Optional(trusted))
            }
        }
    }
}

fn nobody(reason: &str) -> Wrong {
    Wrong {
        message: format!("packages.signatures is `required` and nobody is trusted: {reason}"),
        hint: Some(
            "put public keys, such as `aerolith package keygen` makes, into the folder `packages.trust`, as NAME.pub or \
             NAME.pem"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_trust::SigningKey;
    use std::fs;

    fn packages(text: &str) -> Packages {
        aerolith_model::read_yaml("p.yml", text).unwrap()
    }

    #[test]
    fn packages_have_limits_of_their_own_and_the_rest_stays() {
        let packages = packages("{requireDigest: true, edited: refuse, maxDownload: 64Mi, maxEntries: 7}");
        let limits = packages.limits();
        assert_eq!((limits.max_download, limits.max_entries), (64 << 20, 7));
        assert_eq!(limits.max_file, Limits::default().max_file);
        let policy = packages.policy().unwrap();
        assert!(policy.require_digest && policy.edited == Edited::Refuse);
    }

    #[test]
    fn without_a_word_about_them_signatures_are_not_checked() {
        assert_eq!(Packages::default().policy().unwrap(), PackagePolicy::default());
    }

    #[test]
    fn required_signatures_need_a_key_to_check_them_by() {
        let folder = tempfile::tempdir().unwrap();
        let trust = folder.path().display();
        for (text, reason) in [
            ("{signatures: required}".to_owned(), "no folder of keys is named"),
            (
                format!("{{signatures: required, trust: {trust}}}"),
                "no `*.pub` or `*.pem` in",
            ),
            (
                format!("{{signatures: required, trust: {trust}/absent}}"),
                "no `*.pub` or `*.pem` in",
            ),
        ] {
            let wrong = packages(&text).policy().unwrap_err();
            assert!(
                wrong.message.contains(reason) && wrong.hint.is_some(),
                "{}",
                wrong.message
            );
        }
        fs::write(folder.path().join("bad.pem"), "no key").unwrap();
        let wrong = packages(&format!("{{trust: {trust}}}")).policy().unwrap_err();
        assert!(wrong.message.contains("bad.pem"), "{}", wrong.message);
    }

    #[test]
    fn with_a_key_signatures_are_checked_and_demanded_as_the_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let (trust, key) = (folder.path().display(), SigningKey::generate().unwrap());
        let empty = packages(&format!("{{trust: {trust}}}")).policy().unwrap();
        assert_eq!(empty.signatures, Signatures::Optional(TrustedKeys::default()));
        fs::write(folder.path().join("ours.pem"), key.public().to_string()).unwrap();
        let trusted: TrustedKeys = [("ours".to_owned(), key.public())].into_iter().collect();
        for (demand, signatures) in [
            ("optional", Signatures::Optional(trusted.clone())),
            ("required", Signatures::Required(trusted)),
        ] {
            let policy = packages(&format!("{{signatures: {demand}, trust: {trust}}}")).policy();
            assert_eq!(policy.unwrap().signatures, signatures);
        }
    }
}
