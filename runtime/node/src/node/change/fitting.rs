//! Whether what a change gives fits together, with what is there and with the node's policy. Pure.

use std::collections::BTreeSet;

use aerolith_model::{Application, Resource, ResourceKind, ServiceName};
use aerolith_plan::{Library, PlanError, Updates};

use super::error::{Misfit, Unfit};
use crate::desired::{Given, Resources, application, applications, library};
use crate::policy::Rules;
use crate::ports::{PortConflict, conflicts};
use crate::state::{Change, ResourceId};
use crate::uses::Users;

/// Everything that does not fit once a change is made, of what is put and the applications that it concerns.
pub(super) fn misfits(
    rules: &Rules,
    change: &Change,
    users: &Users,
    (put, concerned): (&BTreeSet<ResourceId>, &[String]),
    (before, after): (&Given, &Resources),
) -> Vec<Misfit> {
    let given = || change.put.iter().filter_map(Resource::as_application);
    let mut all: Vec<Misfit> = given()
        .flat_map(|application| not_allowed(rules, application))
        .collect();
    all.extend(in_use(change, users));
    all.extend(port_conflicts(put, &before.resources, after));
    all.extend(unplannable(put, concerned, before, after));
    all
}

/// What the policy does not take of an application that is given.
fn not_allowed<'a>(rules: &'a Rules, application: &'a Application) -> impl Iterator<Item = Misfit> {
    let refused = rules.refused(application);
    refused.map(move |(service, error)| {
        of_service(application, service, "", |service| Unfit::NotAllowed {
            application: application.name.clone(),
            service,
            error,
        })
    })
}

/// What is to be deleted and is needed.
fn in_use(change: &Change, users: &Users) -> Vec<Misfit> {
    let used = change.delete.iter().filter_map(|id| Some((id, users.get(id)?)));
    used.map(|(id, applications)| Misfit {
        resource: id.clone(),
        path: String::new(),
        reason: Unfit::InUse {
            resource: id.clone(),
            applications: applications.iter().cloned().collect(),
        },
    })
    .collect()
}

/// Every two services that would have one port of the host, and did not before.
fn port_conflicts(put: &BTreeSet<ResourceId>, before: &Resources, after: &Resources) -> Vec<Misfit> {
    let known = conflicts(applications(before));
    let new = conflicts(applications(after))
        .into_iter()
        .filter(|it| !known.contains(it));
    new.filter_map(|conflict| clash(put, after, conflict)).collect()
}

/// A conflict is told of whichever of the two services is given.
fn clash(put: &BTreeSet<ResourceId>, after: &Resources, conflict: PortConflict) -> Option<Misfit> {
    let (first, second) = &conflict.services;
    let is_given = put.contains(&of_application(second.application.as_str()));
    let id = if is_given { second } else { first };
    let application = application(after, id.application.as_str())?;
    let service = id.service.clone();
    Some(of_service(application, &service, ".ports", |_| Unfit::Port(conflict)))
}

/// What cannot be planned for of the applications that a change concerns. What was broken before, as by a damaged file, does
/// not stand in the way of anything else.
fn unplannable(put: &BTreeSet<ResourceId>, concerned: &[String], before: &Given, after: &Resources) -> Vec<Misfit> {
    let fingerprints = &before.fingerprints;
    let before = &before.resources;
    let (was, is) = (library(before, fingerprints), library(after, fingerprints));
    let mut all = Vec::new();
    for name in concerned {
        let Some(found) = application(after, name).map(|application| faults(&is, application)) else {
            continue;
        };
        let resource = of_application(name);
        let was_good = || application(before, name).is_none_or(|application| faults(&was, application).is_empty());
        if !found.is_empty() && (put.contains(&resource) || was_good()) {
            all.extend(found.into_iter().map(|(path, error)| Misfit {
                resource: resource.clone(),
                path,
                reason: Unfit::Plan(Box::new(error)),
            }));
        }
    }
    all
}

fn faults(library: &Library<'_>, application: &Application) -> Vec<(String, PlanError)> {
    match library.generation(application, Updates::default()) {
        Ok(_) => Vec::new(),
        Err(error) => match library.faults(application) {
            faults if faults.is_empty() => vec![(String::new(), error)],
            faults => faults,
        },
    }
}

fn of_service(
    application: &Application,
    service: &ServiceName,
    field: &str,
    reason: impl FnOnce(ServiceName) -> Unfit,
) -> Misfit {
    let path = application.path_of(service).unwrap_or_default();
    Misfit {
        resource: of_application(application.name.as_str()),
        path: format!("{path}{field}"),
        reason: reason(service.clone()),
    }
}

fn of_application(name: &str) -> ResourceId {
    ResourceId::new(ResourceKind::Application, name)
}
