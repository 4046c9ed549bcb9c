//! Removing what nothing is made of any more: once something was removed and all is quiet, and whenever somebody asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aerolith_packages::{Cleaned, Digest, KeptParts, StoreError, Stored};
use tokio::sync::oneshot;

use super::{Driver, Works};
use crate::blocking::{LostThread, blocking};
use crate::desired::Desired;
use crate::durable::{self, FileError};
use crate::pins::Pinned;
use crate::prepare::{self, Prepared};
use aerolith_plan::VersionId;

/// Time that a cut off download stays for somebody to come back for it.
const PART_STAYS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Bytes of all of them together.
const PARTS_STAY: u64 = 4 << 30;

/// Somebody asks for a cleaning, and is answered here.
pub(crate) type Request = oneshot::Sender<Result<Cleaned, CleanError>>;

/// Why what nobody needs stays.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The package store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// A thread was lost.
    #[error(transparent)]
    Thread(#[from] LostThread),
    /// The node is ending.
    #[error("the node is ending, and cleans no more")]
    Ended,
}

impl Driver {
    /// Removes what nothing is made of any more, in the store and of the output of applications that are gone, when
    /// something was removed. While something is being prepared it waits: what that is about to take may lie in the
    /// store, where nobody holds it yet, and would have to be fetched again. When the disk refuses something, it does not.
    /// Answers whether it did.
    pub(super) async fn clean(&mut self) -> bool {
        let is_time = self.unclean && self.jobs.is_empty();
        if !is_time && !self.is_cramped {
            return false;
        }
        (self.unclean, self.is_cramped) = (self.unclean && !is_time, false);
        let rest = self.clean_logs().await.and(self.clean_versions().await);
        let cleaned = rest.and(clean_store(&self.works).await.map(drop));
        let refused = cleaned.err().map(|error| error.to_string());
        if let Some(error) = &refused {
            tracing::warn!(error, "something that nobody needs stays for now");
        }
        self.works.board().unclean = refused;
        true
    }

    /// Cleans the store because somebody asks, whatever is under way: what is being fetched or built is held until it
    /// is on the board, and only this task puts it there. What was applied before is desired by now.
    pub(super) async fn answer(&mut self, request: Request) {
        self.read_desired().await;
        let cleaned = clean_store(&self.works).await;
        if cleaned.is_ok() {
            self.works.board().unclean = None;
        }
        // Who asked may have left.
        let _ = request.send(cleaned);
    }

    /// Removes what was prepared in part of versions that nobody wants any more.
    async fn clean_versions(&self) -> Result<(), CleanError> {
        let mut kept: BTreeSet<VersionId> = {
            let board = self.works.board();
            board.troubles.keys().chain(&board.preparing).cloned().collect()
        };
        kept.extend(self.works.supervisor.all().iter().map(|watched| watched.version()));
        let folders = self.works.preparer.folders.clone();
        Ok(blocking(move || prepare::load(&folders, &kept).map(drop)).await??)
    }

    async fn clean_logs(&self) -> Result<(), CleanError> {
        let kept = self.applications_left();
        let logs = self.works.preparer.folders.logs();
        blocking(move || {
            for folder in durable::entries(&logs)? {
                let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
                if !name.is_some_and(|name| kept.contains(&name)) {
                    durable::remove(&folder)?;
                }
            }
            Ok(())
        })
        .await?
    }

    /// The applications that are desired or of which something is left.
    fn applications_left(&self) -> BTreeSet<String> {
        let board = self.works.board();
        let watched = self.works.supervisor.all();
        let mut left: BTreeSet<String> = watched
            .iter()
            .map(|w| w.run.instance.service.application.to_string())
            .collect();
        left.extend(board.desired.generations.keys().map(ToString::to_string));
        left.extend(board.desired.held.keys().cloned());
        left
    }
}

impl Works {
    /// The digests of what the desired state names: what came of it stays, also while the rest of its package cannot
    /// be had. Blocks.
    pub(crate) fn promised<'a>(&'a self, desired: &'a Desired) -> impl Iterator<Item = (Pinned<'a>, Digest)> {
        let downloads = &self.preparer.downloads;
        let objects = desired.objects();
        objects.filter_map(|(pinned, object)| Some((pinned, downloads.promised(pinned, object)?)))
    }
}

/// Takes from the store what neither the desired state names nor a prepared version is made of.
async fn clean_store(works: &Arc<Works>) -> Result<Cleaned, CleanError> {
    let works = works.clone();
    blocking(move || {
        let (contexts, prepared) = made_of(&works);
        let is_configured = |name: &str| contexts.iter().any(|desired| desired.configuration(name).is_some());
        works.preparer.downloads.forget(is_configured)?;
        let is_needed = needed(&works, &contexts, &prepared);
        Ok(works.preparer.store.clean(&kept_parts(), is_needed)?)
    })
    .await?
}

/// What a cleaning would take now. It only looks, so that neither waits for the other: this and the driver.
pub(crate) async fn preview_clean(works: &Arc<Works>) -> Result<Cleaned, CleanError> {
    let works = works.clone();
    blocking(move || {
        let (contexts, prepared) = made_of(&works);
        let is_needed = needed(&works, &contexts, &prepared);
        Ok(works.preparer.store.preview_clean(&kept_parts(), is_needed)?)
    })
    .await?
}

/// Whether the desired state names something, or a deployment that may be put back does, or a prepared version is made of it. Blocks.
fn needed<'a>(
    works: &Works,
    contexts: &[Arc<Desired>],
    prepared: &'a BTreeMap<VersionId, Prepared>,
) -> impl Fn(&Stored) -> bool + use<'a> {
    let promised = contexts.iter().flat_map(|desired| works.promised(desired));
    let promised: BTreeSet<Digest> = promised.map(|(_, digest)| digest).collect();
    move |stored| {
        let is_promised = matches!(stored, Stored::Blob(digest) if promised.contains(digest));
        is_promised || prepared.values().any(|version| version.uses(stored))
    }
}

/// What is desired and what is prepared, at one moment.
pub(crate) fn on_board(works: &Works) -> (Arc<Desired>, BTreeMap<VersionId, Prepared>) {
    let board = works.board();
    (board.desired.clone(), board.prepared.clone())
}

/// What something may be made of and what is prepared, at one moment.
fn made_of(works: &Works) -> (Vec<Arc<Desired>>, BTreeMap<VersionId, Prepared>) {
    let board = works.board();
    (board.contexts(), board.prepared.clone())
}

fn kept_parts() -> KeptParts {
    let since = SystemTime::now().checked_sub(PART_STAYS);
    KeptParts {
        since: since.unwrap_or(SystemTime::UNIX_EPOCH),
        bytes: PARTS_STAY,
    }
}
