//! What the rooms say of themselves, as the API shows it.

use aerolith_api::{
    Application, ApplicationChange, Applied, Cleaned, Condition, Deployment, Exit, Health, Instance, Manifest,
    NodeStatus, Package, Plugin, Removed, ResourceChange, Service, ServiceChange, Step, Versioned,
};
use aerolith_host::Status;
use aerolith_model::ResourceKind;
use aerolith_node::{ApplicationStatus, InstanceStatus, PackageItem, ServiceStatus};
use aerolith_packages::Stored;
use serde::Serialize;
use serde_json::Value;

use super::health::of_plugin;

/// The one word of a state, as its type writes it.
pub(super) fn word(state: &impl Serialize) -> String {
    match serde_json::to_value(state) {
        Ok(Value::String(word)) => word,
        _ => "unknown".into(),
    }
}

/// Something that is so of a part of the node, or is not.
pub(super) fn condition(condition: aerolith_node::Condition) -> Condition {
    Condition {
        aspect: word(&condition.aspect),
        status: word(&condition.status),
        reason: word(&condition.reason),
        message: condition.message,
        since_ms: condition.since_ms,
        next_try_ms: condition.next_try_ms,
    }
}

fn conditions(all: Vec<aerolith_node::Condition>) -> Vec<Condition> {
    all.into_iter().map(condition).collect()
}

/// An instance of a plugin.
pub(super) fn plugin(status: Status) -> Plugin {
    Plugin {
        conditions: vec![condition(of_plugin(&status))],
        state: word(&status.state),
        isolation: status.isolation.into(),
        instance: status.instance,
        plugin: status.plugin,
        version: status.version,
        sha256: status.sha256,
        provides: status.provides,
        message: status.message,
        since: status.since,
        restarts: status.restarts,
        required: status.required,
        pid: status.pid,
    }
}

/// What a plugin's file says of itself.
pub(super) fn manifest(manifest: aerolith_plugin_wire::manifest::Manifest) -> Manifest {
    Manifest {
        replace: word(&manifest.replace),
        name: manifest.name,
        version: manifest.version,
        vendor: manifest.vendor,
        api: manifest.api,
        api_min: manifest.api_min,
        provides: manifest.provides,
        permissions: manifest.permissions,
    }
}

/// What an apply has done, or would do.
pub(super) fn applied(applied: aerolith_node::Applied, dry_run: bool) -> Applied {
    let step = |step: aerolith_node::PlannedStep| Step {
        action: step.action.into(),
        target: step.subject,
    };
    let steps = applied.steps.into_iter().map(step).collect();
    let failed = applied.failed.iter();
    let warnings = failed.map(|name| {
        format!("application `{name}` has failed and is left so, for nothing of it has changed: `aerolith retry {name}` tries it again")
    });
    Applied {
        revision: applied.revision,
        dry_run,
        steps,
        applications: applied.applications,
        resources: applied.resources.iter().map(resource_change).collect(),
        changes: applied.changes.into_iter().map(application_change).collect(),
        warnings: warnings.collect(),
    }
}

fn resource_change(change: &aerolith_node::ResourceChange) -> ResourceChange {
    ResourceChange {
        resource: change.resource.to_string(),
        action: word(&change.action),
    }
}

/// What a delete has done.
pub(super) fn removed(kind: ResourceKind, name: &str) -> ResourceChange {
    ResourceChange {
        resource: format!("{kind}/{name}"),
        action: word(&aerolith_node::Action::Removed),
    }
}

fn application_change(change: aerolith_node::ApplicationChange) -> ApplicationChange {
    let service = |change: aerolith_node::ServiceChange| ServiceChange {
        name: change.name,
        action: word(&change.action),
        strategy: change.strategy.as_ref().map(word),
        replicas: change.replicas,
        changes: change.changes,
        fetches: change.fetches,
    };
    ApplicationChange {
        name: change.name,
        action: word(&change.action),
        changes: change.changes,
        services: change.services.into_iter().map(service).collect(),
    }
}

