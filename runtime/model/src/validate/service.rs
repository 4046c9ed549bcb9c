//! What must hold inside one service.

use std::collections::BTreeSet;

use super::fault::Fault;
use super::{Checked, fault_at};
use crate::limits::Quantity;
use crate::probe::{Check, Probe, ProbePort};
use crate::security::Security;
use crate::service::Service;

/// Checks what a service says by itself, wherever it stands. `path` is where.
pub(super) fn check(path: &str, service: &Service) -> Checked {
    check_texts(path, service)?;
    check_security(path, service)?;
    check_lists(path, service)?;
    for (name, probe) in probes(service) {
        check_probe(path, service, name, probe)?;
    }
    check_resources(path, service)
}

/// Checks that an init service says nothing that is for services which keep running.
pub(super) fn check_init(path: &str, service: &Service) -> Checked {
    let plain = Service::new(service.name.clone());
    let asked: Vec<&str> = probes(service).map(|(name, _)| name).collect();
    let said = [
        (service.replica != plain.replica, "replica"),
        (!service.depends_on.is_empty(), "dependsOn"),
        (service.update != plain.update, "update"),
    ];
    let said = said.into_iter().filter_map(|(said, field)| said.then_some(field));
    match said.chain(asked).next() {
        Some(field) => fault_at(
            format!("{path}.{field}"),
            Fault::NotOfInit {
                service: service.name.clone(),
                field,
            },
        ),
        None => Ok(()),
    }
}

fn probes(service: &Service) -> impl Iterator<Item = (&'static str, &Probe)> {
    let all = [
        ("startupProbe", &service.startup_probe),
        ("livenessProbe", &service.liveness_probe),
        ("readinessProbe", &service.readiness_probe),
    ];
    all.into_iter()
        .filter_map(|(name, probe)| Some((name, probe.as_ref()?)))
}

fn check_texts(path: &str, service: &Service) -> Checked {
    let name = || service.name.clone();
    match (&service.program_config, &service.image) {
        (None, None) => return fault_at(path, Fault::NothingToRun(name())),
        (Some(_), Some(_)) => return fault_at(format!("{path}.image"), Fault::TwoThingsToRun(name())),
        _ => {}
    }
    let texts = [
        ("image", &service.image),
        ("engine", &service.engine),
        ("runtime", &service.runtime),
        ("security.user", &service.security.user),
    ];
    let empty = texts.into_iter().find(|(_, text)| text.as_deref() == Some(""));
    match empty {
        Some((field, _)) => fault_at(format!("{path}.{field}"), Fault::Empty { service: name(), field }),
        None => Ok(()),
    }
}

fn check_security(path: &str, service: &Service) -> Checked {
    let asked = &service.security;
    let alone = Security {
        privileged: true,
        user: asked.user.clone(),
        ..Security::default()
    };
    if asked.privileged && *asked != alone {
        return fault_at(
            format!("{path}.security.privileged"),
            Fault::PrivilegedAndKept(service.name.clone()),
        );
    }
    Ok(())
}

fn check_lists(path: &str, service: &Service) -> Checked {
    let name = || service.name.clone();
    if let Some(at) = second(service.env.iter().map(|variable| &variable.name)) {
        let variable = service.env[at].name.clone();
        let fault = Fault::DuplicateVariable {
            service: name(),
            variable,
        };
        return fault_at(format!("{path}.env[{at}].name"), fault);
    }
    if let Some(at) = second(service.volume_mounts.iter().map(|mount| &mount.mount_path)) {
        let mounted = service.volume_mounts[at].mount_path.clone();
        let fault = Fault::DuplicateMountPath {
            service: name(),
            path: mounted,
        };
        return fault_at(format!("{path}.volumeMounts[{at}].mountPath"), fault);
    }
    Ok(())
}

fn check_probe(path: &str, service: &Service, probe: &'static str, asked: &Probe) -> Checked {
    let name = || service.name.clone();
    if probe != "readinessProbe" && asked.success_threshold.get() != 1 {
        let fault = Fault::Threshold { service: name(), probe };
        return fault_at(format!("{path}.{probe}.successThreshold"), fault);
    }
    let (field, port) = match &asked.check {
        Check::Http(get) => ("httpGet", Some(get.port)),
        Check::Tcp(socket) => ("tcpSocket", Some(socket.port)),
        Check::Exec(_) => ("exec", None),
    };
    if port == Some(ProbePort::Dynamic) && service.image.is_some() {
        let fault = Fault::DynamicPort { service: name(), probe };
        return fault_at(format!("{path}.{probe}.{field}.port"), fault);
    }
    Ok(())
}

/// Resources that are counted in bytes.
const BYTES: [&str; 3] = ["memory", "swap", "ephemeral-storage"];
/// All that have no name of a vendor before a slash.
const RESOURCES: [&str; 6] = ["cpu", "memory", "swap", "pids", "openFiles", "ephemeral-storage"];
/// What nothing can run without some of.
const NEEDED: [&str; 4] = ["cpu", "memory", "pids", "openFiles"];
/// The highest share of the disks that the kernel takes.
const MOST_IO_WEIGHT: u16 = 10_000;

fn check_resources(path: &str, service: &Service) -> Checked {
    let all = [
        ("limits", &service.resources.limits),
        ("requests", &service.resources.requests),
    ];
    for (part, amounts) in all {
        for (resource, amount) in amounts {
            check_amount(service, resource, amount)
                .or_else(|fault| fault_at(format!("{path}.resources.{part}.{resource}"), fault))?;
        }
    }
    let (limits, requests) = (&service.resources.limits, &service.resources.requests);
    let none = |name: &&&str| limits.get(**name).is_some_and(|limit| limit.thousandths() == 0);
    if let Some(name) = NEEDED.iter().find(none) {
        let (service, name) = (service.name.clone(), (*name).to_owned());
        return fault_at(
            format!("{path}.resources.limits.{name}"),
            Fault::NothingLeft { service, name },
        );
    }
    if service
        .resources
        .io_weight
        .is_some_and(|weight| weight.get() > MOST_IO_WEIGHT)
    {
        let service = service.name.clone();
        return fault_at(format!("{path}.resources.ioWeight"), Fault::IoWeight { service });
    }
    let above = |(resource, amount): &(&String, &Quantity)| {
        let limit = limits.get(*resource);
        limit.is_some_and(|limit| amount.thousandths() > limit.thousandths())
    };
    match requests.iter().find(above) {
        Some((resource, _)) => fault_at(
            format!("{path}.resources.requests.{resource}"),
            Fault::RequestAboveLimit {
                service: service.name.clone(),
                name: resource.clone(),
            },
        ),
        None => Ok(()),
    }
}

fn check_amount(service: &Service, resource: &str, amount: &Quantity) -> Result<(), Fault> {
    let (service, name) = (service.name.clone(), resource.to_owned());
    let is_vendors = resource
        .split_once('/')
        .is_some_and(|(vendor, kind)| !vendor.is_empty() && !kind.is_empty());
    if !is_vendors && !RESOURCES.contains(&resource) && !resource.starts_with("hugepages-") {
        return Err(Fault::UnknownResource { service, name });
    }
    let amount = amount.to_string();
    if BYTES.contains(&resource) && amount.ends_with('m') {
        return Err(Fault::Thousandths { service, name, amount });
    }
    Ok(())
}

/// The index of the first item that stood before.
pub(super) fn second<T: Ord>(mut items: impl Iterator<Item = T>) -> Option<usize> {
    let mut seen = BTreeSet::new();
    items.position(|item| !seen.insert(item))
}
