//! Asks an instance now and then how it is.

use super::{Current, Slot, lock};
use crate::lifecycle::State;
use crate::live::Live;
use aerolith_plugin_wire::{Bytes, Error, Reply, Sent, Service, SinkBox, plugin};
use std::sync::Arc;
use std::time::Duration;

impl Slot {
    /// Asks an instance now and then how it is, as long as it is the one that answers here.
    pub(super) fn ask_for_health(self: &Arc<Self>, live: &Arc<Live>) {
        let (slot, live, every) = (Arc::downgrade(self), Arc::downgrade(live), self.shared.settings.health);
        self.shared.own.spawn(async move {
            let mut missed = 0;
            loop {
                tokio::time::sleep(every).await;
                let Some(live) = live.upgrade() else { return };
                let client = plugin::Client(Within(live.clone(), every));
                let health = client.health().await;
                missed = if health.is_ok() { 0 } else { missed + 1 };
                let Some(slot) = slot.upgrade() else { return };
                if !matches!(&**slot.current.load(), Current::Up(current) if Arc::ptr_eq(current, &live)) {
                    return;
                }
                slot.felt(health, missed);
            }
        });
    }

    /// What an instance says of its health; one silence is forgiven, two in a row are not.
    fn felt(&self, health: Result<plugin::Health, Error>, missed: u32) {
        let (state, why) = match health {
            Ok(plugin::Health {
                state: plugin::HealthState::Healthy,
                ..
            }) => (State::Running, String::new()),
            Ok(plugin::Health { reason, .. }) => (State::Degraded, reason),
            Err(_) if missed < 2 => return,
            Err(error) => (State::Degraded, error.to_string()),
        };
        let known = lock(&self.status).state;
        if known != state && matches!(known, State::Running | State::Degraded) {
            self.enter(state, why);
        }
    }
}

/// A live instance with one deadline for every call.
struct Within(Arc<Live>, Duration);

impl Service for Within {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        self.0.call_within(method, request, sink, Some(self.1))
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent, Error> {
        self.0.send(method, item)
    }
}
