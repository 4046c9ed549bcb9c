//! `fetcher` for `http` and `https`: delivers what a server gives. It knows nothing of digests, archives or the store; how
//! HTTP is spoken is `http-fetch`'s.

use aerolith_plugin::wire::fetcher::{Fetch, Fetched, PackageFetcher, Schemes};
use aerolith_plugin::{Bytes, Context, Plugin, Result, Stream, export_plugin};
use http_fetch::{Config, Exchange, address};

/// The plugin.
pub struct HttpFetcher(Exchange);

impl Plugin for HttpFetcher {
    type Config = Config;

    fn create(_: Context, config: Config) -> Result<Self> {
        let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        Exchange::new(config, agent).map(Self)
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
