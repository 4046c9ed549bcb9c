//! Moves the bytes of one object from a fetcher to whoever stores them, over as many tries as it takes.

use std::pin::pin;
use std::time::Duration;

use aerolith_model::Object;
use aerolith_packages as packages;
use aerolith_plugin_wire::fetcher::{self, Download, Fetch, Head, Validator};
use aerolith_plugin_wire::{Bytes, Code, Error};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::patience::{LEAST, LONGEST_SILENCE, Pace, Pauses, TRIES, WINDOW};
use super::report::Report;
use crate::chance::chance;
use crate::plugins::Fetcher;

/// Pieces that wait for the disk.
pub(super) const PIECES: usize = 4;
/// Longest time until a fetcher answers once its stream is over.
pub(super) const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// The header of Baetyl's token.
pub(super) const TOKEN_HEADER: &str = "x-bce-security-token";

/// What whoever stores the bytes is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Forget what came so far.
    Restart,
    /// What the place says of what comes.
    Announce(packages::Validator, Option<u64>),
    Piece(Bytes),
    Finish,
}

/// One download.
pub(super) struct Transfer<'a> {
    pub(super) fetcher: &'a Fetcher,
    /// Without offset and validator, which each try fills in.
    pub(super) request: Fetch,
    /// Its address as it may be logged.
    pub(super) shown: &'a str,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) pauses: Pauses,
    pub(super) report: &'a Report<'a>,
    pub(super) progress: Progress,
}

/// How far a download has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) bytes: u64,
    pub(super) validator: Validator,
    /// The SHA-256 of the whole is known: it tells at last whether bytes of two tries belong together.
    pub(super) proven: bool,
}

/// How a download ended well.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// All bytes are with whoever stores them, or that one has given up and says why.
    Whole(Validator),
    /// The place has nothing newer than what the request named.
    Unchanged,
}

/// How one try ended well.
enum Received {
    All,
    Unchanged,
}

/// What is asked of a fetcher for an object.
pub(super) fn request(object: &Object, credentials: std::collections::BTreeMap<String, String>) -> Fetch {
    let token = object
        .token
        .iter()
        .map(|token| (TOKEN_HEADER.to_owned(), token.0.clone()));
    Fetch {
        url: object.url.to_string(),
        headers: token.chain(object.headers.clone()).collect(),
        credentials,
        ..Fetch::default()
    }
}

impl Progress {
    /// What is here of a download that was cut off before.
    pub(super) fn of(ingest: &packages::Ingest, proven: bool) -> Self {
        let packages::Validator { etag, last_modified } = ingest.validator().clone();
        Self {
            bytes: ingest.offset(),
            validator: Validator { etag, last_modified },
            proven,
        }
    }

    /// Bytes behind which the next try may go on: none when nothing would tell that the place has others by now.
    fn offset(&self) -> u64 {
        if self.proven || !self.validator.is_empty() {
            self.bytes
        } else {
            0
        }
    }
}

