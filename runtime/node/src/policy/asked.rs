//! What a service asks of the host, gathered in one place. Pure.

use std::collections::BTreeSet;
use std::path::Path;

use aerolith_model::{Service, Volume, VolumeMount, VolumeSource};
use serde::{Deserialize, Serialize};

use crate::layout::relative;

/// What a service asks of the host. It is kept with the record of each instance, so that a policy that became stricter is
/// asked about it too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Asked {
    pub(crate) privileged: bool,
    pub(crate) user: Option<String>,
    /// Powers of root beside those of everybody.
    pub(crate) capabilities: BTreeSet<String>,
    pub(crate) escalation: bool,
    /// Variables of the daemon's environment.
    pub(crate) environment: BTreeSet<String>,
    pub(crate) host_paths: BTreeSet<HostPath>,
    pub(crate) devices: BTreeSet<String>,
    /// Of an engine that could give it another network.
    pub(crate) host_network: bool,
    pub(crate) runtime: Option<String>,
    pub(crate) image: Option<String>,
}

/// A place of the host that is shown to a service; one that is not absolute lies below the node's folder for those.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HostPath {
    pub(crate) path: String,
    pub(crate) read_only: bool,
}

impl HostPath {
    /// What a mount shows of a volume at `path`.
    pub(crate) fn shown(path: &str, mount: &VolumeMount) -> Self {
        let part = mount.sub_path.as_ref().map(|part| relative(part.as_str()));
        let path = part.map_or_else(
            || path.to_owned(),
            |part| Path::new(path).join(part).display().to_string(),
        );
        let read_only = mount.read_only;
        Self { path, read_only }
    }

    /// Every place that a service mounts.
    pub(crate) fn mounted(service: &Service, volumes: &[Volume]) -> BTreeSet<Self> {
        let shown = |mount: &VolumeMount| {
            let volume = volumes.iter().find(|volume| volume.name == mount.name)?;
            match &volume.source {
                VolumeSource::HostPath(host) => Some(Self::shown(&host.path, mount)),
                _ => None,
            }
        };
        service.volume_mounts.iter().filter_map(shown).collect()
    }
}

impl Asked {
    /// What a service asks with the volumes that it mounts.
    pub(crate) fn by(service: &Service, volumes: &[Volume]) -> Self {
        let added = service.security.capabilities.add.iter();
        Self {
            privileged: service.security.privileged,
            user: service.security.user.clone(),
            capabilities: added.map(|name| bare(name.as_str()).to_owned()).collect(),
            escalation: service.security.allow_privilege_escalation,
            environment: service.env_passthrough.iter().map(ToString::to_string).collect(),
            host_paths: HostPath::mounted(service, volumes),
            devices: service
                .devices
                .iter()
                .map(|device| device.device_path.to_string())
                .collect(),
            host_network: service.host_network && service.program_config.is_none(),
            runtime: service.runtime.clone(),
            image: service.image.clone(),
        }
    }
}

/// A capability without the prefix that it may be written with.
pub(super) fn bare(name: &str) -> &str {
    name.strip_prefix("CAP_").unwrap_or(name)
}
