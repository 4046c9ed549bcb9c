//! News of applications: an event whenever one is other than it was when last told of.

use std::collections::BTreeMap;

use serde_json::json;

use crate::bus::Bus;
use crate::status::{ApplicationStatus, NodeStatus};

/// What was told last.
#[derive(Default)]
pub(crate) struct News {
    revision: u64,
    applications: BTreeMap<String, ApplicationStatus>,
}

impl News {
    /// Tells what differs: `node/revision` when another one is in force, `app/NAME/STATE` for every application that
    /// is new or has changed in anything, `app/NAME/gone` when nothing is left of one.
    pub(crate) fn tell(&mut self, bus: &Bus, status: NodeStatus) {
        if self.revision != status.revision {
            self.revision = status.revision;
            bus.tell("node/revision".into(), json!({"revision": status.revision}));
        }
        let now = status.applications.into_iter().map(|a| (a.name.clone(), lasting(a)));
        let now: BTreeMap<_, _> = now.collect();
        for (name, application) in &now {
            if self.applications.get(name) != Some(application) {
                let state = json!(application.state);
                let (reason, settled) = (&application.reason, application.settled);
                let data = json!({"revision": self.revision, "reason": reason, "settled": settled});
                bus.tell(format!("app/{name}/{}", state.as_str().unwrap_or("unknown")), data);
            }
        }
        for name in self.applications.keys().filter(|name| !now.contains_key(*name)) {
            bus.tell(format!("app/{name}/gone"), json!({"revision": self.revision}));
        }
        self.applications = now;
    }
}

/// Without what changes all the time and is no news.
fn lasting(mut application: ApplicationStatus) -> ApplicationStatus {
    let services = application.services.iter_mut();
    for instance in services.flat_map(|service| &mut service.instances) {
        instance.answered_ms = None;
    }
    application
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Condition;

    fn status(revision: u64, applications: &[(&str, Condition)]) -> NodeStatus {
        let applications = applications.iter().map(|(name, state)| ApplicationStatus {
            name: (*name).into(),
            version: String::new(),
            state: *state,
            reason: String::new(),
            settled: true,
            services: Vec::new(),
        });
        NodeStatus {
            node: "gate".into(),
            revision,
            applications: applications.collect(),
            damaged: Vec::new(),
            disk: Vec::new(),
        }
    }

    #[tokio::test]
    async fn only_what_differs_is_told() {
        let bus = Bus::default();
        let mut events = bus.subscribe("#").unwrap();
        let mut news = News::default();
        let (failed, running) = (Condition::Failed, Condition::Running);
        news.tell(&bus, status(1, &[("a", failed), ("b", running)]));
        news.tell(&bus, status(1, &[("a", failed), ("b", running)]));
        news.tell(&bus, status(2, &[("a", running)]));
        drop(bus);
        let mut topics = Vec::new();
        while let Some(event) = events.next().await {
            topics.push(event.topic);
        }
        let first = ["node/revision", "app/a/failed", "app/b/running"];
        assert_eq!(topics[..3], first);
        assert_eq!(topics[3..], ["node/revision", "app/a/running", "app/b/gone"]);
    }
}
