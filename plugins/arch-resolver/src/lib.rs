//! `arch`: knows the machine's platform, and chooses the objects of a package that are for it.
//!
//! The rules are pure ([`platform`], [`detect`], [`choose`]); only [`Resolver`] reads the machine. It knows no package
//! format, no URL and no store: an object is a name and, perhaps, a platform said outright.

pub mod choose;
pub mod detect;
pub mod platform;
mod probe;

use aerolith_plugin::wire::arch::{self, ArchResolver, Choice, Objects};
use aerolith_plugin::{Context, Error, Plugin, Result, export_plugin};
use detect::Detected;
use platform::Platform;
use serde::Deserialize;
use std::path::PathBuf;

/// What an operator may set.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// Where the machine's files begin: `<root>/proc/cpuinfo` is read.
    pub root: PathBuf,
    /// What `uname -m` says, instead of asking the kernel.
    pub machine: Option<String>,
    /// The platform, instead of finding it out.
    pub platform: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            root: "/".into(),
            machine: None,
            platform: None,
        }
    }
}

/// The plugin. The machine does not change while it runs, so it is asked once.
pub struct Resolver(Detected);

impl Plugin for Resolver {
    type Config = Config;

    fn create(_: Context, config: Config) -> Result<Self> {
        let detected = match &config.platform {
            Some(text) => Detected {
                platform: read(text)?,
                reason: "the configuration says so".into(),
            },
            None => probe::detect_at(&config.root, config.machine.as_deref()).map_err(Error::invalid)?,
        };
        Ok(Self(detected))
    }
}

impl ArchResolver for Resolver {
    async fn platform(&self) -> Result<arch::Platform> {
        let Detected { platform, reason } = &self.0;
        let chain = platform.chain().iter().map(ToString::to_string).collect();
        Ok(arch::Platform {
            name: platform.to_string(),
            chain,
            reason: reason.clone(),
        })
    }

    async fn resolve(&self, objects: Objects) -> Result<Choice> {
        let wanted = objects.platform.as_deref().map_or(Ok(self.0.platform), read)?;
        Ok(choose::choose(wanted, &objects.objects)?)
    }
}

fn read(text: &str) -> Result<Platform> {
    text.parse().map_err(Error::invalid)
}

export_plugin! { plugin: Resolver, name: "arch-resolver", vendor: "Aerolith", provides: [arch] }

#[cfg(test)]
mod tests;
