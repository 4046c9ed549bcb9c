//! Baetyl's applications, as shown by its cloud API and as saved.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;

use aerolith_model::{
    AppName, Application, EmptyDir, EnvVar, HostPath, HostPathType, InvalidVolume, JobConfig, JobRestartPolicy, Medium,
    MountPath, Name, Port, Protocol, Quantity, Service, ServiceName, Volume, VolumeMount, VolumeName, VolumeSource,
    Workload,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Problem;
use crate::view::{Viewed, blank_is_none, view};

/// Where Baetyl mounts the package of a service when it saves an application.
const PROGRAM_PATH: &str = "/var/lib/baetyl/bin";
/// How it names that volume, before nine random characters.
const PROGRAM_VOLUME: &str = "baetyl-program-config-";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationView {
    name: AppName,
    #[serde(default)]
    description: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default, rename = "type", deserialize_with = "blank_is_none")]
    category: Option<String>,
    #[serde(default, deserialize_with = "blank_is_none")]
    workload: Option<Workload>,
    job_config: Option<JobConfigView>,
    replica: Option<u32>,
    #[serde(default)]
    services: Vec<ServiceView>,
    #[serde(default)]
    volumes: Vec<VolumeView>,
    #[serde(default, rename = "mode", deserialize_with = "blank_is_none")]
    _mode: Option<Mode>,
}

/// A service says what it is by `programConfig` or `image`, so the mode is only checked.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Kube,
    Native,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobConfigView {
    #[serde(default)]
    backoff_limit: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceView {
    name: ServiceName,
    #[serde(default, deserialize_with = "blank_is_none")]
    program_config: Option<Name>,
    #[serde(default, deserialize_with = "blank_is_none")]
    image: Option<String>,
    replica: Option<u32>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default, deserialize_with = "blank_is_none")]
    working_dir: Option<MountPath>,
    #[serde(default)]
    env: Vec<EnvVar>,
    #[serde(default)]
    ports: Vec<PortView>,
    #[serde(default)]
    volume_mounts: Vec<MountView>,
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
struct VolumeView {
    name: VolumeName,
    config: Option<Reference>,
    secret: Option<Reference>,
    certificate: Option<Reference>,
    host_path: Option<HostPathView>,
    empty_dir: Option<EmptyDirView>,
}

#[derive(Deserialize)]
struct Reference {
    name: Name,
}

