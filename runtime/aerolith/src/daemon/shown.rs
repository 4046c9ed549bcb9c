//! What the rooms say of themselves, as the API shows it.

use aerolith_api::{
    Application, Applied, Cleaned, Exit, Health, Instance, Manifest, NodeStatus, Package, Plugin, Removed, Service,
    Step,
};
use aerolith_host::{State, Status};
use aerolith_node::{ApplicationStatus, InstanceStatus, PackageItem, ServiceStatus};
use aerolith_packages::Stored;
use serde::Serialize;
use serde_json::Value;

/// The one word of a state, as its type writes it.
pub(super) fn word(state: &impl Serialize) -> String {
    match serde_json::to_value(state) {
        Ok(Value::String(word)) => word,
        _ => "unknown".into(),
    }
}

/// An instance of a plugin.
pub(super) fn plugin(status: Status) -> Plugin {
    Plugin {
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
    Applied {
        revision: applied.revision,
        dry_run,
        steps,
        applications: applied.applications,
        warnings: Vec::new(),
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

/// The whole node.
pub(super) fn status(status: aerolith_node::NodeStatus, health: Health) -> NodeStatus {
    let applications = status.applications.into_iter().map(application).collect();
    NodeStatus {
        node: status.node,
        revision: status.revision,
        health,
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
        settled: status.settled,
        services,
    }
}

fn service(application: &str, status: ServiceStatus) -> Service {
    let instances = status
        .instances
        .into_iter()
        .map(|item| instance(application, &status.name, item))
        .collect();
    Service {
        state: word(&status.state),
        name: status.name,
        reason: status.reason,
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
        since: Some(status.since_ms / 1_000),
        pid: status.pid,
        restarts: status.restarts,
        fitness: status.fitness.as_ref().map(word),
        answered: status.answered_ms.map(|ms| ms / 1_000),
        exit,
    }
}

/// Whether all is well: required plugins run, and the node itself has nothing to say. `absent` tells of plugins
/// of which there is not even an instance.
pub(super) fn health(plugins: &[Status], absent: &[String], node: Option<Vec<String>>) -> Health {
    let Some(node) = node else {
        return Health {
            status: "starting".into(),
            reasons: Vec::new(),
        };
    };
    let failing = plugins
        .iter()
        .filter(|plugin| plugin.required && plugin.state != State::Running);
    let failing = failing.map(|p| {
        format!(
            "required plugin instance `{}` is {}: {}",
            p.instance,
            word(&p.state),
            p.message
        )
    });
    let reasons: Vec<String> = failing.chain(absent.iter().cloned()).chain(node).collect();
    let status = if reasons.is_empty() { "ok" } else { "degraded" };
    Health {
        status: status.into(),
        reasons,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(required: bool, state: State) -> Status {
        Status {
            instance: "engine".into(),
            plugin: "engine-process".into(),
            version: "0.1.0".into(),
            sha256: String::new(),
            provides: vec!["engine/1".into()],
            state,
            message: "gone".into(),
            since: 1,
            restarts: 0,
            required,
            isolation: "library",
            pid: None,
        }
    }

    #[test]
    fn only_a_required_plugin_makes_the_node_ill() {
        let healthy = |required, state| health(&[engine(required, state)], &[], Some(vec![])).status;
        assert_eq!(healthy(true, State::Running), "ok");
        assert_eq!(healthy(false, State::Failed), "ok");
        assert_eq!(healthy(true, State::Failed), "degraded");
        assert_eq!(health(&[engine(true, State::Created)], &[], None).status, "starting");
    }

    #[test]
    fn every_reason_is_told() {
        let absent = ["`link` is not there".to_owned()];
        let reasons = health(
            &[engine(true, State::Failed)],
            &absent,
            Some(vec!["a file is torn".into()]),
        )
        .reasons;
        assert_eq!(reasons.len(), 3);
        assert_eq!(reasons[0], "required plugin instance `engine` is failed: gone");
    }

    #[test]
    fn an_instance_keeps_its_number_and_its_states_word() {
        let status = InstanceStatus {
            id: "com.example.agent.12".into(),
            state: aerolith_node::Phase::Running,
            reason: String::new(),
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
        assert_eq!(plugin(engine(true, State::Quarantined)).state, "quarantined");
    }
}
