//! From a goal to what an engine is asked to run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aerolith_model::{ImagePullPolicy, Quantity, Security, Service};
use aerolith_plan::{Goal, RunId};
use aerolith_plugin_wire::engine::{
    Capabilities, Device, Files, Pull, Resources, Sandbox, Shown, SystemCalls, Workload,
};

use crate::desired::Desired;
use crate::environment::{Host, environment};
use crate::folders::Folders;
use crate::layout::relative;
use crate::policy::HostPath;
use crate::ports::ports;
use crate::prepare::Prepared;

/// Engines by what they run.
pub(crate) const PROCESS: &str = "process";
const CONTAINER: &str = "container";

/// The kind of engine that a service needs.
pub(crate) fn engine_kind(goal: &Goal) -> String {
    let fitting = if goal.service.image.is_some() {
        CONTAINER
    } else {
        PROCESS
    };
    goal.service.engine.clone().unwrap_or_else(|| fitting.to_owned())
}

/// Where an instance of it starts, below its folder.
pub(crate) fn start_in(goal: &Goal) -> PathBuf {
    let path = goal.service.working_dir.as_ref();
    path.map(|path| relative(path.as_str())).unwrap_or_default()
}

/// What an instance runs; its token is given at each start.
pub(crate) fn workload(
    folders: &Folders,
    host: &Host,
    desired: &Desired,
    goal: &Goal,
    prepared: &Prepared,
    run: &RunId,
) -> Workload {
    let id = &run.instance;
    let home = folders.home(run);
    let own = [home.folder, home.secrets];
    let version = desired
        .application(id.service.application.as_str())
        .map_or("", |a| a.version.as_str());
    let command = if goal.service.image.is_some() {
        goal.service.command.as_slice()
    } else {
        &[]
    };
    Workload {
        instance: id.to_string(),
        token: String::new(),
        application: id.service.application.to_string(),
        service: id.service.service.to_string(),
        program: prepared.program.clone(),
        image: goal.service.image.clone(),
        arguments: command.iter().chain(&goal.service.args).cloned().collect(),
        environment: environment(host, id, version, &goal.service),
        directory: folders.instance(run).join(start_in(goal)).display().to_string(),
        output: folders.output(id).display().to_string(),
        resources: resources(&goal.service),
        sandbox: sandbox(&goal.service.security),
        passed_environment: goal.service.env_passthrough.iter().map(ToString::to_string).collect(),
        own: own.iter().map(|folder| folder.display().to_string()).collect(),
        shown: shown(folders, goal, prepared),
        user: user(host, &goal.service),
        privileged: goal.service.security.privileged,
        host_network: goal.service.host_network,
        hostname: goal.service.hostname.as_ref().map(ToString::to_string),
        ports: ports(&goal.service),
        devices: goal.service.devices.iter().map(device).collect(),
        runtime: goal.service.runtime.clone(),
        pull: match goal.service.image_pull_policy {
            ImagePullPolicy::IfNotPresent => Pull::IfNotPresent,
            ImagePullPolicy::Always => Pull::Always,
            ImagePullPolicy::Never => Pull::Never,
        },
        ..Workload::default()
    }
}

/// As whom it runs. A container's image says that itself.
fn user(host: &Host, service: &Service) -> Option<String> {
    let default = host.default_user.as_ref().filter(|_| service.image.is_none());
    service.security.user.as_ref().or(default).cloned()
}

fn sandbox(security: &Security) -> Sandbox {
    fn texts<T: ToString>(all: &[T]) -> Vec<String> {
        all.iter().map(T::to_string).collect()
    }
    Sandbox {
        capabilities: Capabilities {
            add: texts(&security.capabilities.add),
            drop: texts(&security.capabilities.drop),
        },
        escalates: security.allow_privilege_escalation,
        files: security.files.as_ref().map(|files| Files {
            read: texts(&files.read),
            write: texts(&files.write),
        }),
        system_calls: security.system_calls.as_ref().map(|calls| SystemCalls {
            deny: texts(&calls.deny),
            allow: texts(&calls.allow),
        }),
        private_tmp: security.private_tmp,
        read_only_host: security.read_only_host,
    }
}

/// What its mounts lead to outside of its own folder: places of the host, and downloaded objects, which are kept as they came.
fn shown(folders: &Folders, goal: &Goal, prepared: &Prepared) -> Vec<Shown> {
    let mounted = HostPath::mounted(&goal.service, &goal.volumes);
    let of_host = mounted.iter().map(|place| Shown {
        path: folders.host().join(&place.path).display().to_string(),
        read_only: place.read_only,
    });
    let downloaded = prepared.volumes.values().map(|folder| Shown {
        path: folder.display().to_string(),
        read_only: true,
    });
    of_host.chain(downloaded).collect()
}

/// What it may use at most. What it asks to be there at least is for who places it, which is nobody on one machine.
fn resources(service: &Service) -> Resources {
    let mut others: BTreeMap<String, &Quantity> = service
        .resources
        .limits
        .iter()
        .map(|(name, quantity)| (name.clone(), quantity))
        .collect();
    Resources {
        cpu_millis: others.remove("cpu").map(Quantity::thousandths),
        memory_bytes: others.remove("memory").map(Quantity::whole),
        swap_bytes: others.remove("swap").map(Quantity::whole),
        pids: others.remove("pids").map(Quantity::whole),
        open_files: others.remove("openFiles").map(Quantity::whole),
        cpus: service.resources.cpuset.as_ref().map(ToString::to_string),
        io_weight: service.resources.io_weight.map(|weight| u64::from(weight.get())),
        others: others
            .into_iter()
            .map(|(name, quantity)| (name, quantity.whole()))
            .collect(),
    }
}

fn device(device: &aerolith_model::Device) -> Device {
    Device {
        path: device.device_path.to_string(),
        policy: device.policy.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}
