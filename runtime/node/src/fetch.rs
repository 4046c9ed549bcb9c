//! Downloads one object: bytes from a fetcher into the package store, with resume, and files off the async threads.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aerolith_model::Object;
use aerolith_packages::{self as packages, Blob, Expected, Ingest, Store, StoreError};
use aerolith_plugin_wire::fetcher::{self, Download, Fetch, Head, Validator};
use aerolith_plugin_wire::{Bytes, Code, Error};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::plugins::{self, Fetcher, NoProvider, Plugins};

/// Pieces that wait for the disk.
const PIECES: usize = 8;
/// Tries of one download before its preparation counts as failed; the whole preparation is tried again later.
const TRIES: u32 = 4;
/// Time before the second try; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest time between two tries that each bring something.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Longest silence of a download, before its head and between two pieces. Time in which the disk holds it up is not
/// counted.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// Longest time until a fetcher answers once its stream is over.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// The header of Baetyl's token.
const TOKEN_HEADER: &str = "x-bce-security-token";

/// Why an object is not there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody fetches such URLs.
    #[error(transparent)]
    NoFetcher(#[from] NoProvider),
    /// The fetcher failed.
    #[error("{url}: {error}{}", tries(*.count))]
    Fetch {
        /// From where, without user and query.
        url: String,
        /// What the fetcher answered.
        error: Error,
        /// How often it was tried.
        count: u32,
    },
    /// The store refused what arrived.
    #[error("{url}: {error}")]
    Refused {
        /// From where, without user and query.
        url: String,
        /// Why.
        error: StoreError,
    },
    /// What is promised of the object cannot be read.
    #[error(transparent)]
    Promise(#[from] StoreError),
    /// The thread that writes was lost.
    #[error("the thread that stores the download ended early: {0}")]
    Thread(String),
}

fn tries(count: u32) -> String {
    if count > 1 {
        format!(" (tried {count} times)")
    } else {
        String::new()
    }
}

/// Downloads objects, each URL once at a time.
pub(crate) struct Downloads {
    store: Store,
    plugins: Arc<dyn Plugins>,
    first_pause: Duration,
    under_way: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Downloads {
    pub(crate) fn new(store: Store, plugins: Arc<dyn Plugins>) -> Self {
        Self {
            store,
            plugins,
            first_pause: FIRST_PAUSE,
            under_way: Mutex::default(),
        }
    }

    /// The stored bytes of an object, downloaded unless the store has what its digest names.
    pub(crate) async fn object(&self, object: &Object) -> Result<Blob, FetchError> {
        let expected = expected(object)?;
        let one = self.one_at_a_time(object.url.as_str());
        let _turn = one.lock().await;
        if let Some(blob) = self.stored(&expected)? {
            return Ok(blob);
        }
        let scheme = object
            .url
            .as_str()
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let fetcher = plugins::fetcher(&*self.plugins, &scheme).await?;
        self.download(&fetcher, object, expected).await
    }

    /// What is stored already under the digests that are promised.
    fn stored(&self, expected: &Expected) -> Result<Option<Blob>, StoreError> {
        match (&expected.sha256, &expected.md5) {
            (Some(digest), _) => self.store.blob(digest),
            (None, Some(md5)) => self.store.blob_by_md5(md5),
            (None, None) => Ok(None),
        }
    }

    fn one_at_a_time(&self, url: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| turn.strong_count() > 0);
        let known = all.get(url).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turn = Arc::default();
            all.insert(url.to_owned(), Arc::downgrade(&turn));
            turn
        })
    }

    async fn download(&self, fetcher: &Fetcher, object: &Object, expected: Expected) -> Result<Blob, FetchError> {
        let url = shown(object.url.as_str());
        let (orders, received) = mpsc::channel(PIECES);
        let (store, download) = (
            self.store.clone(),
            packages::Download {
                key: object.url.to_string(),
                source: url.clone(),
                expected,
            },
        );
        let begun = tokio::task::spawn_blocking(move || store.ingest(download)).await;
        let begun = begun.map_err(|e| FetchError::Thread(e.to_string()))?;
        let ingest = begun.map_err(|error| FetchError::Refused {
            url: url.clone(),
            error,
        })?;
        let progress = Progress::of(&ingest);
        let is_whole = ingest.missing() == Some(0);
        let writer = tokio::task::spawn_blocking(move || write(ingest, received));
        let fetched = if is_whole {
            Ok(())
        } else {
            fetch(fetcher, object, progress, &orders, self.first_pause).await
        };
        if fetched.is_ok() {
            // A writer that is gone says why below.
            let _ = orders.send(Order::Finish).await;
        }
        drop(orders);
        let written = writer.await.map_err(|e| FetchError::Thread(e.to_string()))?;
        match (written, fetched) {
            (Err(error), _) => Err(FetchError::Refused { url, error }),
            (Ok(_), Err((error, count))) => Err(FetchError::Fetch { url, error, count }),
            (Ok(Some(blob)), Ok(())) => Ok(blob),
            (Ok(None), Ok(())) => Err(FetchError::Thread("nothing was stored".into())),
        }
    }
}

