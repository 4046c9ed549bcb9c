//! What the API answers, as JSON. Every type reads back what it writes, so that a client can use it too; fields that a
//! server of another version does not send read as empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the program is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Version {
    /// `aerolith`.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// The plugin API that it offers, `MAJOR.MINOR`.
    pub plugin_api: String,
    /// `linux-x86_64`, `linux-aarch64`.
    pub target: String,
}

/// Whether the node is as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Health {
    /// `ok`, `starting`, or `degraded` when a required plugin does not run or a file of the state cannot be read.
    pub status: String,
    /// What is wrong, for people.
    pub reasons: Vec<String>,
}

/// One thing that is so of a part of the node, or is not. The book tells of all types and reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    /// Which, such as `Ready`.
    #[serde(rename = "type")]
    pub aspect: String,
    /// `true`, `false` or `unknown`.
    pub status: String,
    /// Why, in one word of a closed set.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// Milliseconds since 1970 of the last change of status or reason.
    pub since_ms: u64,
    /// Milliseconds since 1970 of the next try, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_ms: Option<u64>,
}

/// What an apply or a delete has done, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Applied {
    /// Revision of the desired state.
    pub revision: u64,
    /// Whether nothing was changed, because only a preview was asked for.
    pub dry_run: bool,
    /// What is done next.
    pub steps: Vec<Step>,
    /// The applications that it concerns.
    pub applications: Vec<String>,
    /// The resources that are other than they were.
    pub resources: Vec<ResourceChange>,
    /// With a preview what becomes of each application that differs, and of those above.
    pub changes: Vec<ApplicationChange>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// What becomes of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResourceChange {
    /// `KIND/NAME`.
    pub resource: String,
    /// `added`, `updated` or `removed`.
    pub action: String,
}

/// What becomes of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ApplicationChange {
    /// Its name.
    pub name: String,
    /// `unchanged`, `added`, `updated` or `removed`.
    pub action: String,
    /// Its own fields that differ.
    pub changes: Vec<String>,
    /// Its services.
    pub services: Vec<ServiceChange>,
}

/// What becomes of a service. Of what differs only the names are told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceChange {
    /// Its name.
    pub name: String,
    /// `unchanged`, `adjusted` (its instances run on), `scaled`, `updated` (they are replaced), `added` or `removed`.
    pub action: String,
    /// Of one that is updated: `switch`, `restart` or `handover`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Instances before and after.
    pub replicas: (u32, u32),
    /// What differs: `image`, `env.UNIT`, `package weather-agent: object x`.
    pub changes: Vec<String>,
    /// The objects that are to be fetched.
    pub fetches: Vec<String>,
}

/// One deployment of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Deployment {
    /// The revision that made it.
    pub revision: u64,
    /// Milliseconds since 1970 at which it was made.
    pub at_ms: u64,
    /// `pending`, `good`, `failed` or `superseded`.
    pub outcome: String,
    /// How often it was tried and failed.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub reason: String,
    /// The parts in which it differs from the one before it, each as `KIND/NAME`.
    pub changed: Vec<String>,
}

/// Who uses a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Usage {
    /// The application.
    pub application: String,
    /// Those of its services that do.
    pub services: Vec<String>,
}

/// A container image that applications use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Image {
    /// As applications name it.
    pub image: String,
    /// Who uses it.
    pub used_by: Vec<ImageUsage>,
}

/// An application that uses an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ImageUsage {
    /// Its name.
    pub application: String,
    /// Those of its services that run it.
    pub services: Vec<String>,
    /// The secrets with what registries ask of it.
    pub registries: Vec<String>,
}

/// A version of a resource that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Revision {
    /// The revision that made it.
    pub revision: u64,
    /// Whether it is the one in force.
    pub current: bool,
}

/// Whether something was there to be tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Retried {
    /// Whether it is tried again; not so where nothing had failed.
    pub retried: bool,
}

/// One thing to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Step {
    /// `prepare`, `start`, `stop` or `remove`.
    pub action: String,
    /// A service or an instance.
    pub target: String,
}

/// The node at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeStatus {
    /// The node's name.
    pub node: String,
    /// Revision of the desired state.
    pub revision: u64,
    /// Whether it is as it should be.
    pub health: Health,
    /// Whether it is ready, its state whole and its disk writable.
    pub conditions: Vec<Condition>,
    /// Every plugin instance, by name.
    pub plugins: Vec<Plugin>,
    /// Every application, by name.
    pub applications: Vec<Application>,
}

/// An application at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Its version as applied; empty where nobody gave one.
    pub version: String,
    /// What it does, one word.
    pub state: String,
    /// Why, where there is something to say.
    pub reason: String,
    /// Whether its newest version is deployed, and whether it is available.
    pub conditions: Vec<Condition>,
    /// Whether it stays so until something happens: nothing is being done for it.
    pub settled: bool,
    /// Its services.
    pub services: Vec<Service>,
}

/// A service at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    /// Its name within the application.
    pub name: String,
    /// What it does, one word.
    pub state: String,
    /// Why it waits or failed.
    pub reason: String,
    /// Whether it is prepared, available and enforced.
    pub conditions: Vec<Condition>,
    /// What is accepted of it though it should be better.
    pub warnings: Vec<String>,
    /// Its instances, by index.
    pub instances: Vec<Instance>,
}

