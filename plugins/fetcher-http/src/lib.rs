//! `fetcher` for `http` and `https`: delivers what a server gives. It knows nothing of digests, archives or the store.
//!
//! What is asked ([`ask`]), what an answer means ([`answer`]), where a redirect may lead ([`hop`]) and what of an address
//! may be shown ([`address`]) is pure; only `exchange` talks to servers.

pub mod address;
pub mod answer;
pub mod ask;
pub mod config;
mod exchange;
pub mod hop;
mod tls;

use aerolith_plugin::wire::fetcher::{Fetch, Fetched, PackageFetcher, Schemes};
use aerolith_plugin::{Bytes, Context, Plugin, Result, Stream, export_plugin};
use config::Config;
use exchange::Exchange;

/// The plugin.
pub struct HttpFetcher(Exchange);

impl Plugin for HttpFetcher {
    type Config = Config;

    fn create(_: Context, config: Config) -> Result<Self> {
        Exchange::new(&config).map(Self)
    }
}

impl PackageFetcher for HttpFetcher {
    async fn schemes(&self) -> Result<Schemes> {
        Ok(Schemes {
            schemes: address::SCHEMES.map(Into::into).to_vec(),
        })
    }

    async fn fetch(&self, request: Fetch, into: Stream<Bytes>) -> Result<Fetched> {
        self.0.fetch(&request, &into).await
    }
}

export_plugin! { plugin: HttpFetcher, name: "fetcher-http", vendor: "Aerolith", provides: [fetcher] }
