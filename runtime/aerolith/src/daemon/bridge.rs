//! What the plugin host needs of the node, and the node of the plugin host.

use std::sync::Arc;

use aerolith_host::{Caller, Core, PluginHost, Status};
use aerolith_node::{Foundation, Plugins};
use aerolith_plugin_wire::Service;
use aerolith_plugin_wire::host::Event;

use super::shown::word;

/// The core, as plugins see it.
pub(super) struct Bus(pub(super) Foundation);

impl Core for Bus {
    fn services(&self, caller: &Caller) -> Arc<dyn Service> {
        Arc::new(self.0.services(&caller.plugin, &caller.instance))
    }

    fn changed(&self, status: &Status) {
        let topic = format!("plugin/{}/{}", status.instance, word(&status.state));
        let data = serde_json::to_value(status).unwrap_or_default();
        if let Err(error) = self.0.bus().publish(&Event { topic, data }) {
            tracing::error!(%error, "a plugin's change of state was not told");
        }
    }
}

/// The plugins, as the node sees them.
pub(super) struct Host(pub(super) PluginHost);

impl Plugins for Host {
    fn providers(&self, capability: &str) -> Vec<Arc<dyn Service>> {
        self.0.providers(capability)
    }
}
