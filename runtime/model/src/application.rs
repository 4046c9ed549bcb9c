//! Applications: the unit of deployment.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::service::{Service, is_default};
use crate::text::{AppName, Name, ServiceName};
use crate::timestamp::Timestamp;
use crate::volume::Volume;

/// A set of services and the volumes they share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::application))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Application {
    /// Unique among applications.
    pub name: AppName,
    /// Opaque version text; empty where nobody gave one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// What it is for, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether its services keep running or run to completion.
    #[serde(default, skip_serializing_if = "is_default")]
    pub workload: Workload,
    /// How a job is retried; read for `workload: job` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_config: Option<JobConfig>,
    /// Before this time nothing of a version is deployed; the one before runs on (Baetyl's `cronTime`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// Whether a new version of a configuration or a secret waits until the application itself is changed (Baetyl v2).
    #[serde(default, skip_serializing_if = "is_default")]
    pub preserve_updates: bool,
    /// Whether its services see the network as the host does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub host_network: bool,
    /// Secrets with what registries of images ask for (Baetyl v2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<Name>,
    /// Run to completion, one after the other, before any service starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_services: Vec<Service>,
    /// What runs.
    #[serde(default)]
    pub services: Vec<Service>,
    /// What the services mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Fields of another system that were kept unread, by their path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Application {
    /// One of its services with what the application says for all of them.
    #[must_use]
    pub fn whole<'a>(&self, service: &'a Service) -> Cow<'a, Service> {
        if !self.host_network || service.host_network {
            return Cow::Borrowed(service);
        }
        Cow::Owned(Service {
            host_network: true,
            ..service.clone()
        })
    }

    /// The field in which a service stands, such as `services[0]`; nothing where it has no such service.
    #[must_use]
    pub fn path_of(&self, service: &ServiceName) -> Option<String> {
        let lists = [("services", &self.services), ("initServices", &self.init_services)];
        lists.into_iter().find_map(|(list, services)| {
            let at = services.iter().position(|known| known.name == *service)?;
            Some(format!("{list}[{at}]"))
        })
    }
}

/// Workload of an application (Baetyl v2). A node is a single host: all but `job` mean the same here, that is, every
/// service has `replica` instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Keeps running.
    #[default]
    Deployment,
    /// Keeps running.
    DaemonSet,
    /// Keeps running.
    StatefulSet,
    /// Runs to completion: started again after a failure only, at most `jobConfig.backoffLimit` times.
    Job,
}

/// How a job is retried (Baetyl v2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JobConfig {
    /// Instances that must end well; as many as there are replicas unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completions: Option<NonZeroU32>,
    /// How many of them run at once; all unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<NonZeroU32>,
    /// Restarts after failures before the job counts as failed; 0 means none.
    #[serde(default = "default_backoff_limit")]
    pub backoff_limit: u32,
    /// Whether a failed instance is started again as it was. Each start here has a working folder of its own, so both mean
    /// the same.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart_policy: JobRestartPolicy,
}

/// What Kubernetes does with a failed instance of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum JobRestartPolicy {
    /// Another one is made.
    #[default]
    Never,
    /// It is started again.
    OnFailure,
}

/// Restarts of a failing job whose application does not say how many (Kubernetes' `backoffLimit`, which Baetyl's
/// jobs follow).
pub const DEFAULT_BACKOFF_LIMIT: u32 = 6;

const fn default_backoff_limit() -> u32 {
    DEFAULT_BACKOFF_LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_written_as_it_is_read() {
        let json = concat!(
            r#"{"name":"weather","version":"7","labels":{"a":"b"},"workload":"job","jobConfig":{"backoffLimit":2},"#,
            r#""services":[{"name":"agent","programConfig":"weather-agent","replica":2}],"#,
            r#""volumes":[{"name":"conf","config":{"name":"weather-conf"}}],"extra":{"selector":"site=roof"}}"#
        );
        let application: Application = serde_json::from_str(json).unwrap();
        assert_eq!(application.workload, Workload::Job);
        assert_eq!(serde_json::to_string(&application).unwrap(), json);
    }

    #[test]
    fn a_service_is_found_in_the_list_in_which_it_stands() {
        let json = r#"{"name":"aa","services":[{"name":"s0"},{"name":"s1"}],"initServices":[{"name":"i0"}]}"#;
        let application: Application = serde_json::from_str(json).unwrap();
        for (name, path) in [
            ("s1", Some("services[1]")),
            ("i0", Some("initServices[0]")),
            ("none", None),
        ] {
            let name = name.parse().unwrap();
            assert_eq!(application.path_of(&name).as_deref(), path);
        }
    }

    #[test]
    fn the_four_workloads_of_baetyl_are_known() {
        for name in ["deployment", "daemonset", "statefulset", "job"] {
            assert!(serde_json::from_str::<Workload>(&format!("{name:?}")).is_ok(), "{name}");
        }
    }
}