#[derive(Deserialize)]
struct HostPathView {
    path: String,
    #[serde(default, rename = "type")]
    kind: HostPathType,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmptyDirView {
    #[serde(default)]
    medium: Medium,
    #[serde(default, deserialize_with = "blank_is_none")]
    size_limit: Option<Quantity>,
}

/// Reads an application and checks that its parts fit together.
pub(crate) fn application(path: &str, mut fields: Map<String, Value>) -> Result<Application, (String, Problem)> {
    drop_pinned_versions(&mut fields);
    let Viewed { view, extra } = view::<ApplicationView>(path, fields)?;
    let here = |problem| (path.to_owned(), problem);
    check_category(view.category).map_err(here)?;
    let replica = view.replica.unwrap_or(1);
    let volumes: Result<_, _> = view.volumes.into_iter().map(volume).collect();
    let mut application = Application {
        name: view.name,
        version: String::new(),
        description: view.description,
        labels: view.labels,
        workload: view.workload.unwrap_or_default(),
        job_config: view.job_config.map(|JobConfigView { backoff_limit }| JobConfig {
            completions: None,
            parallelism: None,
            backoff_limit,
            restart_policy: JobRestartPolicy::default(),
        }),
        start_at: None,
        preserve_updates: false,
        host_network: false,
        registries: Vec::new(),
        init_services: Vec::new(),
        services: view.services.into_iter().map(|view| service(view, replica)).collect(),
        volumes: volumes.map_err(|error| here(error.into()))?,
        extra,
    };
    restore_program_configs(&mut application);
    application
        .validate()
        .map_err(|invalid| here(Problem::Invalid(Box::new(invalid))))?;
    Ok(application)
}

/// The version of a configuration that Baetyl's cloud writes beside its name is bookkeeping: the newest one is used.
fn drop_pinned_versions(fields: &mut Map<String, Value>) {
    let volumes = fields.get_mut("volumes").and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten() {
        for source in ["config", "secret"] {
            if let Some(reference) = volume.get_mut(source).and_then(Value::as_object_mut) {
                reference.remove("version");
            }
        }
    }
}

fn check_category(category: Option<String>) -> Result<(), Problem> {
    match category {
        Some(found) if found != "container" => Err(Problem::Unsupported {
            what: "application type",
            found,
            instead: "only `container` applications, whose services have a programConfig or an image, run here",
        }),
        _ => Ok(()),
    }
}

fn service(view: ServiceView, default_replica: u32) -> Service {
    Service {
        program_config: view.program_config,
        image: view.image,
        replica: view.replica.unwrap_or(default_replica),
        command: view.command,
        args: view.args,
        working_dir: view.working_dir,
        env: view.env,
        ports: view.ports.into_iter().map(port).collect(),
        volume_mounts: view.volume_mounts.into_iter().map(mount).collect(),
        ..Service::new(view.name)
    }
}

fn port(view: PortView) -> Port {
    let PortView {
        host_port,
        container_port,
        protocol,
        host_ip,
    } = view;
    let host_port = NonZeroU16::new(host_port);
    Port {
        host_port,
        container_port,
        protocol: protocol.unwrap_or_default(),
        host_ip,
    }
}

fn mount(view: MountView) -> VolumeMount {
    let MountView {
        name,
        mount_path,
        sub_path,
        read_only,
        immutable,
        auto_clean,
    } = view;
    VolumeMount {
        name,
        mount_path,
        sub_path,
        read_only,
        immutable,
        auto_clean,
    }
}

fn volume(view: VolumeView) -> Result<Volume, InvalidVolume> {
    let mut sources = Vec::new();
    sources.extend(view.config.map(|reference| VolumeSource::Config(reference.name)));
    let secrets = view.secret.into_iter().chain(view.certificate);
    sources.extend(secrets.map(|reference| VolumeSource::Secret(reference.name)));
    let host_path = |HostPathView { path, kind }| VolumeSource::HostPath(HostPath { path, kind });
    sources.extend(view.host_path.map(host_path));
    let empty_dir = |EmptyDirView { medium, size_limit }| VolumeSource::EmptyDir(EmptyDir { medium, size_limit });
    sources.extend(view.empty_dir.map(empty_dir));
    Volume::new(view.name, sources)
}

/// Turns the saved form back: a package mounted where Baetyl looks for programs is the service's `programConfig`.
fn restore_program_configs(application: &mut Application) {
    let packages: BTreeMap<VolumeName, Name> = application.volumes.iter().filter_map(program_volume).collect();
    for service in &mut application.services {
        let mounts = &service.volume_mounts;
        let at = mounts
            .iter()
            .position(|mount| mount.mount_path.as_str() == PROGRAM_PATH && packages.contains_key(mount.name.as_str()));
        if let (Some(at), None, None) = (at, &service.program_config, &service.image) {
            let mount = service.volume_mounts.remove(at);
            service.program_config = packages.get(&mount.name).cloned();
        }
    }
    let Application { services, volumes, .. } = application;
    let mounts = || services.iter().flat_map(|service| &service.volume_mounts);
    volumes.retain(|volume| !packages.contains_key(&volume.name) || mounts().any(|mount| mount.name == volume.name));
}

fn program_volume(volume: &Volume) -> Option<(VolumeName, Name)> {
    match &volume.source {
        VolumeSource::Config(package) if volume.name.as_str().starts_with(PROGRAM_VOLUME) => {
            Some((volume.name.clone(), package.clone()))
        }
        _ => None,
    }
}