fn expected(object: &Object) -> Result<Expected, StoreError> {
    let sha256 = object.sha256.as_ref().map(|d| d.as_str().parse()).transpose()?;
    let md5 = object.md5.as_ref().map(|d| d.as_str().parse()).transpose()?;
    Ok(Expected {
        sha256,
        md5,
        size: object.size,
    })
}

/// A URL as it may be shown: without user, password, query and fragment, which may hold secrets.
pub(crate) fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (place, path) = rest
                .split_once('/')
                .map_or((rest, None), |(place, path)| (place, Some(path)));
            let place = place.rsplit('@').next().unwrap_or_default();
            path.map_or_else(
                || format!("{scheme}://{place}"),
                |path| format!("{scheme}://{place}/{path}"),
            )
        }
        None => url.to_owned(),
    }
}

/// What the writing thread is told.
enum Order {
    /// Forget what came so far.
    Restart,
    /// What the place says of what comes.
    Announce(packages::Validator, Option<u64>),
    Piece(Bytes),
    Finish,
}

/// Writes on a thread that may block; ends with nothing when the download was given up.
fn write(mut ingest: Ingest, mut orders: mpsc::Receiver<Order>) -> Result<Option<Blob>, StoreError> {
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Piece(bytes) => ingest.write(bytes.as_slice())?,
            Order::Announce(validator, size) => ingest.announce(validator, size)?,
            Order::Restart => ingest.restart()?,
            Order::Finish => return ingest.finish().map(Some),
        }
    }
    Ok(None)
}

/// How far a download has come.
#[derive(Default)]
struct Progress {
    bytes: u64,
    validator: Validator,
}

impl Progress {
    fn of(ingest: &Ingest) -> Self {
        let packages::Validator { etag, last_modified } = ingest.validator().clone();
        Self {
            bytes: ingest.offset(),
            validator: Validator { etag, last_modified },
        }
    }

    /// Bytes behind which the next try may go on: none when nothing proves that the place still has the same.
    fn offset(&self) -> u64 {
        let Validator { etag, last_modified } = &self.validator;
        if etag.is_some() || last_modified.is_some() {
            self.bytes
        } else {
            0
        }
    }
}

