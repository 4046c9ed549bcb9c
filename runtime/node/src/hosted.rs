//! Joins the node to the plugin host: each is what the other asks for.

use std::sync::Arc;

use aerolith_host::{Caller, Core, PluginHost, State, Status};
use aerolith_plugin_wire::Service;
use aerolith_plugin_wire::host::Event;

use crate::foundation::Foundation;
use crate::plugins::Plugins;

impl Plugins for PluginHost {
    fn providers(&self, capability: &str) -> Vec<Arc<dyn Service>> {
        Self::providers(self, capability)
    }
}

impl Core for Foundation {
    fn services(&self, caller: &Caller) -> Arc<dyn Service> {
        Arc::new(Self::services(self, &caller.plugin, &caller.instance))
    }

    /// Tells the bus (`plugin/INSTANCE/STATE`), upon which the driver looks again at what it lacked.
    fn changed(&self, status: &Status) {
        if matches!(status.state, State::Stopped | State::Failed | State::Quarantined) {
            self.metrics().forget(&status.instance);
        }
        match status.state {
            // Its successor waits for the same processes.
            State::Failed => self.processes().settle(&status.instance),
            State::Stopped | State::Quarantined => self.processes().forget(&status.instance),
            _ => {}
        }
        let data = serde_json::json!(status);
        let state = data
            .get("state")
            .and_then(serde_json::Value::as_str)
            .unwrap_or("changed");
        let topic = format!("plugin/{}/{state}", status.instance);
        if let Err(error) = self.bus().publish(&Event {
            topic,
            data: data.clone(),
        }) {
            tracing::error!(%error, "a change of a plugin was not told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundation::Settings;
    use aerolith_plugin_wire::host::{Metric, Process, ProcessEvent};

    fn status(state: State) -> Status {
        Status {
            instance: "engine-1".into(),
            plugin: "engine-process".into(),
            version: "0.1.0".into(),
            sha256: String::new(),
            provides: Vec::new(),
            state,
            message: String::new(),
            since: 0,
            restarts: 0,
            required: false,
            isolation: "linked",
            pid: None,
        }
    }

    #[tokio::test]
    async fn a_change_is_told_on_the_bus_and_a_plugin_that_is_gone_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (data, runtime) = (dir.path().join("data"), dir.path().join("run"));
        let limits = aerolith_packages::Limits::default();
        let foundation = Foundation::open(Settings {
            data,
            runtime,
            node: "n".into(),
            limits,
            packages: crate::PackagePolicy::default(),
            updates: aerolith_plan::Updates::default(),
        })
        .unwrap();
        let mut events = foundation.bus().subscribe("plugin/#").unwrap();
        let reading = Metric {
            name: "m".into(),
            ..Metric::default()
        };
        foundation
            .metrics()
            .record("engine-process", "engine-1", &reading)
            .unwrap();
        foundation.processes().note(
            "engine-1",
            &Process {
                pid: 7,
                event: ProcessEvent::Registered,
            },
        );
        Core::changed(&foundation, &status(State::Running));
        assert!(!foundation.processes().is_orphan(7) && foundation.metrics().text().contains("engine-1"));
        Core::changed(&foundation, &status(State::Failed));
        assert!(!foundation.processes().is_orphan(7) && foundation.metrics().text().is_empty());
        Core::changed(&foundation, &status(State::Stopped));
        assert!(foundation.processes().is_orphan(7));
        let mut topics = Vec::new();
        for _ in 0..2 {
            topics.push(events.next().await.unwrap().topic);
        }
        assert_eq!(topics, ["plugin/engine-1/running", "plugin/engine-1/failed"]);
    }
}