/// An instance at one moment. What is not known is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Instance {
    /// `application.service.index`.
    pub id: String,
    /// The application.
    pub application: String,
    /// The service in it.
    pub service: String,
    /// From 1.
    pub index: u32,
    /// What it does, one word.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Whether it runs, is ready and healthy.
    pub conditions: Vec<Condition>,
    /// Seconds since 1970 of the last change of state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Whether it runs another version than the one that is wanted now.
    pub outdated: bool,
    /// Process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u64,
    /// How far it has proven itself while it runs: `started`, `ready` as its probes say, or `healthy` when it has been
    /// ready for long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fitness: Option<String>,
    /// Seconds since 1970 of the last answer to one of its probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<u64>,
    /// How it ended last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
}

/// How an instance ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Exit {
    /// Exit status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Signal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Ended for want of memory.
    pub oom: bool,
}

/// Something that happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Event {
    /// Levels parted by `/`.
    pub topic: String,
    /// Whatever the topic says.
    pub data: serde_json::Value,
}

/// Something in the package store. What is not known is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Package {
    /// `tree`, `blob`, `part` (of a download), `quarantined`, or `staging` (a tree that is built or removed).
    pub kind: String,
    /// Digest, or name.
    pub name: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes of a part once it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<u64>,
    /// `used`, `former` (kept for going back), `wanted` (a configuration names it), `busy` (being fetched or built),
    /// `unfinished`, `refused` or `unused`.
    pub state: String,
    /// Services, as `application.service`.
    pub used_by: Vec<String>,
    /// Seconds since 1970 of its last change.
    pub modified: u64,
    /// From where a part or a quarantined file comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why it is in quarantine: what was expected and what was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a cleaning of the package store has removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cleaned {
    /// Whether nothing was removed, because only a preview was asked for.
    pub dry_run: bool,
    /// What was removed.
    pub removed: Vec<Removed>,
    /// What nobody needs but somebody still reads; a later cleaning takes it.
    pub held: Vec<Removed>,
    /// Bytes of the files that were removed.
    pub bytes: u64,
}

/// Something that was in the package store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Removed {
    /// As in the list.
    pub kind: String,
    /// As in the list.
    pub name: String,
}

/// A plugin instance at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Plugin {
    /// Its name.
    pub instance: String,
    /// Its plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// Digest of the file in use.
    pub sha256: String,
    /// Capabilities.
    pub provides: Vec<String>,
    /// Where it is in its life.
    pub state: String,
    /// Why, when it is not running.
    pub message: String,
    /// Whether it is ready.
    pub conditions: Vec<Condition>,
    /// Seconds since 1970 of the last change of state.
    pub since: u64,
    /// How often it was started again.
    pub restarts: u64,
    /// Whether the node's health depends on it.
    pub required: bool,
    /// `library`, `process` or `linked`.
    pub isolation: String,
    /// Process id of its child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// A plugin instance with what its file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PluginDetail {
    /// As in the list.
    #[serde(flatten)]
    pub status: Plugin,
    /// What the file says.
    pub manifest: Manifest,
}

/// What a plugin's file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Who made it.
    pub vendor: String,
    /// API version that it was built with.
    pub api: String,
    /// API version that it needs at least.
    pub api_min: String,
    /// Methods by capability.
    pub provides: BTreeMap<String, Vec<String>>,
    /// `beside` or `handover`.
    pub replace: String,
    /// What it asks for.
    pub permissions: Vec<String>,
}

impl Condition {
    /// Whether it is so.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.status == "true"
    }

    /// The one of a type, where there is one.
    #[must_use]
    pub fn of<'a>(all: &'a [Self], aspect: &str) -> Option<&'a Self> {
        all.iter().find(|condition| condition.aspect == aspect)
    }
}

impl NodeStatus {
    /// Every instance of every service, in their order.
    pub fn into_instances(self) -> impl Iterator<Item = Instance> {
        let services = self
            .applications
            .into_iter()
            .flat_map(|application| application.services);
        services.flat_map(|service| service.instances)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_absent_and_what_is_not_sent_is_empty() {
        let instance = Instance {
            id: "a.b.1".into(),
            index: 1,
            ..Instance::default()
        };
        let json = serde_json::to_value(&instance).unwrap();
        assert!(json.get("pid").is_none() && json.get("exit").is_none(), "{json}");
        assert_eq!(
            serde_json::from_str::<Instance>(r#"{"id":"a.b.1","index":1,"later":true}"#).unwrap(),
            instance
        );
    }

    #[test]
    fn a_plugins_detail_is_its_status_and_a_manifest() {
        let status = Plugin {
            instance: "engine".into(),
            pid: Some(7),
            ..Plugin::default()
        };
        let detail = PluginDetail {
            status,
            manifest: Manifest {
                vendor: "Acme".into(),
                ..Manifest::default()
            },
        };
        let json = serde_json::to_value(&detail).unwrap();
        assert_eq!(
            (&json["instance"], &json["manifest"]["vendor"]),
            (&"engine".into(), &"Acme".into())
        );
        assert_eq!(serde_json::from_value::<PluginDetail>(json).unwrap(), detail);
    }
}