/// One deployment of an application.
pub(super) fn deployment(deployed: aerolith_node::Deployed) -> Deployment {
    Deployment {
        revision: deployed.revision,
        at_ms: deployed.at_ms,
        outcome: word(&deployed.outcome),
        attempts: deployed.attempts,
        reason: deployed.reason,
        changed: deployed.changed.iter().map(ToString::to_string).collect(),
    }
}

/// A resource in one version.
pub(super) fn versioned(found: aerolith_node::Versioned) -> Versioned {
    Versioned {
        revision: found.revision,
        resource: found.resource,
    }
}

/// Something in the package store.
pub(super) fn package(item: PackageItem) -> Package {
    Package {
        kind: item.kind.into(),
        name: item.name,
        bytes: item.bytes,
        whole: item.whole,
        state: word(&item.state),
        used_by: item.used_by,
        modified: item.modified_ms / 1_000,
        source: item.source,
        reason: item.refusal,
    }
}

/// What a cleaning of the package store has removed, or would remove.
pub(super) fn cleaned(cleaned: &aerolith_packages::Cleaned, dry_run: bool) -> Cleaned {
    let removed = |stored: &Stored| Removed {
        kind: stored.kind().into(),
        name: stored.name(),
    };
    Cleaned {
        dry_run,
        removed: cleaned.removed.iter().map(removed).collect(),
        held: cleaned.held.iter().map(removed).collect(),
        bytes: cleaned.bytes,
    }
}

/// The whole node, with whether it is ready.
pub(super) fn status(
    status: aerolith_node::NodeStatus,
    ready: aerolith_node::Condition,
    health: Health,
    plugins: Vec<Status>,
) -> NodeStatus {
    let applications = status.applications.into_iter().map(application).collect();
    NodeStatus {
        node: status.node,
        revision: status.revision,
        health,
        conditions: std::iter::once(ready).chain(status.conditions).map(condition).collect(),
        plugins: plugins.into_iter().map(plugin).collect(),
        applications,
    }
}

fn application(status: ApplicationStatus) -> Application {
    let services = status
        .services
        .into_iter()
        .map(|service| self::service(&status.name, service))
        .collect();
    Application {
        state: word(&status.state),
        name: status.name,
        version: status.version,
        reason: status.reason,
        conditions: conditions(status.conditions),
        settled: status.settled,
        services,
    }
}

fn service(application: &str, status: ServiceStatus) -> Service {
    let instances = status
        .instances
        .into_iter()
        .map(|item| {
            let outdated = status.fingerprint.as_ref() != Some(&item.fingerprint);
            Instance {
                outdated,
                ..instance(application, &status.name, item)
            }
        })
        .collect();
    Service {
        state: word(&status.state),
        name: status.name,
        reason: status.reason,
        conditions: conditions(status.conditions),
        warnings: status.warnings,
        instances,
    }
}

fn instance(application: &str, service: &str, status: InstanceStatus) -> Instance {
    let index = status
        .id
        .rsplit('.')
        .next()
        .and_then(|index| index.parse().ok())
        .unwrap_or_default();
    let exit = status.exit.map(|exit| Exit {
        code: exit.code,
        signal: exit.signal,
        oom: exit.oom,
    });
    Instance {
        application: application.into(),
        service: service.into(),
        index,
        state: word(&status.state),
        id: status.id,
        reason: status.reason,
        conditions: conditions(status.conditions),
        since: Some(status.since_ms / 1_000),
        outdated: false,
        pid: status.pid,
        restarts: status.restarts,
        fitness: status.fitness.as_ref().map(word),
        answered: status.answered_ms.map(|ms| ms / 1_000),
        exit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_keeps_its_number_and_its_states_word() {
        let status = InstanceStatus {
            id: "com.example.agent.12".into(),
            state: aerolith_node::Phase::Running,
            reason: String::new(),
            conditions: Vec::new(),
            since_ms: 5_999,
            pid: Some(7),
            restarts: 1,
            exit: None,
            fingerprint: String::new(),
            fitness: None,
            answered_ms: None,
            trial: Default::default(),
            trial_reason: String::new(),
        };
        let shown = instance("com.example", "agent", status);
        assert_eq!(
            (shown.index, shown.state.as_str(), shown.since),
            (12, "running", Some(5))
        );
    }
}
