//! The trait that every plugin implements.

use crate::wire::plugin::Health;
use crate::{Context, Error, Result};
use serde::de::DeserializeOwned;
use std::future::ready;

/// One configured copy of a plugin. Only `create` is required.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// Its configuration. Give it `#[serde(default, deny_unknown_fields)]`, and the operator's typing mistakes are found.
    type Config: DeserializeOwned + Send;

    /// Makes the instance. It may not block for long (the core waits 10 s) and does not yet do any work.
    ///
    /// # Errors
    /// What is wrong with the configuration or the machine.
    fn create(context: Context, config: Self::Config) -> Result<Self>;

    /// Begins the work.
    fn start(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }

    /// Takes a new configuration while running. The default makes the core replace the instance instead.
    fn reload(&self, config: Self::Config) -> impl Future<Output = Result<()>> + Send {
        drop(config);
        ready(Err(Error::unimplemented("reload")))
    }

    /// Stops taking work, finishes what is under way, and answers the state that a successor needs; descriptors are left
    /// with [`Context::keep`].
    fn drain(&self) -> impl Future<Output = Result<Vec<u8>>> + Send {
        ready(Ok(Vec::new()))
    }

    /// Takes everything back after a drain whose successor failed.
    fn resume(&self, state: &[u8]) -> impl Future<Output = Result<()>> + Send {
        let _ = state;
        ready(Ok(()))
    }

    /// How the instance is, by its own account; asked every few seconds.
    fn health(&self) -> impl Future<Output = Result<Health>> + Send {
        ready(Ok(Health::default()))
    }

    /// Ends the work.
    fn stop(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}
