//! Services: what an application runs.

use serde::{Deserialize, Serialize};

use crate::dependency::Dependency;
use crate::duration::GoDuration;
use crate::limits::Resources;
use crate::port::Port;
use crate::probe::Probe;
use crate::restart::Restart;
use crate::security::Security;
use crate::text::{DevicePolicy, EnvName, Hostname, MountPath, Name, ServiceName, VolumeName};
use crate::update::Update;

/// Time between asking an instance to end and ending it, unless its service says otherwise (Baetyl v1).
pub const DEFAULT_GRACE_PERIOD: GoDuration = GoDuration::from_secs(30);

/// One service of an application: a program package or an image, and how to run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::service))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Service {
    /// Unique in the application.
    pub name: ServiceName,
    /// The program package to run; this or `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_config: Option<Name>,
    /// The container image to run; this or `programConfig`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub image: Option<String>,
    /// Engine to use instead of the one that fits (packages run as processes, images as containers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub engine: Option<String>,
    /// Number of instances; 0 runs none.
    #[serde(default = "one")]
    pub replica: u32,
    /// What a container runs in place of its image's entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Working directory inside the instance; the instance's root unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<MountPath>,
    /// Environment variables, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Ports to open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Volumes to show, each path once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// What to do when an instance ends.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart: Restart,
    /// Time between asking an instance to end and ending it.
    #[serde(default = "default_grace_period", skip_serializing_if = "is_default_grace_period")]
    pub grace_period: GoDuration,
    /// Services of the same application that it waits for before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// Whether the service gets its own copy of its package.
    #[serde(default, skip_serializing_if = "is_default")]
    pub package_mode: PackageMode,
    /// Variables of the daemon's own environment that it is given too (ours).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_passthrough: Vec<EnvName>,
    /// How a new version takes the place of the old one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub update: Update,
    /// Asks until it has started; nothing else is asked before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Probe>,
    /// Asks whether it works; an instance that does not is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// Asks whether it can take work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// Host name inside the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,
    /// What it may use of the machine.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Resources,
    /// Devices of the host that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Container runtime, such as `nvidia`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub runtime: Option<String>,
    /// Whether it sees the network as the host does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub host_network: bool,
    /// As whom it runs, and what it may do there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub security: Security,
    /// When an image is pulled.
    #[serde(default, skip_serializing_if = "is_default")]
    pub image_pull_policy: ImagePullPolicy,
}

impl Service {
    /// A service with every default: one instance, restarted always.
    #[must_use]
    pub fn new(name: ServiceName) -> Self {
        Self {
            name,
            program_config: None,
            image: None,
            engine: None,
            replica: one(),
            command: Vec::new(),
            args: Vec::new(),
            working_dir: None,
            env: Vec::new(),
            ports: Vec::new(),
            volume_mounts: Vec::new(),
            restart: Restart::default(),
            grace_period: DEFAULT_GRACE_PERIOD,
            depends_on: Vec::new(),
            package_mode: PackageMode::default(),
            env_passthrough: Vec::new(),
            update: Update::default(),
            startup_probe: None,
            liveness_probe: None,
            readiness_probe: None,
            hostname: None,
            resources: Resources::default(),
            devices: Vec::new(),
            runtime: None,
            host_network: false,
            security: Security::default(),
            image_pull_policy: ImagePullPolicy::default(),
        }
    }
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EnvVar {
    /// Its name.
    pub name: EnvName,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

/// Where a volume appears in a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VolumeMount {
    /// A volume of the application.
    pub name: VolumeName,
    /// Path inside the instance.
    pub mount_path: MountPath,
    /// Part of the volume to show; all of it unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<MountPath>,
    /// Whether writing is refused.
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// Whether what is shown stays as it was when the instance started (Baetyl v2). It always does here.
    #[serde(default, skip_serializing_if = "is_default")]
    pub immutable: bool,
    /// Whether downloaded versions that are no longer needed are removed (Baetyl v2). They always are here.
    #[serde(default, skip_serializing_if = "is_default")]
    pub auto_clean: bool,
}

/// A device of the host (Baetyl v2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Device {
    /// Path on the host, the same inside.
    pub device_path: MountPath,
    /// What may be done with it; everything unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<DevicePolicy>,
    /// What it is for, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// When an image is pulled (Kubernetes).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ImagePullPolicy {
    /// When it is not there.
    #[default]
    IfNotPresent,
    /// Before each preparation.
    Always,
    /// Never: it must be there.
    Never,
}

/// Whether a service gets a copy of its package that it may write to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum PackageMode {
    /// Its own copy, shared by its instances alone.
    #[default]
    Copy,
    /// The stored package itself, read-only.
    Shared,
}

fn one() -> u32 {
    1
}

fn default_grace_period() -> GoDuration {
    DEFAULT_GRACE_PERIOD
}

fn is_default_grace_period(period: &GoDuration) -> bool {
    *period == DEFAULT_GRACE_PERIOD
}

/// Whether a field may be left out of the written form.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_takes_its_default_and_is_not_written_again() {
        let service: Service = serde_json::from_str(r#"{"name":"agent","programConfig":"weather-agent"}"#).unwrap();
        assert_eq!((service.replica, service.grace_period), (1, DEFAULT_GRACE_PERIOD));
        let json = serde_json::to_string(&service).unwrap();
        assert_eq!(json, r#"{"name":"agent","programConfig":"weather-agent","replica":1}"#);
    }

    #[test]
    fn every_field_survives_being_stored() {
        let json = concat!(
            r#"{"name":"agent","image":"nginx:1","engine":"docker","replica":0,"command":["sh"],"args":["-c","x"],"#,
            r#""workingDir":"/srv","env":[{"name":"UNIT","value":"C"}],"#,
            r#""ports":[{"hostPort":8080,"containerPort":80,"protocol":"UDP","hostIP":"127.0.0.1"}],"#,
            r#""volumeMounts":[{"name":"conf","mountPath":"/etc/x","subPath":"a","readOnly":true}],"#,
            r#""restart":{"policy":"no","retry":{"max":3},"backoff":{"min":"1s","max":"5m","factor":2.0}},"#,
            r#""gracePeriod":"5s","dependsOn":["db"],"packageMode":"shared"}"#
        );
        let service: Service = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&service).unwrap(), json);
    }
}
