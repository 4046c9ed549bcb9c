//! `fetcher` for the scheme `file`: delivers a regular file's bytes, or those of a tar of a directory. It knows nothing of
//! digests, of what is in archives, or of the store.

pub mod location;
mod regular;
mod source;
pub mod state;
mod tree;

use aerolith_plugin::wire::fetcher::{Fetch, Fetched, PackageFetcher, Schemes, write_head};
use aerolith_plugin::{Bytes, Context, Error, Plugin, Result, Stream, export_plugin};
use serde::Deserialize;
use source::Source;

/// Nothing can be set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// The plugin.
pub struct FileFetcher;

impl Plugin for FileFetcher {
    type Config = Config;

    fn create(_: Context, _: Config) -> Result<Self> {
        Ok(Self)
    }
}

impl PackageFetcher for FileFetcher {
    async fn schemes(&self) -> Result<Schemes> {
        Ok(Schemes {
            schemes: vec!["file".into()],
        })
    }

    async fn fetch(&self, request: Fetch, into: Stream<Bytes>) -> Result<Fetched> {
        let path = location::path_of(&request.url).map_err(Error::invalid)?;
        let source = Source::open(path).await?;
        let head = source.state().head(&request);
        write_head(&into, &head).await?;
        if head.unchanged {
            return Ok(Fetched { bytes: 0 });
        }
        Ok(Fetched {
            bytes: source.deliver(head.offset, &into).await?,
        })
    }
}

export_plugin! { plugin: FileFetcher, name: "fetcher-file", vendor: "Aerolith", provides: [fetcher] }

#[cfg(test)]
mod tests;
