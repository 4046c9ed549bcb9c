//! One instance as the host table knows it: by a number that is never used again.

use crate::descriptors::Descriptors;
use crate::tasks::Tasks;
use aerolith_plugin_wire::{Error, Result, Service};
use rustix::fd::OwnedFd;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use tokio::runtime::Handle;

/// Where an instance's log lines go.
pub(crate) trait Log: Send + Sync {
    fn write(&self, level: u8, target: &str, message: &str, fields: &str);

    /// The most verbose level that is wanted, 0 (nothing) to 5 (trace).
    fn level(&self) -> u8;
}

/// Where its descriptors are kept.
pub(crate) trait Keeping: Send + Sync {
    fn keep(&self, name: &str, descriptor: OwnedFd) -> Result<()>;
    fn take(&self, name: &str) -> Result<OwnedFd>;
}

/// What an instance's functions of the host table act upon.
pub(crate) struct Context {
    number: u64,
    pub(crate) service: Arc<dyn Service>,
    pub(crate) log: Box<dyn Log>,
    pub(crate) descriptors: Box<dyn Keeping>,
    pub(crate) tasks: Arc<Tasks>,
}

static NEXT: AtomicU64 = AtomicU64::new(1);
static CONTEXTS: LazyLock<RwLock<HashMap<u64, Arc<Context>>>> = LazyLock::new(RwLock::default);

impl Context {
    /// Enters an instance. It is known until it is closed.
    pub(crate) fn enter(
        service: Arc<dyn Service>,
        log: Box<dyn Log>,
        descriptors: Box<dyn Keeping>,
        executor: Handle,
    ) -> Arc<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let context = Arc::new(Self {
            number,
            service,
            log,
            descriptors,
            tasks: Tasks::new(executor),
        });
        CONTEXTS
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, context.clone());
        context
    }

    /// The instance of a number.
    ///
    /// # Errors
    /// Stopped, once it was closed.
    pub(crate) fn of(number: u64) -> Result<Arc<Self>> {
        let contexts = CONTEXTS.read().unwrap_or_else(PoisonError::into_inner);
        contexts
            .get(&number)
            .cloned()
            .ok_or_else(|| Error::stopped("this instance has stopped"))
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// From now on the number stands for nobody.
    pub(crate) fn forget(&self) {
        CONTEXTS
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.number);
    }

    /// Forgets the instance and cancels the futures that it spawned. False when one still blocks.
    pub(crate) async fn close(&self) -> bool {
        self.forget();
        self.tasks.close().await
    }
}

/// The descriptor store of the node, for an instance that may use it.
pub(crate) struct Store {
    pub(crate) kept: Arc<Descriptors>,
    pub(crate) allowed: bool,
}

impl Store {
    fn check(&self) -> Result<()> {
        if self.allowed {
            Ok(())
        } else {
            Err(crate::route::denied("descriptors"))
        }
    }
}

impl Keeping for Store {
    fn keep(&self, name: &str, descriptor: OwnedFd) -> Result<()> {
        self.check()?;
        self.kept.keep(name, descriptor).map_err(Error::invalid)
    }

    fn take(&self, name: &str) -> Result<OwnedFd> {
        self.check()?;
        self.kept
            .take(name)
            .ok_or_else(|| Error::not_found(format!("no descriptor `{name}` is kept")))
    }
}

/// The node's log: each line carries its plugin and instance.
pub(crate) struct Tracing {
    pub(crate) plugin: String,
    pub(crate) instance: String,
}

impl Log for Tracing {
    fn write(&self, level: u8, module: &str, message: &str, fields: &str) {
        let (plugin, instance) = (self.plugin.as_str(), self.instance.as_str());
        let fields = (!fields.is_empty()).then_some(fields);
        match level {
            1 => tracing::error!(target: "plugin", plugin, instance, module, fields, "{message}"),
            2 => tracing::warn!(target: "plugin", plugin, instance, module, fields, "{message}"),
            3 => tracing::info!(target: "plugin", plugin, instance, module, fields, "{message}"),
            4 => tracing::debug!(target: "plugin", plugin, instance, module, fields, "{message}"),
            _ => tracing::trace!(target: "plugin", plugin, instance, module, fields, "{message}"),
        }
    }

    fn level(&self) -> u8 {
        use tracing::level_filters::LevelFilter;
        match LevelFilter::current() {
            LevelFilter::OFF => 0,
            LevelFilter::ERROR => 1,
            LevelFilter::WARN => 2,
            LevelFilter::INFO => 3,
            LevelFilter::DEBUG => 4,
            _ => 5,
        }
    }
}
