//! The plugin's life: made from what a predecessor left, drained for a successor.

use crate::registry::Registry;
use aerolith_plugin::{Code, Context, Error, Plugin, Result};
use serde::Deserialize;
use std::fs;
use std::sync::Arc;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

/// The operator's configuration: there is nothing to choose.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

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

    fn create(context: Context, Config {}: Config) -> Result<Self> {
        const BOOT: &str = "/proc/sys/kernel/random/boot_id";
        let boot = fs::read_to_string(BOOT).map_err(|e| Error::io(format!("{BOOT}: {e}; is /proc mounted?")))?;
        let registry = Registry::new(context, boot.trim().into());
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
