//! `fetcher/1`: moves bytes from a place, and nothing else. Digests, archives, retries and the store are the core's.

use crate::{Bytes, Result, SinkBox, Stream, payload, stream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The URL schemes that a fetcher serves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schemes {
    /// Lower case, without the colon.
    pub schemes: Vec<String>,
}

/// What to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fetch {
    /// The place.
    pub url: String,
    /// Bytes already here: go on behind them where the place can, else begin anew and say so in [`Head::offset`].
    pub offset: u64,
    /// What the bytes already here were known by; without an offset it says nothing.
    pub validator: Validator,
    /// Without an offset: when the place is still in this state, answer [`Head::unchanged`] and no bytes.
    pub unless: Validator,
    /// Sent with the request where the protocol has headers (Baetyl's `x-bce-security-token`, for one). Never logged.
    pub headers: BTreeMap<String, String>,
    /// The entries of the secret that the object names, for the fetcher to prove itself with: `username` and `password`,
    /// `token`, or whatever its protocol needs. Only for the place of the URL itself. Never logged.
    pub credentials: BTreeMap<String, String>,
}

/// By what a place knows a state of its bytes (RFC 9110, section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Validator {
    /// The entity tag with its quotes.
    pub etag: Option<String>,
    /// The time of the last change, as the place writes it.
    pub last_modified: Option<String>,
}

impl Validator {
    /// Whether nothing tells one state of the bytes from another.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// The first item of a fetch: what the bytes behind it are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// Position of the first byte: the offset asked for, or 0 when the place began anew.
    pub offset: u64,
    /// Size of the whole thing in bytes, where the place says it.
    pub size: Option<u64>,
    /// By what the place knows this state.
    pub validator: Validator,
    /// The place is still in the state of [`Fetch::unless`]; no bytes follow.
    pub unchanged: bool,
}

/// How a fetch ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fetched {
    /// Bytes delivered by this fetch.
    pub bytes: u64,
}

crate::capability! {
    "fetcher/1" stable
    /// Moves bytes from a place; knows nothing of digests, archives or the store.
    pub trait PackageFetcher {
        /// Which URLs it serves.
        call schemes() -> Schemes;
        /// Delivers a [`Head`], then the bytes in pieces.
        stream fetch(Fetch) => raw -> Fetched;
    }
}

/// Writes the head of a fetch.
///
/// # Errors
/// When nobody reads any more.
pub async fn write_head(into: &Stream<Bytes>, head: &Head) -> Result<()> {
    into.write_raw(payload::encode(head)?).await
}

/// A sink for a fetch and the end that reads from it, with room for `capacity` pieces.
#[must_use]
pub fn channel(capacity: usize) -> (SinkBox, Download) {
    let (sink, items) = stream::channel(capacity);
    (sink, Download(items))
}

/// The reading end of a fetch.
pub struct Download(stream::Items<Bytes>);

impl Download {
    /// The head; call it once, first. Nothing when the fetch ended without one.
    ///
    /// # Errors
    /// A first item that is no head. Why a fetch failed is the answer of the call.
    pub async fn head(&mut self) -> Result<Option<Head>> {
        self.0
            .next_raw()
            .await?
            .map(|bytes| payload::decode(&bytes))
            .transpose()
    }

    /// The next piece, or nothing at the end.
    ///
    /// # Errors
    /// When the stream was ended early. Why a fetch failed is the answer of the call.
    pub async fn piece(&mut self) -> Result<Option<Bytes>> {
        self.0.next_raw().await
    }
}
