//! Makes sure that the store has an object: it may be there already, under a digest or by what its place says; else its
//! bytes come from a fetcher, on as many tries as it takes, and files stay off the async threads.

mod error;
mod patience;
mod report;
mod transfer;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aerolith_model::Object;
use aerolith_packages::{Blob, Digest, Download, Expected, Ingest, Store, StoreError};
use aerolith_plugin_wire::fetcher::Validator;
use tokio::sync::mpsc;

use crate::blocking::{LostThread, blocking};
use crate::pins::{Pin, Pinned, Pins};
use crate::plugins::{self, Plugins};
use crate::policy::{Forbidden, PackagePolicy};
use patience::{FIRST_PAUSE, Pauses};
use transfer::{Moved, Order, PIECES, Progress, Transfer};

pub use error::FetchError;
pub(crate) use report::{Report, Reporter};

/// An object that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) pinned: Pinned<'a>,
    pub(crate) object: &'a Object,
    /// What the fetcher proves itself by, or why that cannot be had.
    pub(crate) credentials: Result<BTreeMap<String, String>, String>,
}

/// Makes sure of objects, each content once at a time.
pub(crate) struct Downloads {
    store: Store,
    plugins: Arc<dyn Plugins>,
    policy: PackagePolicy,
    pins: Arc<Pins>,
    first_pause: Duration,
    under_way: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Downloads {
    pub(crate) fn new(store: Store, plugins: Arc<dyn Plugins>, policy: PackagePolicy, pins: Pins) -> Self {
        Self {
            store,
            plugins,
            policy,
            pins: Arc::new(pins),
            first_pause: FIRST_PAUSE,
            under_way: Mutex::default(),
        }
    }

    /// What the node demands of packages.
    pub(crate) const fn policy(&self) -> &PackagePolicy {
        &self.policy
    }

    /// The stored bytes of an object. Also of what was here before, its signature is checked: a stored content gets
    /// around nothing.
    pub(crate) async fn object(&self, wanted: &Wanted<'_>, report: &Report<'_>) -> Result<Blob, FetchError> {
        let blob = self.blob(wanted, report).await?;
        let vouched = self.policy.vouches(wanted.object, &blob.digest().bytes().into());
        vouched.map(|()| blob).map_err(|error| forbidden(wanted.object, error))
    }

    /// An object whose bytes lie in a file of this machine: they are held to the same.
    pub(crate) async fn file(&self, object: &Object, file: PathBuf) -> Result<Blob, FetchError> {
        let (store, expected) = (self.store.clone(), expected(object, None)?);
        let taken = blocking(move || store.take(&file, expected)).await?;
        let blob = taken.map_err(|error| FetchError::Refused {
            url: object.url.shown(),
            error,
        })?;
        let vouched = self.policy.vouches(object, &blob.digest().bytes().into());
        vouched.map(|()| blob).map_err(|error| forbidden(object, error))
    }

    /// The bytes that are promised, whoever vouches for them.
    async fn blob(&self, wanted: &Wanted<'_>, report: &Report<'_>) -> Result<Blob, FetchError> {
        let object = wanted.object;
        let pin = self.pin(wanted);
        let expected = expected(object, pin)?;
        let identity = content(&expected).unwrap_or_else(|| object.url.to_string());
        let one = self.one_at_a_time(identity);
        let _turn = one.lock().await;
        if let Some(blob) = self.stored(&expected).await? {
            report.reused(&blob);
            return Ok(blob);
        }
        match self.fetch(wanted, expected.clone(), report).await {
            // Once may be a fault of the line.
            Err(FetchError::Refused {
                url,
                error: StoreError::Mismatch { .. } | StoreError::Changed { .. },
            }) => {
                tracing::warn!(url, "a download is not what was promised; it is fetched once more");
                self.fetch(wanted, expected, report).await
            }
            other => other,
        }
        .map_err(|error| repinned(pin, error))
    }

    /// The digest that is promised of an object of the desired state, so that what has it must be kept. Blocks.
    pub(crate) fn promised(&self, pinned: Pinned<'_>, object: &Object) -> Option<Digest> {
        match (&object.sha256, &object.md5) {
            (Some(sha256), _) => sha256.as_str().parse().ok(),
            (None, Some(md5)) => self.store.noted_md5(&md5.as_str().parse().ok()?),
            (None, None) => self.pins.get(pinned),
        }
    }

    /// Forgets what is known of configurations that are gone. Blocks.
    pub(crate) fn forget(&self, is_there: impl Fn(&str) -> bool) -> Result<(), crate::durable::FileError> {
        self.pins.retain(is_there)
    }

    fn pin(&self, wanted: &Wanted<'_>) -> Option<Digest> {
        if wanted.object.has_digest() {
            None
        } else {
            self.pins.get(wanted.pinned)
        }
    }

    /// One that is known by its MD5 alone is read to its end.
    async fn stored(&self, expected: &Expected) -> Result<Option<Blob>, FetchError> {
        let (store, sha256, md5) = (self.store.clone(), expected.sha256, expected.md5);
        let look = move || match (sha256, md5) {
            (Some(digest), _) => store.blob(&digest),
            (None, Some(md5)) => store.blob_by_md5(&md5),
            (None, None) => Ok(None),
        };
        Ok(blocking(look).await??)
    }

    fn one_at_a_time(&self, identity: String) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| turn.strong_count() > 0);
        let known = all.get(&identity).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turn = Arc::default();
            all.insert(identity, Arc::downgrade(&turn));
            turn
        })
    }

    async fn fetch(&self, wanted: &Wanted<'_>, expected: Expected, report: &Report<'_>) -> Result<Blob, FetchError> {
        let url = wanted.object.url.shown();
        let former = self.former(wanted, &expected)?;
        let fetcher = plugins::fetcher(&*self.plugins, &scheme(wanted.object)).await?;
        let credentials = wanted.credentials.clone();
        let credentials = credentials.map_err(|reason| FetchError::Credentials {
            url: url.clone(),
            reason,
        })?;
        let mut request = transfer::request(wanted.object, credentials);
        request.unless = former
            .as_ref()
            .map(|(_, validator)| validator.clone())
            .unwrap_or_default();
        let proven = expected.sha256.is_some();
        let ingest = self.ingest(wanted.object, &url, expected).await?;
        let progress = Progress::of(&ingest, proven);
        report.begin(progress.bytes);
        let is_whole = ingest.missing() == Some(0);
        let (orders, received) = mpsc::channel(PIECES);
        let writer = tokio::task::spawn_blocking(move || write(ingest, received));
        let transfer = Transfer {
            fetcher: &fetcher,
            request,
            shown: &url,
            orders,
            pauses: Pauses::new(self.first_pause),
            report,
            progress,
        };
        let moved = if is_whole {
            Ok(transfer.end().await)
        } else {
            transfer.run().await
        };
        let written = writer.await.map_err(LostThread::from)?;
        match (written, moved, former) {
            (Err(error), _, _) => Err(FetchError::Refused { url, error }),
            (Ok(_), Err((error, count)), _) => Err(FetchError::Fetch { url, error, count }),
            (Ok(_), Ok(Moved::Unchanged), Some((blob, validator))) => {
                report.reused(&blob);
                self.note(wanted, &blob, validator).await?;
                Ok(blob)
            }
            (Ok(Some(blob)), Ok(Moved::Whole(validator)), _) => {
                report.fetched(&blob);
                self.note(wanted, &blob, validator).await?;
                Ok(blob)
            }
            (Ok(_), Ok(_), _) => Err(FetchError::Nothing { url }),
        }
    }

    /// Begins to take an object, or goes on with what is here of it.
    async fn ingest(&self, object: &Object, url: &str, expected: Expected) -> Result<Ingest, FetchError> {
        let download = Download {
            key: format!("{} {}", object.url, content(&expected).unwrap_or_default()),
            source: url.to_owned(),
            expected,
        };
        let store = self.store.clone();
        let begun = blocking(move || store.ingest(download)).await?;
        begun.map_err(|error| FetchError::Refused {
            url: url.to_owned(),
            error,
        })
    }

    /// What came from the same place for a version before, as long as nothing is promised and the store has it still.
    fn former(&self, wanted: &Wanted<'_>, expected: &Expected) -> Result<Option<(Blob, Validator)>, StoreError> {
        if expected.sha256.is_some() || expected.md5.is_some() {
            return Ok(None);
        }
        let Some((digest, validator)) = self.pins.former(wanted.pinned) else {
            return Ok(None);
        };
        Ok(self.store.blob(&digest)?.map(|blob| (blob, validator)))
    }

    /// Pins what came for an object of which nothing was promised.
    async fn note(&self, wanted: &Wanted<'_>, blob: &Blob, validator: Validator) -> Result<(), FetchError> {
        if wanted.object.has_digest() {
            return Ok(());
        }
        let (pins, pin) = (self.pins.clone(), Pin::new(wanted.pinned, blob.digest(), validator));
        let (configuration, object) = (wanted.pinned.configuration.to_owned(), wanted.pinned.object.to_owned());
        let put = move || pins.put(configuration, object, pin);
        blocking(put).await?.map_err(FetchError::Pin)
    }
}

