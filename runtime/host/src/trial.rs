//! An instance that is only tried: made, but in nobody's service and not started, so that a conformance suite can lead it
//! through its life itself.

use crate::HostError;
use crate::live::Live;
use crate::make::make;
use crate::slot::Slot;
use aerolith_plugin_wire::{Bytes, Reply, Result, Sent, Service, SinkBox};
use std::sync::Arc;

/// An instance on trial. It ends when this is dropped.
pub struct Trial {
    slot: Arc<Slot>,
    live: Arc<Live>,
}

impl Trial {
    pub(crate) async fn begin(slot: Arc<Slot>) -> std::result::Result<Self, HostError> {
        let made = make(&slot, &slot.image(), 1, b"").await?;
        Ok(Self { slot, live: made.live })
    }
}

impl Service for Trial {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        self.live.call(method, request, sink)
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        self.live.send(method, item)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let live = self.live.clone();
        self.slot.shared.own.spawn(async move { live.close().await });
    }
}
