//! What this node would make of a package, without anything being desired or published.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use aerolith_model::{Configuration, Entry, Key, Resource};
use aerolith_packages::{Content, Digest, Part, Staged, Store};
use aerolith_plugin_wire::Error;
use aerolith_plugin_wire::arch::Choice;

use crate::blocking::blocking;
use crate::bus::Bus;
use crate::desired::{self, Desired};
use crate::fetch::{Downloads, Reporter};
use crate::foundation::{Foundation, OpenError};
use crate::pins::Pins;
use crate::plugins::{self, NoProvider, Plugins};
use crate::prepare::PrepareError;
use crate::program;
use crate::state::ResourceId;

/// Tries packages: fetches, verifies and stages them as a node does that prepares them, and keeps none.
pub struct Trial {
    store: Store,
    downloads: Downloads,
    bus: Bus,
}

/// A package that a node would take.
#[derive(Debug)]
pub struct Tried {
    /// The whole package, for looking only; removed when this is dropped.
    pub staged: Staged,
    /// The program in it.
    pub entry: String,
    /// Its objects by their keys, with what they are and their bytes.
    pub objects: Vec<(String, Digest, u64)>,
}

/// Why nobody can say which objects of a package are for a platform.
#[derive(Debug, thiserror::Error)]
pub enum Unresolved {
    /// Nobody to ask.
    #[error(transparent)]
    NoResolver(#[from] NoProvider),
    /// What the resolver answered: no platform of that name, or the platform and all keys.
    #[error(transparent)]
    Refused(#[from] Error),
}

/// Which objects of a package are for a platform, or for this machine's own, and why.
///
/// # Errors
/// [`Unresolved`]
pub async fn choose(
    plugins: &dyn Plugins,
    package: &Configuration,
    platform: Option<&str>,
) -> Result<Choice, Unresolved> {
    let resolver = plugins::resolver(plugins)?;
    Ok(desired::choose(&resolver, package, platform).await?)
}

impl Trial {
    /// Opens the package store in the data folder. Blocks on files for a moment.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(foundation: &Foundation, plugins: Arc<dyn Plugins>) -> Result<Self, OpenError> {
        let settings = &foundation.0.settings;
        let store = Store::open(settings.data.join("packages"), settings.limits.clone())?;
        let pins = Pins::open(settings.data.join("pins.json"))?;
        let downloads = Downloads::new(store.clone(), plugins, settings.packages.clone(), pins);
        Ok(Self {
            store,
            downloads,
            bus: foundation.bus().clone(),
        })
    }

    /// Makes sure of a package's objects, but for those that were not chosen, and stages them. `resources` are those that
    /// it may name, such as the secrets with its credentials.
    ///
    /// # Errors
    /// Why it would not be taken.
    pub async fn program(
        &self,
        package: &Configuration,
        choice: Option<&Choice>,
        resources: &[Resource],
    ) -> Result<Tried, PrepareError> {
        let mut package = package.clone();
        if let Some(choice) = choice {
            desired::narrow(&mut package, choice);
        }
        let by_id = resources
            .iter()
            .map(|resource| (ResourceId::of(resource), Arc::new(resource.clone())));
        let desired = Desired {
            resources: by_id.collect(),
            ..Desired::default()
        };
        let reporter = Reporter::trial(&self.bus, &package.name);
        let parts = program::parts(&self.downloads, &desired, &package, true, &reporter).await?;
        self.stage(&package, parts, reporter).await
    }

    /// The same of a package whose objects need not be fetched: their bytes lie in files of this machine.
    ///
    /// # Errors
    /// Why it would not be taken.
    pub async fn files(&self, package: &Configuration, file: impl Fn(&Key) -> PathBuf) -> Result<Tried, PrepareError> {
        program::admitted(self.downloads.policy(), package, true)?;
        let mut parts = Vec::new();
        for (key, entry) in &package.data {
            parts.push(match entry {
                Entry::Text(text) => program::text_part(key, text),
                Entry::Object(object) => {
                    let blob = self.downloads.file(object, file(key)).await;
                    program::object_part(package, key, object, blob)?
                }
            });
        }
        let reporter = Reporter::trial(&self.bus, &package.name);
        self.stage(package, parts, reporter).await
    }

    async fn stage(
        &self,
        package: &Configuration,
        parts: Vec<Part>,
        reporter: Reporter,
    ) -> Result<Tried, PrepareError> {
        let objects = parts.iter().filter_map(object).collect();
        let (store, name, begun) = (self.store.clone(), package.name.to_string(), Instant::now());
        let (staged, entry) = blocking(move || program::stage(&store, &name, &parts)).await??;
        reporter.unpacked(package.name.as_str(), staged.bytes(), begun.elapsed());
        Ok(Tried { staged, entry, objects })
    }
}

fn object(part: &Part) -> Option<(String, Digest, u64)> {
    match &part.content {
        Content::Object { blob, .. } => Some((part.name.clone(), *blob.digest(), blob.size())),
        Content::Text(_) => None,
    }
}
