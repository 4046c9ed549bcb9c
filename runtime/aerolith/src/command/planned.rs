//! What a dry run says: what would become of each service, and why.

use aerolith_api::{ApplicationChange, Applied, ServiceChange};

use crate::table::{Cell, Table, state};
use crate::target::named;

/// Whether anything would be done.
pub(super) fn is_something(applied: &Applied) -> bool {
    !applied.resources.is_empty() || !applied.steps.is_empty()
}

/// The plan, for people.
pub(super) fn planned(applied: &Applied) -> String {
    if !is_something(applied) {
        return "nothing to be done\n".into();
    }
    let is_application = |resource: &str| resource.starts_with("application/");
    let others = applied
        .resources
        .iter()
        .filter(|change| !is_application(&change.resource));
    let others = others.map(|change| row(&change.resource, &change.action, ""));
    let rows: Vec<[Cell; 3]> = applied.changes.iter().flat_map(application).chain(others).collect();
    let table = Table::new(["WHAT", "BECOMES", "WHY"], rows).render(false);
    format!("nothing changed; to be done:\n{table}")
}

fn application(change: &ApplicationChange) -> Vec<[Cell; 3]> {
    let own = row(&change.name, &change.action, &change.changes.join(", "));
    let services = change.services.iter().map(|service| {
        let name = named(&change.name, &service.name);
        row(&name, &becomes(service), &why(service))
    });
    std::iter::once(own).chain(services).collect()
}

fn row(what: &str, becomes: &str, why: &str) -> [Cell; 3] {
    [Cell::from(what), state(becomes), Cell::from(why)]
}

fn becomes(service: &ServiceChange) -> String {
    match (&service.strategy, service.replicas) {
        (Some(strategy), _) => format!("{} by {strategy}", service.action),
        (None, (before, after)) if service.action == "scaled" => format!("scaled {before} to {after}"),
        _ => service.action.clone(),
    }
}

fn why(service: &ServiceChange) -> String {
    let changes = service.changes.join(", ");
    let fetches = match service.fetches.as_slice() {
        [] => String::new(),
        objects => format!("fetches {}", objects.join(", ")),
    };
    [changes, fetches]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_api::ResourceChange;

    fn service(name: &str, action: &str, replicas: (u32, u32)) -> ServiceChange {
        ServiceChange {
            name: name.into(),
            action: action.into(),
            replicas,
            ..ServiceChange::default()
        }
    }

    #[test]
    fn a_plan_says_of_each_service_what_becomes_of_it_and_why() {
        let agent = ServiceChange {
            strategy: Some("switch".into()),
            changes: vec!["env.UNIT".into(), "package pp: object a.zip".into()],
            fetches: vec!["a.zip of pp".into()],
            ..service("agent", "updated", (1, 1))
        };
        let weather = ApplicationChange {
            name: "weather".into(),
            action: "updated".into(),
            changes: vec!["version".into()],
            services: vec![
                agent,
                service("db", "unchanged", (1, 1)),
                service("web", "scaled", (1, 3)),
            ],
        };
        let change = |resource: &str, action: &str| ResourceChange {
            resource: resource.into(),
            action: action.into(),
        };
        let applied = Applied {
            dry_run: true,
            resources: vec![
                change("application/weather", "updated"),
                change("secret/cert", "removed"),
            ],
            changes: vec![weather],
            ..Applied::default()
        };
        let expected = "\
nothing changed; to be done:
WHAT           BECOMES            WHY
weather        updated            version
weather.agent  updated by switch  env.UNIT, package pp: object a.zip; fetches a.zip of pp
weather.db     unchanged
weather.web    scaled 1 to 3
secret/cert    removed
";
        assert_eq!(planned(&applied), expected);
        assert_eq!(planned(&Applied::default()), "nothing to be done\n");
    }
}
