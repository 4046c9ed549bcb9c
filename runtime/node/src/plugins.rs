//! Who offers what: the node asks for capabilities and never learns how a plugin is loaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use aerolith_plugin_wire::engine::Features;
use aerolith_plugin_wire::{Error, Service, arch, engine, fetcher};

/// The plugins that run now.
pub trait Plugins: Send + Sync + 'static {
    /// Every running instance that offers a capability (`engine/1`). A handle stays valid when its instance is
    /// replaced.
    fn providers(&self, capability: &str) -> Vec<Arc<dyn Service>>;
}

/// Nobody offers what is needed.
#[derive(Debug, thiserror::Error)]
pub enum NoProvider {
    /// No engine of a kind.
    #[error("no running plugin is an engine of kind `{kind}`{}; add or repair one", found(.others))]
    Engine {
        /// The kind wanted.
        kind: String,
        /// What others are, or why they could not be asked.
        others: Vec<String>,
    },
    /// No fetcher for a URL scheme.
    #[error("no running plugin fetches `{scheme}:` URLs{}; add or repair one", found(.others))]
    Fetcher {
        /// The scheme wanted.
        scheme: String,
        /// What others serve, or why they could not be asked.
        others: Vec<String>,
    },
    /// No resolver of platforms.
    #[error("no running plugin knows this machine's platform (arch/1); add or repair one")]
    Resolver,
}

fn found(others: &[String]) -> String {
    if others.is_empty() {
        String::new()
    } else {
        format!("; found: {}", others.join(", "))
    }
}

pub(crate) type Engine = engine::Client<Arc<dyn Service>>;
pub(crate) type Fetcher = fetcher::Client<Arc<dyn Service>>;
pub(crate) type Resolver = arch::Client<Arc<dyn Service>>;

/// Finds the engine of a kind, `process` or `container`.
pub(crate) async fn engine(plugins: &dyn Plugins, kind: &str) -> Result<Engine, NoProvider> {
    let mut others = Vec::new();
    for provider in plugins.providers(engine::CAPABILITY.id) {
        let engine = engine::Client(provider);
        match engine.capabilities().await {
            Ok(features) if features.kind == kind => return Ok(engine),
            Ok(features) => others.push(features.kind),
            Err(error) => others.push(unasked(&error)),
        }
    }
    Err(NoProvider::Engine {
        kind: kind.to_owned(),
        others,
    })
}

/// What each engine that answers is and can do, by its kind; of two of a kind the one that [`engine()`] finds.
pub(crate) async fn features(plugins: &dyn Plugins) -> BTreeMap<String, Features> {
    let mut all = BTreeMap::new();
    for provider in plugins.providers(engine::CAPABILITY.id) {
        if let Ok(features) = engine::Client(provider).capabilities().await {
            all.entry(features.kind.clone()).or_insert(features);
        }
    }
    all
}

/// Finds the fetcher for a URL scheme, in lower case.
pub(crate) async fn fetcher(plugins: &dyn Plugins, scheme: &str) -> Result<Fetcher, NoProvider> {
    let mut others = Vec::new();
    for provider in plugins.providers(fetcher::CAPABILITY.id) {
        let fetcher = fetcher::Client(provider);
        match fetcher.schemes().await {
            Ok(served) if served.schemes.iter().any(|s| s == scheme) => return Ok(fetcher),
            Ok(served) => others.extend(served.schemes),
            Err(error) => others.push(unasked(&error)),
        }
    }
    Err(NoProvider::Fetcher {
        scheme: scheme.to_owned(),
        others,
    })
}

/// Finds who knows the machine's platform.
pub(crate) fn resolver(plugins: &dyn Plugins) -> Result<Resolver, NoProvider> {
    plugins
        .providers(arch::CAPABILITY.id)
        .into_iter()
        .next()
        .map(arch::Client)
        .ok_or(NoProvider::Resolver)
}

fn unasked(error: &Error) -> String {
    format!("one that does not answer ({error})")
}