/// Tries until the bytes are whole; the error says how often. A closed channel of orders ends it early and well: the
/// writer knows why.
async fn fetch(
    fetcher: &Fetcher,
    object: &Object,
    mut progress: Progress,
    orders: &mpsc::Sender<Order>,
    mut pause: Duration,
) -> Result<(), (Error, u32)> {
    for count in 1.. {
        let before = progress.bytes;
        match attempt(fetcher, object, &mut progress, orders).await {
            Ok(()) => return Ok(()),
            Err(_) if orders.is_closed() => return Ok(()),
            Err(error) if !error.retryable => return Err((error, count)),
            Err(error) if count >= TRIES && progress.bytes <= before => return Err((error, count)),
            Err(error) => tracing::warn!(url = shown(object.url.as_str()), %error, "a download is tried again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}

async fn attempt(
    fetcher: &Fetcher,
    object: &Object,
    progress: &mut Progress,
    orders: &mpsc::Sender<Order>,
) -> Result<(), Error> {
    let headers = object
        .token
        .iter()
        .map(|token| (TOKEN_HEADER.to_owned(), token.0.clone()))
        .chain(object.headers.clone());
    let asked = Fetch {
        url: object.url.to_string(),
        offset: progress.offset(),
        validator: progress.validator.clone(),
        headers: headers.collect::<BTreeMap<_, _>>(),
        ..Fetch::default()
    };
    let (sink, download) = fetcher::channel(PIECES);
    let mut fetching = pin!(fetcher.fetch(&asked, sink));
    let mut receiving = pin!(receive(&asked, download, progress, orders));
    let (fetched, received) = tokio::select! {
        fetched = &mut fetching => (Some(fetched), receiving.await),
        received = &mut receiving => (timeout(LONGEST_ANSWER, fetching).await.ok(), received),
    };
    match (fetched, received) {
        (Some(Err(error)), Err(why)) if error.code == Code::Stopped => Err(why),
        (Some(Err(error)), _) => Err(error),
        (None, Ok(())) => Err(silent(LONGEST_ANSWER, "its last byte")),
        (_, received) => received,
    }
}

/// What comes within the longest silence.
async fn heard<T>(coming: impl Future<Output = Result<T, Error>>, after: u64) -> Result<T, Error> {
    timeout(LONGEST_SILENCE, coming)
        .await
        .unwrap_or_else(|_| Err(silent(LONGEST_SILENCE, &format!("{after} bytes"))))
}

fn silent(limit: Duration, after: &str) -> Error {
    Error::new(
        Code::Timeout,
        format!("nothing came for {} s after {after}", limit.as_secs()),
    )
}

/// Reads to the end. The download is dropped then, so that what is not read any more does not hold the fetcher up.
async fn receive(
    asked: &Fetch,
    mut download: Download,
    progress: &mut Progress,
    orders: &mpsc::Sender<Order>,
) -> Result<(), Error> {
    let head = heard(download.head(), asked.offset)
        .await?
        .ok_or_else(|| Error::io("the fetch ended before its head"))?;
    begin(asked, head, progress, orders).await?;
    while let Some(piece) = heard(download.piece(), progress.bytes).await? {
        progress.bytes += piece.len() as u64;
        orders.send(Order::Piece(piece)).await.map_err(|_| stopped())?;
    }
    Ok(())
}

/// Goes on behind what is here when the place does, else begins anew.
async fn begin(asked: &Fetch, head: Head, progress: &mut Progress, orders: &mpsc::Sender<Order>) -> Result<(), Error> {
    let goes_on = head.offset == asked.offset && head.offset == progress.bytes;
    if !goes_on && head.offset != 0 {
        let (found, wanted) = (head.offset, asked.offset);
        return Err(Error::io(format!(
            "the fetcher began at byte {found} instead of {wanted} or 0"
        )));
    }
    if !goes_on {
        *progress = Progress::default();
        orders.send(Order::Restart).await.map_err(|_| stopped())?;
    }
    let Validator { etag, last_modified } = head.validator.clone();
    let validator = packages::Validator { etag, last_modified };
    let announced = Order::Announce(validator, head.size);
    orders.send(announced).await.map_err(|_| stopped())?;
    progress.validator = head.validator;
    Ok(())
}

fn stopped() -> Error {
    Error::stopped("the store takes no more of it")
}

#[cfg(test)]
mod tests;
