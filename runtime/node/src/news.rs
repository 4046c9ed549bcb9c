//! News of applications: an event whenever one is other than it was when last told of.

use std::collections::BTreeMap;

use serde_json::json;

use crate::bus::Bus;
use crate::status::{ApplicationStatus, Condition, NodeStatus};

/// What was told last.
#[derive(Default)]
pub(crate) struct News {
    revision: u64,
    /// Nothing before the first look, which tells nobody of what may have been so for long.
    node: Option<Vec<Condition>>,
    applications: BTreeMap<String, ApplicationStatus>,
}

impl News {
    /// Tells what differs: `node/revision` when another one is in force, `node/conditions` when the node is otherwise,
    /// `app/NAME/STATE` for every application that is new or has changed in anything, `app/NAME/gone` when nothing is
    /// left of one.
    pub(crate) fn tell(&mut self, bus: &Bus, status: NodeStatus) {
        if self.revision != status.revision {
            self.revision = status.revision;
            bus.tell("node/revision".into(), json!({"revision": status.revision}));
        }
        let before = self.node.replace(status.conditions.clone());
        if before.is_some_and(|before| before != status.conditions) {
            bus.tell("node/conditions".into(), json!({"conditions": status.conditions}));
        }
        let now = status.applications.into_iter().map(|a| (a.name.clone(), lasting(a)));
        let now: BTreeMap<_, _> = now.collect();
        for (name, application) in &now {
            if self.applications.get(name) != Some(application) {
                let state = json!(application.state);
                let (reason, settled) = (&application.reason, application.settled);
                let conditions = &application.conditions;
                let data =
                    json!({"revision": self.revision, "reason": reason, "settled": settled, "conditions": conditions});
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
    use crate::status::Summary;

    fn status(revision: u64, applications: &[(&str, Summary)]) -> NodeStatus {
        let applications = applications.iter().map(|(name, state)| ApplicationStatus {
            name: (*name).into(),
            version: String::new(),
            state: *state,
            reason: String::new(),
            conditions: Vec::new(),
            settled: true,
            services: Vec::new(),
        });
        NodeStatus {
            node: "gate".into(),
            revision,
            conditions: Vec::new(),
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
        let (failed, running) = (Summary::Failed, Summary::Running);
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
