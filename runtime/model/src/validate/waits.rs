//! Whom the services of an application wait for.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Fault;
use super::service::second;
use super::{Checked, fault_at};
use crate::application::{Application, Workload};
use crate::dependency::{Dependency, StartCondition};
use crate::hint::closest;
use crate::order::start_order;
use crate::restart::RestartPolicy;
use crate::service::Service;

/// Checks that whom services wait for is there, can become what they wait for, and does not wait for them.
pub(super) fn check(application: &Application) -> Checked {
    for (index, service) in application.services.iter().enumerate() {
        let path = format!("services[{index}].dependsOn");
        for (at, dependency) in service.depends_on.iter().enumerate() {
            check_one(application, service, dependency).or_else(|fault| fault_at(format!("{path}[{at}]"), fault))?;
        }
        if let Some(at) = second(service.depends_on.iter().map(|dependency| &dependency.service)) {
            let dependency = service.depends_on[at].service.clone();
            let service = service.name.clone();
            return fault_at(
                format!("{path}[{at}]"),
                Fault::DuplicateDependency { service, dependency },
            );
        }
    }
    check_circles(application)
}

fn check_one(application: &Application, service: &Service, dependency: &Dependency) -> Result<(), Fault> {
    let name = || service.name.clone();
    let is_init = application
        .init_services
        .iter()
        .any(|init| init.name == dependency.service);
    let other = application
        .services
        .iter()
        .find(|other| other.name == dependency.service);
    match other {
        None if is_init => Ok(()),
        None => Err(Fault::UnknownDependency {
            service: name(),
            dependency: dependency.service.clone(),
            near: nearest(application, dependency.service.as_str()),
        }),
        Some(other) if dependency.condition == StartCondition::Succeeded && !ends(application, other) => {
            Err(Fault::NeverSucceeds {
                service: name(),
                dependency: other.name.clone(),
            })
        }
        Some(_) => Ok(()),
    }
}

/// Whether a service is left alone once it has ended well.
fn ends(application: &Application, service: &Service) -> bool {
    application.workload == Workload::Job || service.restart.policy != RestartPolicy::Always
}

fn nearest(application: &Application, name: &str) -> Option<String> {
    let services = application.services.iter().chain(&application.init_services);
    let known: BTreeSet<&str> = services.map(|service| service.name.as_str()).collect();
    closest(name, known).map(str::to_owned)
}

fn check_circles(application: &Application) -> Checked {
    let depends_on: BTreeMap<_, _> = application.services.iter().map(waits).collect();
    let Err(cycle) = start_order(&depends_on) else {
        return Ok(());
    };
    let first = cycle.members.first().map(String::as_str);
    let index = application
        .services
        .iter()
        .position(|service| Some(service.name.as_str()) == first)
        .unwrap_or_default();
    fault_at(format!("services[{index}].dependsOn"), cycle.into())
}

fn waits(service: &Service) -> (&str, Vec<&str>) {
    let names = service.depends_on.iter().map(|dependency| dependency.service.as_str());
    (service.name.as_str(), names.collect())
}
