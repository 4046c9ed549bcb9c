//! The parts of `aerolith.yml` about what services get of the host, and may ask of it.

use std::path::PathBuf;

use aerolith_node::{HostPathRule, PortRange, WorkloadPolicy};
use serde::{Deserialize, Deserializer, de};

/// Ports that instances are given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ports {
    /// One of these for each instance.
    #[serde(deserialize_with = "range")]
    #[cfg_attr(test, schemars(with = "String", regex(pattern = "^[0-9]+-[0-9]+$")))]
    pub(crate) dynamic: PortRange,
}

/// What services may ask of the host; nothing unless said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Workloads {
    /// Whether a service may be privileged.
    privileged: bool,
    /// Users that a service may run as.
    users: Vec<String>,
    /// As whom programs run that name nobody.
    default_user: Option<String>,
    /// Powers of root that a service may have beside everybody's.
    capabilities: Vec<String>,
    /// Whether programs of a service may have more power than it has.
    privilege_escalation: bool,
    /// Variables of the daemon's environment that a service may ask for.
    environment: Vec<String>,
    /// Folders of the host that may be shown.
    #[cfg_attr(test, schemars(with = "Vec<String>", inner(regex(pattern = "^/"))))]
    host_paths: Vec<HostPath>,
    /// Devices.
    devices: Vec<String>,
    /// Whether a container may have the host's network.
    host_network: bool,
    /// Container runtimes.
    runtimes: Vec<String>,
    /// Whether images must be named by digest.
    require_digest: bool,
}

/// An absolute folder, with `:ro` behind it for reading only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct HostPath(HostPathRule);

impl TryFrom<String> for HostPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (path, read_only) = match text.strip_suffix(":ro") {
            Some(path) => (PathBuf::from(path), true),
            None => (PathBuf::from(&text), false),
        };
        match path.is_absolute() {
            true => Ok(Self(HostPathRule { path, read_only })),
            false => Err(format!("`{text}` is not an absolute path")),
        }
    }
}

fn range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PortRange, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

impl Workloads {
    /// As the node asks it.
    pub(crate) fn policy(&self) -> WorkloadPolicy {
        WorkloadPolicy {
            privileged: self.privileged,
            users: self.users.clone(),
            default_user: self.default_user.clone(),
            capabilities: self.capabilities.clone(),
            privilege_escalation: self.privilege_escalation,
            environment: self.environment.clone(),
            host_paths: self.host_paths.iter().map(|path| path.0.clone()).collect(),
            devices: self.devices.clone(),
            host_network: self.host_network,
            runtimes: self.runtimes.clone(),
            require_digest: self.require_digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workloads(text: &str) -> Result<WorkloadPolicy, String> {
        let read = aerolith_model::read_yaml::<Workloads>("p.yml", text);
        read.map(|read| read.policy()).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_is_closed_until_it_is_said() {
        assert_eq!(workloads("{}"), Ok(WorkloadPolicy::default()));
        let text = "{privileged: true, users: ['1000'], hostPaths: [/srv, '/etc/ssl:ro'], devices: [/dev/video*],\n\
                    hostNetwork: true, runtimes: [nvidia], requireDigest: true}";
        let policy = workloads(text).unwrap();
        assert!(policy.privileged && policy.host_network && policy.require_digest);
        let paths: Vec<_> = policy
            .host_paths
            .iter()
            .map(|rule| (rule.path.to_str().unwrap(), rule.read_only))
            .collect();
        assert_eq!(paths, [("/srv", false), ("/etc/ssl", true)]);
        assert_eq!(
            (policy.users, policy.devices, policy.runtimes),
            (vec!["1000".into()], vec!["/dev/video*".into()], vec!["nvidia".into()])
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        assert!(
            workloads("{hostPaths: [srv]}")
                .unwrap_err()
                .contains("`srv` is not an absolute path")
        );
        assert!(workloads("{hostPath: [/srv]}").unwrap_err().contains("`hostPath`"));
        let ports = |text| aerolith_model::read_yaml::<Ports>("p.yml", text);
        assert_eq!(ports("{dynamic: 50200-51000}").unwrap(), Ports::default());
        assert!(
            ports("{dynamic: 9-1}")
                .unwrap_err()
                .to_string()
                .contains("`9-1` is not a range of ports")
        );
    }
}