impl Transfer<'_> {
    /// Tries until the bytes are whole; the error says how often.
    pub(super) async fn run(mut self) -> Result<Moved, (Error, u32)> {
        let mut fruitless = 0;
        for count in 1.. {
            let before = self.progress.bytes;
            let error = match self.attempt().await {
                Ok(Received::All) => return Ok(self.end().await),
                Ok(Received::Unchanged) => return Ok(Moved::Unchanged),
                Err(_) if self.orders.is_closed() => break,
                Err(error) => error,
            };
            fruitless = if self.progress.bytes > before { 0 } else { fruitless + 1 };
            if !error.retryable || fruitless >= TRIES {
                return Err((error, count));
            }
            let Some(pause) = self.pauses.next(error.wait(), chance()) else {
                return Err((error, count));
            };
            tracing::warn!(url = self.shown, %error, ?pause, "a download is tried again");
            tokio::time::sleep(pause).await;
        }
        Ok(Moved::Whole(Validator::default()))
    }

    async fn attempt(&mut self) -> Result<Received, Error> {
        let offset = self.progress.offset();
        let asked = Fetch {
            offset,
            validator: self.progress.validator.clone(),
            unless: if offset == 0 {
                self.request.unless.clone()
            } else {
                Validator::default()
            },
            ..self.request.clone()
        };
        let fetcher = self.fetcher;
        let (sink, download) = fetcher::channel(PIECES);
        let mut fetching = pin!(fetcher.fetch(&asked, sink));
        let mut receiving = pin!(self.receive(&asked, download));
        let (fetched, received) = tokio::select! {
            fetched = &mut fetching => (Some(fetched), receiving.await),
            received = &mut receiving => (timeout(LONGEST_ANSWER, fetching).await.ok(), received),
        };
        match (fetched, received) {
            (Some(Err(error)), Err(why)) if error.code == Code::Stopped => Err(why),
            (Some(Err(error)), _) => Err(error),
            (None, Ok(_)) => Err(silent(LONGEST_ANSWER, "its last byte")),
            (_, received) => received,
        }
    }

    /// Reads to the end. The download is dropped then, so that what is not read any more does not hold the fetcher up.
    async fn receive(&mut self, asked: &Fetch, mut download: Download) -> Result<Received, Error> {
        let head = heard(download.head(), asked.offset)
            .await?
            .ok_or_else(|| Error::io("the fetch ended before its head"))?;
        if head.unchanged {
            return unchanged(asked);
        }
        let size = head.size;
        self.begin(asked, head).await?;
        let mut pace = Pace::default();
        loop {
            let since = Instant::now();
            let Some(piece) = heard(download.piece(), self.progress.bytes).await? else {
                return Ok(Received::All);
            };
            let bytes = piece.len() as u64;
            pace.came(since.elapsed(), bytes).map_err(crawling)?;
            self.progress.bytes += bytes;
            self.report.fetching(self.progress.bytes, size);
            self.order(Order::Piece(piece)).await?;
        }
    }

    /// Goes on behind what is here when the place does, else begins anew.
    async fn begin(&mut self, asked: &Fetch, head: Head) -> Result<(), Error> {
        let goes_on = head.offset == asked.offset && head.offset == self.progress.bytes;
        if !goes_on && head.offset != 0 {
            // What it says of itself is not believed: the next try begins anew.
            (self.progress.validator, self.progress.proven) = (Validator::default(), false);
            let (found, wanted) = (head.offset, asked.offset);
            return Err(Error::io(format!(
                "the fetcher began at byte {found} instead of {wanted} or 0"
            )));
        }
        if !goes_on {
            (self.progress.bytes, self.progress.validator) = (0, Validator::default());
            self.report.begin(0);
            self.order(Order::Restart).await?;
        }
        let Validator { etag, last_modified } = head.validator.clone();
        self.order(Order::Announce(packages::Validator { etag, last_modified }, head.size))
            .await?;
        self.progress.validator = head.validator;
        Ok(())
    }

    /// Ends a download of which all bytes are here.
    pub(super) async fn end(self) -> Moved {
        // One who stores no more says why itself.
        let _ = self.orders.send(Order::Finish).await;
        Moved::Whole(self.progress.validator)
    }

    async fn order(&self, order: Order) -> Result<(), Error> {
        self.orders.send(order).await.map_err(|_| stopped())
    }
}

fn unchanged(asked: &Fetch) -> Result<Received, Error> {
    if asked.unless.is_empty() {
        return Err(Error::io("the fetcher says that nothing has changed, which it was not asked").permanent());
    }
    Ok(Received::Unchanged)
}

/// What comes within the longest silence. Time in which the disk holds the download up is not counted.
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

fn crawling(came: u64) -> Error {
    let seconds = WINDOW.as_secs();
    Error::new(
        Code::Timeout,
        format!("only {came} bytes came in {seconds} s, at least {LEAST} are expected"),
    )
}

fn stopped() -> Error {
    Error::stopped("the store takes no more of it")
}