fn forbidden(object: &Object, error: Forbidden) -> FetchError {
    FetchError::Forbidden {
        url: object.url.shown(),
        error,
    }
}

/// The strongest thing that is known of a content: what two downloads of it have in common.
fn content(expected: &Expected) -> Option<String> {
    let sha256 = expected.sha256.map(|sha256| sha256.to_string());
    sha256.or_else(|| expected.md5.map(|md5| md5.to_string()))
}

fn expected(object: &Object, pin: Option<Digest>) -> Result<Expected, StoreError> {
    let sha256 = object.sha256.as_ref().map(|d| d.as_str().parse()).transpose()?;
    let md5 = object.md5.as_ref().map(|d| d.as_str().parse()).transpose()?;
    Ok(Expected {
        sha256: sha256.or(pin),
        md5,
        size: object.size,
    })
}

/// Says of a mismatch that it was a pin, and nobody's promise, that does not hold any more.
fn repinned(pin: Option<Digest>, error: FetchError) -> FetchError {
    match error {
        FetchError::Refused {
            url,
            error: error @ StoreError::Mismatch { what: "sha256", .. },
        } if pin.is_some() => FetchError::Repinned { url, error },
        other => other,
    }
}

fn scheme(object: &Object) -> String {
    object.url.scheme().to_ascii_lowercase()
}

/// Writes on a thread that may block; ends with nothing when the download was given up, and what came may be gone on
/// with later.
fn write(mut ingest: Ingest, mut orders: mpsc::Receiver<Order>) -> Result<Option<Blob>, StoreError> {
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Restart => ingest.restart()?,
            Order::Announce(validator, size) => ingest.announce(validator, size)?,
            Order::Piece(bytes) => ingest.write(bytes.as_slice())?,
            Order::Finish => return ingest.finish().map(Some),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
