//! Services of Baetyl's applications.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;

use aerolith_model::{
    Device, DevicePolicy, EnvVar, Hostname, ImagePullPolicy, InvalidProbe, MountPath, Name, Port, Probe, Protocol,
    Quantity, Resources, Security, Service, ServiceName, VolumeMount, VolumeName, Workload,
};
use serde::Deserialize;

use super::JobConfigView;
use super::probe::ProbeView;
use crate::envelope::join;
use crate::error::Problem;
use crate::view::blank_is_none;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceView {
    name: ServiceName,
    #[serde(default, deserialize_with = "blank_is_none")]
    program_config: Option<Name>,
    #[serde(default, deserialize_with = "blank_is_none")]
    image: Option<String>,
    #[serde(default, deserialize_with = "blank_is_none")]
    hostname: Option<Hostname>,
    replica: Option<u32>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default, deserialize_with = "blank_is_none")]
    working_dir: Option<MountPath>,
    #[serde(default)]
    env: Vec<EnvView>,
    #[serde(default)]
    ports: Vec<PortView>,
    #[serde(default)]
    volume_mounts: Vec<MountView>,
    #[serde(default)]
    devices: Vec<DeviceView>,
    #[serde(default)]
    resources: ResourcesView,
    #[serde(default, deserialize_with = "blank_is_none")]
    runtime: Option<String>,
    #[serde(default)]
    security: SecurityView,
    #[serde(default)]
    host_network: bool,
    startup_probe: Option<ProbeView>,
    liveness_probe: Option<ProbeView>,
    readiness_probe: Option<ProbeView>,
    #[serde(default, deserialize_with = "blank_is_none")]
    image_pull_policy: Option<ImagePullPolicy>,
    /// Deprecated: the application says it.
    #[serde(default, rename = "type", deserialize_with = "blank_is_none")]
    pub(super) workload: Option<Workload>,
    /// Deprecated: the application says it.
    pub(super) job_config: Option<JobConfigView>,
}

#[derive(Deserialize)]
struct EnvView {
    name: aerolith_model::EnvName,
    #[serde(default)]
    value: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortView {
    #[serde(default)]
    host_port: u16,
    container_port: NonZeroU16,
    #[serde(default, deserialize_with = "blank_is_none")]
    protocol: Option<Protocol>,
    #[serde(default, rename = "hostIP", deserialize_with = "blank_is_none")]
    host_ip: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MountView {
    name: VolumeName,
    mount_path: MountPath,
    #[serde(default, deserialize_with = "blank_is_none")]
    sub_path: Option<MountPath>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    immutable: bool,
    #[serde(default)]
    auto_clean: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceView {
    device_path: MountPath,
    #[serde(default, deserialize_with = "blank_is_none")]
    policy: Option<DevicePolicy>,
    #[serde(default)]
    description: String,
}

#[derive(Default, Deserialize)]
struct ResourcesView {
    #[serde(default)]
    limits: BTreeMap<String, Quantity>,
    #[serde(default)]
    requests: BTreeMap<String, Quantity>,
}

#[derive(Default, Deserialize)]
struct SecurityView {
    #[serde(default)]
    privileged: bool,
}

impl ServiceView {
    /// The service, and of a wrong probe the path.
    pub(super) fn read(self, path: &str, default_replica: u32) -> Result<Service, (String, Problem)> {
        let probe = |name: &str, view: Option<ProbeView>| {
            let wrong = |error: InvalidProbe| (join(path, name), Problem::Field(error.to_string()));
            view.map(|view| Probe::try_from(view).map_err(wrong)).transpose()
        };
        Ok(Service {
            program_config: self.program_config,
            image: self.image,
            hostname: self.hostname,
            replica: self.replica.unwrap_or(default_replica),
            command: self.command,
            args: self.args,
            working_dir: self.working_dir,
            env: self.env.into_iter().map(variable).collect(),
            ports: self.ports.into_iter().map(port).collect(),
            volume_mounts: self.volume_mounts.into_iter().map(mount).collect(),
            devices: self.devices.into_iter().map(device).collect(),
            resources: Resources {
                limits: self.resources.limits,
                requests: self.resources.requests,
                ..Resources::default()
            },
            runtime: self.runtime,
            security: Security {
                privileged: self.security.privileged,
                ..Security::default()
            },
            host_network: self.host_network,
            startup_probe: probe("startupProbe", self.startup_probe)?,
            liveness_probe: probe("livenessProbe", self.liveness_probe)?,
            readiness_probe: probe("readinessProbe", self.readiness_probe)?,
            image_pull_policy: self.image_pull_policy.unwrap_or_default(),
            ..Service::new(self.name)
        })
    }
}

fn variable(EnvView { name, value }: EnvView) -> EnvVar {
    EnvVar { name, value }
}

fn port(view: PortView) -> Port {
    Port {
        host_port: NonZeroU16::new(view.host_port),
        container_port: view.container_port,
        protocol: view.protocol.unwrap_or_default(),
        host_ip: view.host_ip,
    }
}

fn mount(view: MountView) -> VolumeMount {
    VolumeMount {
        name: view.name,
        mount_path: view.mount_path,
        sub_path: view.sub_path,
        read_only: view.read_only,
        immutable: view.immutable,
        auto_clean: view.auto_clean,
    }
}

fn device(view: DeviceView) -> Device {
    Device {
        device_path: view.device_path,
        policy: view.policy,
        description: view.description,
    }
}
