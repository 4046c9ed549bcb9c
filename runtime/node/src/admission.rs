//! What may be started. The policy is asked again of all that is prepared, since it may have become stricter: what runs goes
//! on, and nothing that it refuses is started, by nobody and for no reason.

use std::collections::BTreeMap;

use aerolith_model::{Entry, Key, Name, Signature};
use aerolith_plan::{Goal, VersionId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::desired::Desired;
use crate::policy::{Forbidden, PackagePolicy};
use crate::prepare::Prepared;

/// What speaks for an entry that a version is made of. It is kept with the version, whose configuration may be another by
/// the time that an instance of it is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claim {
    configuration: Name,
    key: Key,
    /// Nothing for text of a program.
    object: Option<ObjectClaim>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectClaim {
    has_digest: bool,
    signature: Option<Signature>,
}

/// Why a version may not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The policy does not take an entry.
    #[error("entry `{key}` of `{configuration}`: {error}")]
    Forbidden {
        configuration: Name,
        key: Key,
        error: Forbidden,
    },
    /// An object is not the one that was prepared, or nothing was prepared.
    #[error("it is not known what it was made of: it waits until it is prepared again")]
    Unknown,
}

/// What speaks for everything that a service is made of.
pub(crate) fn claims(desired: &Desired, goal: &Goal) -> Vec<Claim> {
    let used = desired.used_by(goal);
    let entries = used.flat_map(|(configuration, is_program)| {
        let entries = configuration.data.iter();
        entries.map(move |(key, entry)| (&configuration.name, is_program, key, entry))
    });
    let claim = |(configuration, is_program, key, entry): (&Name, bool, &Key, &Entry)| {
        let object = match entry {
            Entry::Object(object) => Some(ObjectClaim {
                has_digest: object.has_digest(),
                signature: object.signature,
            }),
            Entry::Text(_) if is_program => None,
            Entry::Text(_) => return None,
        };
        let (configuration, key) = (configuration.clone(), key.clone());
        Some(Claim {
            configuration,
            key,
            object,
        })
    };
    entries.filter_map(claim).collect()
}

/// Asks the policy of a version, by the digests of what was prepared.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn judge(policy: &PackagePolicy, prepared: Option<&Prepared>) -> Result<(), Refusal> {
    if !policy.demands_something() {
        return Ok(());
    }
    let prepared = prepared.ok_or(Refusal::Unknown)?;
    let claims = prepared.claims().ok_or(Refusal::Unknown)?;
    claims.iter().try_for_each(|claim| claim.judge(policy, prepared))
}

impl Claim {
    fn judge(&self, policy: &PackagePolicy, prepared: &Prepared) -> Result<(), Refusal> {
        let judged = match &self.object {
            None => policy.takes_text(true),
            Some(object) => {
                let sha256 = prepared
                    .digest(&self.configuration, &self.key)
                    .ok_or(Refusal::Unknown)?;
                let signature = object.signature.as_ref();
                let taken = policy.takes(object.has_digest, signature);
                taken.and_then(|()| policy.signer(signature, &sha256).map(drop))
            }
        };
        judged.map_err(|error| Refusal::Forbidden {
            configuration: self.configuration.clone(),
            key: self.key.clone(),
            error,
        })
    }
}

/// The versions that may not be started; not known before the desired state has been read.
#[derive(Debug, Default)]
pub(crate) struct Admission(watch::Sender<Option<BTreeMap<VersionId, Refusal>>>);

impl Admission {
    /// Takes what was judged of every version.
    pub(crate) fn replace(&self, refused: BTreeMap<VersionId, Refusal>) {
        self.0.send_replace(Some(refused));
    }

    /// Takes what was judged of one version.
    pub(crate) fn set(&self, version: VersionId, judged: Result<(), Refusal>) {
        self.0.send_modify(|known| {
            let refused = known.get_or_insert_default();
            match judged {
                Ok(()) => drop(refused.remove(&version)),
                Err(refusal) => drop(refused.insert(version, refusal)),
            }
        });
    }

    /// Whether nothing is known against a version.
    pub(crate) fn admits(&self, version: &VersionId) -> bool {
        let known = self.0.borrow();
        known.as_ref().is_none_or(|refused| !refused.contains_key(version))
    }

    /// Whether a version may be started, once that is known.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) async fn of(&self, version: &VersionId) -> Result<(), Refusal> {
        let mut known = self.0.subscribe();
        // The sender is here: waiting cannot fail.
        let Ok(known) = known.wait_for(Option::is_some).await else {
            return Err(Refusal::Unknown);
        };
        let refusal = known.as_ref().and_then(|refused| refused.get(version));
        refusal.cloned().map_or(Ok(()), Err)
    }

    /// Waits until a version is refused no more, or for another reason.
    pub(crate) async fn reconsidered(&self, version: &VersionId, refusal: &Refusal) {
        let is_other = |known: &Option<BTreeMap<_, _>>| known.as_ref().and_then(|r| r.get(version)) != Some(refusal);
        // As above.
        let _ = self.0.subscribe().wait_for(is_other).await;
    }
}
