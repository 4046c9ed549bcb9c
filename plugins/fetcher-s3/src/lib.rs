//! `fetcher` for the scheme `s3`: delivers an object of a store that speaks the S3 protocol. It knows nothing of digests,
//! archives or the store of packages; how HTTP is spoken is `http-fetch`'s.
//!
//! Which object is meant ([`place`]) and how a request for it is signed ([`signature`]) is pure.

pub mod config;
pub mod place;
mod refusal;
pub mod signature;

use aerolith_plugin::wire::fetcher::{Fetch, Fetched, PackageFetcher, Schemes};
use aerolith_plugin::{Bytes, Context, Error, Plugin, Result, Stream, export_plugin};
use config::{Config, Defaults};
use http_fetch::Exchange;
use place::Place;
use signature::Keys;
use std::time::SystemTime;

/// Entries of a secret that are for the connection, not for the signature.
const CONNECTION: [&str; 2] = ["clientCertificate", "clientKey"];

/// The plugin.
pub struct S3Fetcher {
    defaults: Defaults,
    exchange: Exchange,
}

impl Plugin for S3Fetcher {
    type Config = Config;

    fn create(_: Context, config: Config) -> Result<Self> {
        let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        Ok(Self {
            defaults: config.defaults().map_err(Error::invalid)?,
            exchange: Exchange::new(config.http, agent)?.explaining(refusal::code),
        })
    }
}

impl PackageFetcher for S3Fetcher {
    async fn schemes(&self) -> Result<Schemes> {
        Ok(Schemes {
            schemes: vec![place::SCHEME.into()],
        })
    }

    async fn fetch(&self, request: Fetch, into: Stream<Bytes>) -> Result<Fetched> {
        let request = over_http(request, &self.defaults, SystemTime::now())?;
        self.exchange.fetch(&request, &into).await
    }
}

/// The same request as an HTTP server gets it, signed unless the place is open to all.
fn over_http(mut request: Fetch, defaults: &Defaults, now: SystemTime) -> Result<Fetch> {
    let place = Place::read(&request.url, defaults).map_err(Error::invalid)?;
    request.url = place.address();
    if !place.anonymous {
        let keys = Keys::read(&request.credentials).map_err(Error::invalid)?;
        let signed = signature::headers(&place, &keys, now).map_err(Error::invalid)?;
        request.headers.extend(signed);
    }
    request
        .credentials
        .retain(|entry, _| CONNECTION.contains(&entry.as_str()));
    Ok(request)
}

export_plugin! { plugin: S3Fetcher, name: "fetcher-s3", vendor: "Aerolith", provides: [fetcher] }
