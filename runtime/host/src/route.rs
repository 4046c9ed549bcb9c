//! What an instance may ask of the core and of other plugins, checked against its permissions.

use crate::permissions::{Act, Permissions};
use crate::slot::Slot;
use aerolith_plugin_wire::host::{Event, Failure, SecretName, Subscribe};
use aerolith_plugin_wire::{Bytes, Code, Error, Reply, Result, Sent, Service, SinkBox, payload};
use std::sync::{Arc, Weak};

/// Finds who provides a capability.
pub(crate) trait Directory: Send + Sync {
    fn provider(&self, capability: &str) -> Option<Arc<dyn Service>>;
}

/// The way out of one instance.
pub(crate) struct Route {
    pub(crate) permissions: Permissions,
    pub(crate) core: Arc<dyn Service>,
    pub(crate) others: Weak<dyn Directory>,
    pub(crate) slot: Weak<Slot>,
    pub(crate) generation: u64,
}

/// The refusal of something that needs a permission.
pub(crate) fn denied(what: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Denied,
        format!("not permitted: `{what}`; the plugin's manifest must ask for it and the operator must grant it"),
    )
}

/// Whether an instance may call or send this. What nobody declares is nobody's to permit: it answers `Unimplemented`.
fn permitted(permissions: &Permissions, method: &str, item: &[u8]) -> Result<()> {
    let (capability, name) = method.rsplit_once('.').ok_or_else(|| Error::unimplemented(method))?;
    let check = |act: Act<'_>| {
        if permissions.allow(act) {
            Ok(())
        } else {
            Err(denied(act))
        }
    };
    match (capability, name) {
        ("host/1", "publish") => check(Act::Publish(&payload::decode::<Event>(item)?.topic)),
        ("host/1", "process") => check(Act::Processes),
        ("host/1", "subscribe") => check(Act::Subscribe(&payload::decode::<Subscribe>(item)?.filter)),
        ("host/1", "secret") => check(Act::Secret(&payload::decode::<SecretName>(item)?.name)),
        ("host/1", name) if name.starts_with("kv_") => check(Act::Kv),
        ("host/1", _) => Ok(()),
        // The life of an instance is the host's business alone.
        ("plugin/1", _) => Err(denied(method)),
        (capability, _) => check(Act::Call(capability)),
    }
}

impl Route {
    fn begin(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Result<Reply> {
        permitted(&self.permissions, method, &request)?;
        if method == "host/1.config" {
            let config = self.slot.upgrade().map(|slot| slot.config()).unwrap_or_default();
            return Ok(Box::pin(std::future::ready(payload::encode(&config))));
        }
        Ok(self.service(method)?.call(method, request, sink))
    }

    /// Who answers a method.
    fn service(&self, method: &str) -> Result<Arc<dyn Service>> {
        let capability = method.rsplit_once('.').map_or(method, |(capability, _)| capability);
        if capability == "host/1" {
            return Ok(self.core.clone());
        }
        let found = self.others.upgrade().and_then(|others| others.provider(capability));
        found.ok_or_else(|| Error::new(Code::Unavailable, format!("no running plugin provides `{capability}`")))
    }

    fn failed(&self, item: &[u8]) -> Result<Sent> {
        let failure: Failure = payload::decode(item)?;
        if let Some(slot) = self.slot.upgrade() {
            slot.failed(self.generation, &failure.message);
        }
        Ok(Sent::Accepted)
    }
}

impl Service for Route {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        self.begin(method, request, sink)
            .unwrap_or_else(|e| Box::pin(std::future::ready(Err(e))))
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        permitted(&self.permissions, method, item)?;
        if method == "host/1.failed" {
            return self.failed(item);
        }
        self.service(method)?.send(method, item)
    }
}

/// A way out that leads through another process, which checks again: here a plugin learns at once what is not permitted.
pub(crate) struct Checked<S> {
    pub(crate) permissions: Permissions,
    pub(crate) next: S,
}

impl<S: Service> Service for Checked<S> {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        match permitted(&self.permissions, method, &request) {
            Ok(()) => self.next.call(method, request, sink),
            Err(e) => Box::pin(std::future::ready(Err(e))),
        }
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        permitted(&self.permissions, method, item)?;
        self.next.send(method, item)
    }
}
