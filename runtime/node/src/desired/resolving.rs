//! Which objects of packages are for this machine, as the resolver says.

use std::collections::BTreeMap;
use std::sync::Arc;

use aerolith_model::{Configuration, Resource};
use aerolith_plugin_wire::Error;
use aerolith_plugin_wire::arch::{Choice, Object, Objects};

use super::{Known, Resources};
use crate::plugins::{self, NoProvider, Plugins, Resolver};
use crate::state::ResourceId;

/// Takes from every package the objects that are not for this machine, and answers of which nobody could say it.
pub(super) async fn resolve(
    resources: &mut Resources,
    versions: &BTreeMap<ResourceId, u64>,
    known: Known<'_>,
    plugins: &dyn Plugins,
) -> BTreeMap<String, String> {
    let resolver = plugins::resolver(plugins);
    let mut unresolved = BTreeMap::new();
    for (id, resource) in resources {
        let Some(package) = resource.as_configuration() else {
            continue;
        };
        if !package.is_package() || package.objects().next().is_none() {
            continue;
        }
        let resolved = known.resolved(id, versions.get(id));
        if let Some(resolved) = resolved.filter(|_| !known.is_old) {
            *resource = resolved.clone();
            continue;
        }
        match (ask(&resolver, package).await, resolved) {
            (Ok(choice), _) => {
                let mut package = package.clone();
                narrow(&mut package, &choice);
                *resource = Arc::new(Resource::Configuration(package));
            }
            (Err(refusal), Some(resolved)) if refusal.is_passing => *resource = resolved.clone(),
            (Err(refusal), _) => drop(unresolved.insert(package.name.to_string(), refusal.reason)),
        }
    }
    unresolved
}

/// Why a resolver does not say what is for this machine, and whether it may in a moment.
struct Refusal {
    reason: String,
    is_passing: bool,
}

async fn ask(resolver: &Result<Resolver, NoProvider>, package: &Configuration) -> Result<Choice, Refusal> {
    let resolver = resolver.as_ref().map_err(|error| Refusal {
        reason: error.to_string(),
        is_passing: true,
    })?;
    choose(resolver, package, None).await.map_err(|error| Refusal {
        is_passing: error.retryable,
        reason: error.to_string(),
    })
}

/// Asks which objects of a package are for a platform, or for this machine's own.
pub(crate) async fn choose(
    resolver: &Resolver,
    package: &Configuration,
    platform: Option<&str>,
) -> Result<Choice, Error> {
    let objects = package.objects().map(|(key, object)| Object {
        name: key.to_string(),
        platform: object.platform.map(|_| "any".to_owned()),
    });
    let objects = Objects {
        objects: objects.collect(),
        platform: platform.map(str::to_owned),
    };
    let choice = resolver.resolve(&objects).await?;
    tracing::debug!(package = %package.name, platform = choice.platform, reason = choice.reason, "resolved");
    Ok(choice)
}

/// Takes from a package the objects that were not chosen.
pub(crate) fn narrow(package: &mut Configuration, choice: &Choice) {
    package.data.retain(|key, entry| {
        matches!(entry, aerolith_model::Entry::Text(_)) || choice.chosen.iter().any(|name| name == key.as_str())
    });
}
