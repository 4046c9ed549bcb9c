//! What lies in the package store and who needs it, and giving back what nobody needs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use aerolith_packages::{Cleaned, Digest, Item, Stored};
use aerolith_plan::{ServiceId, VersionId};
use serde::Serialize;
use tokio::sync::oneshot;

use super::Node;
use crate::blocking::blocking;
use crate::desired::Desired;
use crate::driver::{CleanError, Works, on_board, preview_clean};
use crate::prepare::Prepared;

/// One thing in the package store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageItem {
    /// `blob`, `tree`, `part`, `quarantined` or `staging`.
    pub kind: &'static str,
    /// Digest, or name.
    pub name: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes of a part once it is whole, where that is known.
    pub whole: Option<u64>,
    /// Milliseconds since 1970 of its last change.
    pub modified_ms: u64,
    /// Who needs it.
    pub state: PackageState,
    /// The services that are made of it or are to be, as `application.service`, sorted.
    pub used_by: Vec<String>,
    /// From where a part or a quarantined file comes.
    pub source: Option<String>,
    /// Why it is in quarantine: what was expected and what was found.
    pub refusal: Option<String>,
}

/// Who needs something in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PackageState {
    /// A version that is desired or runs is made of it.
    Used,
    /// Only the version before is made of it, to which going back is quick.
    Former,
    /// A configuration names it.
    Wanted,
    /// It is being fetched, built or read.
    Busy,
    /// A download that was cut off, and can go on.
    Unfinished,
    /// It did not verify. The store keeps few such files, and drops the oldest by itself.
    Refused,
    /// Nobody: the next cleaning takes it.
    Unused,
}

/// What is known of the users of what lies in the store.
struct Uses {
    versions: Vec<Version>,
    /// The services to which configurations promise a digest; none where no service has such a configuration.
    promised: BTreeMap<Digest, BTreeSet<String>>,
}

struct Version {
    service: ServiceId,
    is_former: bool,
    prepared: Prepared,
}

impl Node {
    /// Everything in the package store: trees, blobs, unfinished downloads, what is in quarantine.
    ///
    /// # Errors
    /// [`CleanError::Store`]: what the file system says.
    pub async fn packages(&self) -> Result<Vec<PackageItem>, CleanError> {
        let works = self.0.works.clone();
        blocking(move || {
            // In this order what has just been prepared is held, or on the board, or both.
            let items = works.preparer.store.list()?;
            let uses = Uses::of(&works);
            Ok(items.into_iter().map(|item| uses.shown(item)).collect())
        })
        .await?
    }

    /// Removes from the package store what nothing needs, as it happens by itself whenever a version is removed:
    /// nothing that the desired state names, that runs or was there before, or that is being fetched or built. With
    /// `dry_run` only says what would be removed as things are now, and waits for nothing that is under way. It goes to its
    /// end though the caller leaves.
    ///
    /// # Errors
    /// [`CleanError`]; what was removed by then stays so.
    pub async fn clean_packages(&self, dry_run: bool) -> Result<Cleaned, CleanError> {
        if dry_run {
            return preview_clean(&self.0.works).await;
        }
        let (answer, answered) = oneshot::channel();
        let asked = self.0.works.cleaning.send(answer).await;
        asked.map_err(|_| CleanError::Ended)?;
        answered.await.unwrap_or(Err(CleanError::Ended))
    }
}

impl Uses {
    /// Blocks.
    fn of(works: &Works) -> Self {
        let (desired, prepared) = on_board(works);
        let all = works.supervisor.all();
        let running: BTreeSet<VersionId> = all.iter().map(|watched| watched.version()).collect();
        let version = |(id, prepared)| Version {
            is_former: !desired.wants(&id) && !running.contains(&id),
            service: id.0,
            prepared,
        };
        Self {
            versions: prepared.into_iter().map(version).collect(),
            promised: promised(works, &desired),
        }
    }

    fn shown(&self, item: Item) -> PackageItem {
        let made_of_it = || self.versions.iter().filter(|v| v.prepared.uses(&item.what));
        let promised = match &item.what {
            Stored::Blob(digest) => self.promised.get(digest),
            _ => None,
        };
        let state = match &item.what {
            Stored::Quarantined(_) => PackageState::Refused,
            _ if made_of_it().any(|version| !version.is_former) => PackageState::Used,
            _ if item.held => PackageState::Busy,
            Stored::Part(_) => PackageState::Unfinished,
            _ if promised.is_some() => PackageState::Wanted,
            _ if made_of_it().next().is_some() => PackageState::Former,
            _ => PackageState::Unused,
        };
        let mut used_by: BTreeSet<String> = made_of_it().map(|version| version.service.to_string()).collect();
        used_by.extend(promised.into_iter().flatten().cloned());
        PackageItem {
            kind: item.what.kind(),
            name: item.what.name(),
            bytes: item.bytes,
            whole: item.whole,
            modified_ms: milliseconds(item.modified),
            state,
            used_by: used_by.into_iter().collect(),
            source: item.source,
            refusal: item.refusal,
        }
    }
}

fn promised(works: &Works, desired: &Desired) -> BTreeMap<Digest, BTreeSet<String>> {
    let mut users: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (service, goal) in desired.wanted() {
        for (configuration, _) in desired.used_by(goal) {
            users
                .entry(configuration.name.as_str())
                .or_default()
                .insert(service.to_string());
        }
    }
    let mut promised: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (pinned, digest) in works.promised(desired) {
        let of_digest = promised.entry(digest).or_default();
        of_digest.extend(users.get(pinned.configuration).into_iter().flatten().cloned());
    }
    promised
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
