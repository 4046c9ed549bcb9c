//! The plugin's life: made from what a predecessor left, drained for a successor.

use crate::cgroup::Cgroups;
use crate::registry::Registry;
use aerolith_plugin::{Code, Context, Error, Plugin, Result};
use serde::Deserialize;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

/// The operator's configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    cgroup: Parent,
}

/// Below which control group those of the instances are made.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "`cgroup` is neither the name of a group, such as `aerolith`, nor `false`"
)]
enum Parent {
    /// That of this name, or whether any is.
    Named(PathBuf),
    Whether(bool),
}

impl Default for Parent {
    fn default() -> Self {
        Self::Whether(true)
    }
}

impl Parent {
    fn claim(&self) -> Result<Cgroups> {
        match self {
            Self::Whether(false) => Ok(Cgroups::none()),
            Self::Whether(true) => Ok(Cgroups::claim(Path::new("aerolith"))),
            Self::Named(name) if is_inside(name) => Ok(Cgroups::claim(name)),
            Self::Named(name) => {
                let name = name.display();
                Err(Error::invalid(format!(
                    "`cgroup` is `{name}`: it must be a relative path without `..`"
                )))
            }
        }
    }
}

fn is_inside(name: &Path) -> bool {
    let mut parts = name.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// The engine. Dropping it ends no instance.
#[derive(Clone)]
pub struct ProcessEngine {
    pub(crate) registry: Arc<Registry>,
    drained: Arc<RwLock<bool>>,
}

impl ProcessEngine {
    /// Holds off a drain until what begins now is finished.
    ///
    /// # Errors
    /// [`Code::Stopped`] when a successor has taken over.
    pub(crate) async fn working(&self) -> Result<OwnedRwLockReadGuard<bool>> {
        let drained = self.drained.clone().read_owned().await;
        if *drained {
            Err(Error::stopped("this engine was drained: ask its successor"))
        } else {
            Ok(drained)
        }
    }

    /// Runs code that waits for the kernel or reads much of `/proc`, away from the caller's executor. It comes to its end
    /// even when the caller does not wait.
    ///
    /// # Errors
    /// What the code answers; [`Code::Panic`] when it panicked.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        code: impl FnOnce(&Registry) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let registry = self.registry.clone();
        let ran = tokio::task::spawn_blocking(move || code(&registry)).await;
        ran.unwrap_or_else(|e| Err(Error::new(if e.is_panic() { Code::Panic } else { Code::Stopped }, e)))
    }
}

impl Plugin for ProcessEngine {
    type Config = Config;

    fn create(context: Context, config: Config) -> Result<Self> {
        const BOOT: &str = "/proc/sys/kernel/random/boot_id";
        let boot = fs::read_to_string(BOOT).map_err(|e| Error::io(format!("{BOOT}: {e}; is /proc mounted?")))?;
        let registry = Registry::new(context, boot.trim().into(), Arc::new(config.cgroup.claim()?));
        registry.inherit(registry.context.inherited())?;
        Ok(Self {
            registry: Arc::new(registry),
            drained: Arc::default(),
        })
    }

    async fn drain(&self) -> Result<Vec<u8>> {
        *self.drained.write().await = true;
        self.registry.leave()
    }

    async fn resume(&self, state: &[u8]) -> Result<()> {
        self.registry.inherit(state)?;
        *self.drained.write().await = false;
        Ok(())
    }
}
