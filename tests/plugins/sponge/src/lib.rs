//! A hub for benches: it takes everything and keeps nothing but a count.

use aerolith_plugin::wire::hub::{Acknowledge, Clients, Endpoints, Hub, Opened, Session, Stats, Subscribe};
use aerolith_plugin::{Bytes, Context, Plugin, Result, Sent, Stream, export_plugin};
use std::sync::atomic::{AtomicU64, Ordering};

/// There is nothing to configure.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// The hub.
pub struct Sponge {
    received: AtomicU64,
}

impl Plugin for Sponge {
    type Config = Config;

    fn create(_: Context, _: Config) -> Result<Self> {
        Ok(Self {
            received: AtomicU64::new(0),
        })
    }
}

impl Hub for Sponge {
    async fn endpoints(&self) -> Result<Endpoints> {
        Ok(Endpoints::default())
    }

    async fn open(&self, request: Session) -> Result<Opened> {
        Ok(Opened {
            session: request.client.len() as u64,
            present: !request.clean,
        })
    }

    fn publish(&self, _: &[u8]) -> Result<Sent> {
        self.received.fetch_add(1, Ordering::Relaxed);
        Ok(Sent::Accepted)
    }

    async fn deliver(&self, _: Bytes) -> Result<()> {
        self.received.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn subscribe(&self, _: Subscribe, _: Stream<Bytes>) -> Result<()> {
        Ok(())
    }

    async fn ack(&self, _: Acknowledge) -> Result<()> {
        Ok(())
    }

    async fn clients(&self) -> Result<Clients> {
        Ok(Clients::default())
    }

    async fn stats(&self) -> Result<Stats> {
        Ok(Stats {
            received: self.received.load(Ordering::Relaxed),
            ..Stats::default()
        })
    }
}

export_plugin! { plugin: Sponge, name: "sponge", vendor: "Aerolith", provides: [hub] }
