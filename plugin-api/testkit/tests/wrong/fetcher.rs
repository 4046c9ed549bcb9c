//! A fetcher from memory with one fault.

use crate::fails_only;
use aerolith_plugin_testkit::fetcher;
use aerolith_plugin_wire::fetcher::{Dispatch, Fetch, Fetched, Head, PackageFetcher, Schemes, Validator, write_head};
use aerolith_plugin_wire::{Bytes, Error, Result, Service, Stream};
use std::sync::Arc;

const URL: &str = "memory:///shelf/book";
const BOOK: &[u8] = b"a book of some length, which is read in pieces";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    NoScheme,
    LastByteLost,
    NoHead,
    WholeAtOffset,
    SizeOfTheRest,
    ValidatorIgnored,
    EmptyForMissing,
    MissingRetryable,
    MissingUnnamed,
    AnyScheme,
    BytesThoughUnchanged,
    UnchangedAlways,
    SecretTold,
}

struct Memory(Fault);

impl Memory {
    fn find(&self, url: &str) -> Result<()> {
        if url == URL || (self.0 == Fault::AnyScheme && !url.starts_with("memory:")) {
            return Ok(());
        }
        let subject = if self.0 == Fault::MissingUnnamed { "it" } else { url };
        let missing = Error::not_found(format!("{subject} is not there"));
        Err(Error {
            retryable: self.0 == Fault::MissingRetryable,
            ..missing
        })
    }

    fn head(&self, request: &Fetch) -> Head {
        let etag = Some("\"first edition\"".to_owned());
        let fresh = request.validator.etag == etag || self.0 == Fault::ValidatorIgnored;
        let offset = if fresh { request.offset } else { 0 };
        let size = BOOK.len() as u64 - if self.0 == Fault::SizeOfTheRest { offset } else { 0 };
        Head {
            offset,
            size: Some(size),
            unchanged: request.unless.etag == etag
                || (self.0 == Fault::UnchangedAlways && request.unless != Validator::default()),
            validator: Validator {
                etag,
                last_modified: None,
            },
        }
    }
}

impl PackageFetcher for Memory {
    async fn schemes(&self) -> Result<Schemes> {
        let scheme = if self.0 == Fault::NoScheme { "Memory:" } else { "memory" };
        Ok(Schemes {
            schemes: vec![scheme.into()],
        })
    }

    async fn fetch(&self, request: Fetch, into: Stream<Bytes>) -> Result<Fetched> {
        if let Err(mut e) = self.find(&request.url) {
            if self.0 == Fault::SecretTold {
                e.message = format!("{} with {:?}", e.message, request.credentials);
            }
            return if self.0 == Fault::EmptyForMissing {
                Ok(Fetched::default())
            } else {
                Err(e)
            };
        }
        let head = self.head(&request);
        if self.0 != Fault::NoHead {
            write_head(&into, &head).await?;
        }
        let offset = if self.0 == Fault::WholeAtOffset {
            0
        } else {
            usize::try_from(head.offset).unwrap()
        };
        if head.unchanged && self.0 != Fault::BytesThoughUnchanged {
            return Ok(Fetched::default());
        }
        let end = BOOK.len() - usize::from(self.0 == Fault::LastByteLost);
        let bytes = BOOK.get(offset..end).unwrap_or_default();
        for piece in bytes.chunks(7) {
            into.write_raw(piece.to_vec()).await?;
        }
        Ok(Fetched {
            bytes: bytes.len() as u64,
        })
    }
}

async fn suite_of(fault: Fault, expected: &[&str]) {
    let service: Arc<dyn Service> = Arc::new(Dispatch(Arc::new(Memory(fault))));
    fails_only(&fetcher::run(&service, URL, BOOK).await, expected);
}

const SCHEMES: &str = "it serves the URL's scheme, in lower case";
const EVERYTHING: &str = "everything is delivered, behind a head";
const RESUMED: &str = "a fetch goes on at an offset, or begins anew and says so";
const CHANGED: &str = "a fetch of something that changed begins anew";
const KNOWN: &str = "what is known already is unchanged and sends nothing, or comes whole";
const SECRET: &str = "an error tells no secret";
const END: &str = "nothing is left behind the last byte";
const MISSING: &str = "what is not there is refused by name";
const FOREIGN: &str = "a URL of another scheme is refused";

#[tokio::test]
async fn a_fetcher_without_a_fault_passes() {
    suite_of(Fault::None, &[]).await;
}

#[tokio::test]
async fn a_fault_of_what_is_delivered_is_found() {
    suite_of(Fault::NoScheme, &[SCHEMES]).await;
    suite_of(Fault::LastByteLost, &[EVERYTHING, RESUMED, CHANGED, KNOWN]).await;
    suite_of(Fault::NoHead, &[EVERYTHING, RESUMED, CHANGED, KNOWN, END]).await;
}

#[tokio::test]
async fn a_fault_of_an_offset_is_found() {
    suite_of(Fault::WholeAtOffset, &[RESUMED, END]).await;
    suite_of(Fault::SizeOfTheRest, &[RESUMED, END]).await;
    suite_of(Fault::ValidatorIgnored, &[CHANGED]).await;
}

#[tokio::test]
async fn a_fault_of_a_refusal_is_found() {
    suite_of(Fault::MissingRetryable, &[MISSING]).await;
    suite_of(Fault::MissingUnnamed, &[MISSING]).await;
    suite_of(Fault::AnyScheme, &[FOREIGN]).await;
    suite_of(Fault::EmptyForMissing, &[MISSING, SECRET, FOREIGN]).await;
    suite_of(Fault::SecretTold, &[SECRET]).await;
}

#[tokio::test]
async fn a_fault_of_what_is_known_already_is_found() {
    suite_of(Fault::BytesThoughUnchanged, &[KNOWN]).await;
    suite_of(Fault::UnchangedAlways, &[KNOWN]).await;
}
