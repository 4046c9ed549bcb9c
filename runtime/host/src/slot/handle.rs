//! An instance as others call it: by its name, whoever answers for it.

use super::{Current, Slot, lock};
use crate::live::Live;
use aerolith_plugin_wire::{Bytes, Code, Error, Reply, Sent, Service, SinkBox};
use std::sync::Arc;

impl Slot {
    async fn live(&self) -> Result<Arc<Live>, Error> {
        loop {
            let changed = self.changed.notified();
            match &*self.current.load_full() {
                Current::Up(live) => return Ok(live.clone()),
                Current::Down => return Err(self.down()),
                Current::Switching => {}
            }
            changed.await;
        }
    }

    fn down(&self) -> Error {
        let status = lock(&self.status);
        let why = if status.message.is_empty() {
            String::new()
        } else {
            format!(": {}", status.message)
        };
        Error::new(
            Code::Unavailable,
            format!("plugin instance `{}` is {:?}{why}", status.instance, status.state),
        )
    }
}

/// The instance under its name, whoever answers for it: a handle that stays good across replacements.
pub(crate) struct Handle(pub(crate) Arc<Slot>);

impl Service for Handle {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        if let Current::Up(live) = &**self.0.current.load() {
            return live.call(method, request, sink);
        }
        let (slot, method) = (self.0.clone(), method.to_owned());
        Box::pin(async move {
            let deadline = slot.shared.settings.call;
            let live = tokio::time::timeout(deadline, slot.live())
                .await
                .unwrap_or_else(|_| Err(slot.down()))?;
            live.call(&method, request, sink).await
        })
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent, Error> {
        match &**self.0.current.load() {
            Current::Up(live) => live.send(method, item),
            Current::Switching => Ok(Sent::Full),
            Current::Down => Err(self.0.down()),
        }
    }
}
