//! What the operator of the node demands of packages.

use aerolith_model::{Configuration, Entry, Key, Object, Sha256, Signature};
use aerolith_trust::{TrustedKeys, Untrusted};
use serde::Deserialize;

/// What packages must have to be taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackagePolicy {
    /// An object without sha256 and md5 is refused. Otherwise its first sha256 is pinned to that version of its
    /// configuration, and the status warns of it.
    pub require_digest: bool,
    /// Who must vouch for an object.
    pub signatures: Signatures,
    /// What is done about a program that is not any more what was published.
    pub edited: Edited,
}

/// What is done about a program whose entry or `program.yml` was edited on disk, before it is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Edited {
    /// It is put back from the store, and that is reported.
    #[default]
    Restore,
    /// It is not started until it is put back.
    Refuse,
}

/// Who must vouch for an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Signatures {
    /// Nobody: no key is configured to check a signature by, of which the status warns.
    #[default]
    Unchecked,
    /// Where there is a signature, one of these keys made it.
    Optional(TrustedKeys),
    /// One of these keys signed every object, and a program has nothing that is not in one.
    Required(TrustedKeys),
}

/// A rule of the policy that an entry of a configuration breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// No digest.
    #[error("it has neither sha256 nor md5, and this node's policy `requireDigest` asks for one: add its sha256")]
    NoDigest,
    /// No signature.
    #[error(
        "it has no signature, and `packages.signatures: required` in aerolith.yml asks for one: sign its file with \
         `aerolith package sign --key KEY FILE` and add the `signature` that this prints"
    )]
    Unsigned,
    /// Text that belongs to a program, for which nobody vouches.
    #[error(
        "it is plain text, for which no signature vouches, and `packages.signatures: required` in aerolith.yml asks \
         that all of a program is signed: put it into an object that is"
    )]
    PlainText,
    /// The signature of somebody else, or of something else.
    #[error(
        "{0}; sign its file with a trusted key, or add the signer's to the folder `packages.trust` of aerolith.yml"
    )]
    Untrusted(#[from] Untrusted),
}

impl PackagePolicy {
    /// Checks all that is known of a configuration before anything of it is fetched, and whether it is run or mounted;
    /// the first entry that may not be taken, with the rule.
    pub(crate) fn admits<'a>(
        &self,
        configuration: &'a Configuration,
        is_program: bool,
    ) -> Result<(), (&'a Key, Forbidden)> {
        configuration.data.iter().try_for_each(|(key, entry)| {
            let allowed = match entry {
                Entry::Object(object) => self.allows(object),
                Entry::Text(_) => self.takes_text(is_program),
            };
            allowed.map_err(|forbidden| (key, forbidden))
        })
    }

    fn allows(&self, object: &Object) -> Result<(), Forbidden> {
        self.takes(object.has_digest(), object.signature.as_ref())?;
        match &object.sha256 {
            Some(sha256) => self.vouches(object, sha256),
            None => Ok(()),
        }
    }

    /// Checks that an object has what is demanded, whatever it is worth.
    pub(crate) fn takes(&self, has_digest: bool, signature: Option<&Signature>) -> Result<(), Forbidden> {
        if self.require_digest && !has_digest {
            return Err(Forbidden::NoDigest);
        }
        if signature.is_none() && matches!(self.signatures, Signatures::Required(_)) {
            return Err(Forbidden::Unsigned);
        }
        Ok(())
    }

    pub(crate) fn takes_text(&self, is_of_a_program: bool) -> Result<(), Forbidden> {
        match self.signatures {
            Signatures::Required(_) if is_of_a_program => Err(Forbidden::PlainText),
            _ => Ok(()),
        }
    }

    /// Checks the signature of an object whose digest is known, from a promise or from its bytes.
    pub(crate) fn vouches(&self, object: &Object, sha256: &Sha256) -> Result<(), Forbidden> {
        if let Some(name) = self.signer(object.signature.as_ref(), sha256)? {
            tracing::debug!(url = object.url.shown(), key = name, "signed by a trusted key");
        }
        Ok(())
    }

    /// The name of the trusted key that signed a digest; nothing where none need have.
    pub(crate) fn signer(&self, signature: Option<&Signature>, sha256: &Sha256) -> Result<Option<&str>, Forbidden> {
        match (&self.signatures, signature) {
            (Signatures::Unchecked, _) | (Signatures::Optional(_), None) => Ok(None),
            (Signatures::Required(_), None) => Err(Forbidden::Unsigned),
            (Signatures::Optional(trusted) | Signatures::Required(trusted), Some(signature)) => {
                Ok(Some(trusted.verify(sha256, signature)?))
            }
        }
    }

    /// Whether there is anything that it would refuse.
    pub(crate) fn demands_something(&self) -> bool {
        self.require_digest || self.signatures != Signatures::Unchecked
    }

    /// Whether the signature of an object is there and counts for nothing.
    pub(crate) fn leaves_unchecked(&self, object: &Object) -> bool {
        object.signature.is_some() && self.signatures == Signatures::Unchecked
    }
}

#[cfg(test)]
mod tests;
