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

impl Route {
    fn check(&self, act: Act<'_>) -> Result<()> {
        if self.permissions.allow(act) {
            Ok(())
        } else {
            Err(denied(act))
        }
    }

    fn check_call(&self, name: &str, request: &[u8]) -> Result<()> {
        match name {
            "subscribe" => self.check(Act::Subscribe(&payload::decode::<Subscribe>(request)?.filter)),
            "secret" => self.check(Act::Secret(&payload::decode::<SecretName>(request)?.name)),
            name if name.starts_with("kv_") => self.check(Act::Kv),
            _ => Ok(()),
        }
    }

    fn begin(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Result<Reply> {
        let (capability, name) = method.rsplit_once('.').ok_or_else(|| Error::unimplemented(method))?;
        if capability != "host/1" {
            return Ok(self.other(capability)?.call(method, request, sink));
        }
        if name == "config" {
            let config = self.slot.upgrade().map(|slot| slot.config()).unwrap_or_default();
            return Ok(Box::pin(std::future::ready(payload::encode(&config))));
        }
        self.check_call(name, &request)?;
        Ok(self.core.call(method, request, sink))
    }

    fn other(&self, capability: &str) -> Result<Arc<dyn Service>> {
        self.check(Act::Call(capability))?;
        let found = self.others.upgrade().and_then(|others| others.provider(capability));
        found.ok_or_else(|| Error::new(Code::Unavailable, format!("no running plugin provides `{capability}`")))
    }

    fn host_send(&self, method: &str, name: &str, item: &[u8]) -> Result<Sent> {
        match name {
            "publish" => self.check(Act::Publish(&payload::decode::<Event>(item)?.topic))?,
            "process" => self.check(Act::Processes)?,
            "failed" => {
                let failure: Failure = payload::decode(item)?;
                if let Some(slot) = self.slot.upgrade() {
                    slot.failed(self.generation, &failure.message);
                }
                return Ok(Sent::Accepted);
            }
            _ => {}
        }
        self.core.send(method, item)
    }
}

impl Service for Route {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        self.begin(method, request, sink)
            .unwrap_or_else(|e| Box::pin(std::future::ready(Err(e))))
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        match method.rsplit_once('.') {
            Some(("host/1", name)) => self.host_send(method, name, item),
            Some((capability, _)) => self.other(capability)?.send(method, item),
            None => Err(Error::unimplemented(method)),
        }
    }
}
