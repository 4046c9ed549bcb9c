//! Baetyl's applications, as shown by its cloud API and as saved.

mod probe;
mod registry;
mod saved;
mod service;
mod volume;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use aerolith_model::{AppName, Application, JobConfig, JobRestartPolicy, Service, Timestamp, Volume, Workload};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::envelope::join;
use crate::error::Problem;
use crate::view::{Viewed, blank_is_none, view};
use registry::RegistryView;
use service::ServiceView;
use volume::VolumeView;

type Located<T> = Result<T, (String, Problem)>;

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
    #[serde(default)]
    cron_status: u8,
    #[serde(default, deserialize_with = "blank_is_none")]
    cron_time: Option<String>,
    #[serde(default)]
    preserve_updates: bool,
    #[serde(default)]
    host_network: bool,
    replica: Option<u32>,
    #[serde(default)]
    registries: Vec<RegistryView>,
    #[serde(default)]
    init_services: Vec<ServiceView>,
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

/// Zero is what Go writes for what nobody said.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobConfigView {
    #[serde(default)]
    completions: u32,
    #[serde(default)]
    parallelism: u32,
    #[serde(default)]
    backoff_limit: u32,
    #[serde(default, deserialize_with = "blank_is_none")]
    restart_policy: Option<JobRestartPolicy>,
}

impl From<JobConfigView> for JobConfig {
    fn from(view: JobConfigView) -> Self {
        Self {
            completions: NonZeroU32::new(view.completions),
            parallelism: NonZeroU32::new(view.parallelism),
            backoff_limit: view.backoff_limit,
            restart_policy: view.restart_policy.unwrap_or_default(),
        }
    }
}

/// Reads an application and checks that its parts fit together.
pub(crate) fn application(path: &str, mut fields: Map<String, Value>) -> Located<Application> {
    drop_pinned_versions(&mut fields);
    let Viewed { view, extra } = view::<ApplicationView>(path, fields)?;
    check_category(view.category.as_deref()).map_err(|problem| (join(path, "type"), problem))?;
    let (workload, job_config) = work(path, &view)?;
    let start_at = start(view.cron_status, view.cron_time.as_deref());
    let mut application = Application {
        name: view.name,
        version: String::new(),
        description: view.description,
        labels: view.labels,
        workload,
        job_config: job_config.map(JobConfig::from),
        start_at: start_at.map_err(|(field, problem)| (join(path, field), problem))?,
        preserve_updates: view.preserve_updates,
        host_network: view.host_network,
        registries: view.registries.into_iter().map(|registry| registry.name).collect(),
        init_services: services(path, "initServices", view.init_services, 1)?,
        services: services(path, "services", view.services, view.replica.unwrap_or(1))?,
        volumes: volumes(path, view.volumes)?,
        extra,
    };
    saved::restore_program_configs(&mut application);
    application.validate().map_err(|invalid| {
        let at = join(path, &invalid.path);
        (at, Problem::Invalid(Box::new(invalid)))
    })?;
    Ok(application)
}

/// The version of a configuration that Baetyl's cloud writes beside its name is bookkeeping: the newest one is used.
fn drop_pinned_versions(fields: &mut Map<String, Value>) {
    let volumes = fields.get_mut("volumes").and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten() {
        for source in ["config", "secret", "certificate"] {
            if let Some(reference) = volume.get_mut(source).and_then(Value::as_object_mut) {
                reference.remove("version");
            }
        }
    }
}

fn check_category(category: Option<&str>) -> Result<(), Problem> {
    match category {
        Some(found) if found != "container" => Err(Problem::Unsupported {
            what: "application type",
            found: found.to_owned(),
            instead: "only `container` applications, whose services have a programConfig or an image, run here",
        }),
        _ => Ok(()),
    }
}

/// Workload and job of an application, or of its services where they say it, which is deprecated. What is said of jobs means
/// nothing for any other workload.
fn work(path: &str, view: &ApplicationView) -> Located<(Workload, Option<JobConfigView>)> {
    let differ = |index: usize, field: &str| {
        let path = format!("{}[{index}].{field}", join(path, "services"));
        let other = "another service says otherwise: here one application has one, so make two applications of it";
        (path, Problem::Field(other.to_owned()))
    };
    let (mut workload, mut job_config) = (view.workload, view.job_config.clone());
    if workload.is_none() {
        workload = view.services.iter().find_map(|service| service.workload);
        let other = |service: &ServiceView| service.workload.is_some() && service.workload != workload;
        if let Some(index) = view.services.iter().position(other) {
            return Err(differ(index, "type"));
        }
    }
    if job_config.is_none() {
        job_config = view.services.iter().find_map(|service| service.job_config.clone());
        let other = |service: &ServiceView| service.job_config.is_some() && service.job_config != job_config;
        if let Some(index) = view.services.iter().position(other) {
            return Err(differ(index, "jobConfig"));
        }
    }
    let workload = workload.unwrap_or_default();
    Ok((workload, job_config.filter(|_| workload == Workload::Job)))
}

/// When a version is deployed: a `cronStatus` of 1 waits for `cronTime`, 2 has waited, 0 never does.
fn start(status: u8, time: Option<&str>) -> Result<Option<Timestamp>, (&'static str, Problem)> {
    match (status, time) {
        (0 | 2, _) => Ok(None),
        (1, Some(time)) => match time.parse() {
            Ok(time) => Ok(Some(time)),
            Err(error) => Err(("cronTime", Problem::Field(format!("{error}")))),
        },
        (1, None) => Err((
            "cronTime",
            Problem::Field("is missing, and `cronStatus` 1 waits for it".into()),
        )),
        (other, _) => Err((
            "cronStatus",
            Problem::Field(format!("is {other}: expected 0 (none), 1 (waiting) or 2 (done)")),
        )),
    }
}

fn services(path: &str, list: &str, views: Vec<ServiceView>, replica: u32) -> Located<Vec<Service>> {
    let list = join(path, list);
    let all = views.into_iter().enumerate();
    all.map(|(index, view)| view.read(&format!("{list}[{index}]"), replica))
        .collect()
}

fn volumes(path: &str, views: Vec<VolumeView>) -> Located<Vec<Volume>> {
    let list = join(path, "volumes");
    let all = views.into_iter().enumerate();
    all.map(|(index, view)| Volume::try_from(view).map_err(|error| (format!("{list}[{index}]"), error.into())))
        .collect()
}
