//! The house of all instances.

mod catalogue;

use crate::inspect::Inspected;
use crate::lifecycle::State;
use crate::loading::Loading;
use crate::records::{Installed, Records};
use crate::route::Directory;
use crate::settings::Settings;
use crate::slot::{Handle, Slot};
use crate::spec::{Image, Source, Spec};
use crate::status::Status;
use crate::store::{Store, Stored};
use crate::trial::Trial;
use crate::{Caller, HostError};
use aerolith_plugin_wire::Service;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

/// What the plugin host needs of the core.
pub trait Core: Send + Sync + 'static {
    /// `host/1` for one instance. Permissions, `failed` and `config` are the host's own business already.
    fn services(&self, caller: &Caller) -> Arc<dyn Service>;

    /// An instance's state has changed.
    fn changed(&self, status: &Status);
}

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) core: Arc<dyn Core>,
    pub(crate) store: Store,
    pub(crate) loading: Loading,
    records: Mutex<Records>,
    /// The shipped files by name, as the last scan found them.
    shipped: Mutex<Option<BTreeMap<String, PathBuf>>>,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
    /// Polls plugins; taken by the drop.
    runtime: Mutex<Option<Runtime>>,
    pub(crate) executor: tokio::runtime::Handle,
    /// The core's own runtime: what waits here is never held up by a plugin.
    pub(crate) own: tokio::runtime::Handle,
    pub(crate) began: Instant,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = lock(&self.runtime).take() {
            runtime.shutdown_background();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory for Shared {
    fn provider(&self, capability: &str) -> Option<Arc<dyn Service>> {
        let slots = lock(&self.slots);
        let slot = slots.values().find(|slot| slot.is_up() && slot.provides(capability))?;
        Some(Arc::new(Handle(slot.clone())))
    }
}

/// The plugin host. Cheap to clone.
#[derive(Clone)]
pub struct PluginHost(Arc<Shared>);

impl PluginHost {
    /// Opens the host, without any instance. To be called inside the core's own tokio runtime.
    ///
    /// # Errors
    /// When its folder cannot be used or no thread is to be had.
    pub fn open(settings: Settings, core: Arc<dyn Core>) -> Result<Self, HostError> {
        let io = |source| HostError::Folder {
            path: settings.folder.clone(),
            source,
        };
        let store = Store::open(&settings.folder.join("store"))?;
        let loading = Loading::open(&settings.folder.join("loading")).map_err(io)?;
        let records = Records::open(&settings.folder.join("records.json")).map_err(io)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(settings.workers.max(1))
            .thread_name("plugins")
            .enable_all()
            .build()
            .map_err(io)?;
        Ok(Self(Arc::new(Shared {
            executor: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            own: tokio::runtime::Handle::current(),
            records: Mutex::new(records),
            shipped: Mutex::default(),
            slots: Mutex::default(),
            began: Instant::now(),
            settings,
            core,
            store,
            loading,
        })))
    }

    /// Configures an instance and starts it, unless the operator switched it off. An instance that does not start stays
    /// configured and is tried again; the error says why it did not.
    ///
    /// # Errors
    /// Why it cannot be configured, or did not start.
    pub async fn start(&self, spec: Spec) -> Result<(), HostError> {
        let name = spec.instance.clone();
        let image = self.image(&spec.source)?;
        let slot = Slot::new(self.0.clone(), spec, image);
        {
            let mut slots = lock(&self.0.slots);
            if let Some(other) = slots.get(&name) {
                return Err(HostError::Twice {
                    instance: name,
                    plugin: other.status().plugin,
                });
            }
            slots.insert(name.clone(), slot.clone());
        }
        if lock(&self.0.records).is_disabled(&name) {
            slot.switched_off();
            return Ok(());
        }
        let digest = slot.image().sha256().to_owned();
        if self.0.loading.is_out(&digest) {
            slot.quarantine("the daemon died three times while it was being loaded");
            return Ok(());
        }
        slot.start().await
    }

    /// Makes an instance that is only tried: nobody's, not started, and gone when it is dropped.
    ///
    /// # Errors
    /// Why it could not be made.
    pub async fn trial(&self, spec: Spec) -> Result<Trial, HostError> {
        let image = self.image(&spec.source)?;
        Trial::begin(Slot::new(self.0.clone(), spec, image)).await
    }

    /// Looks at a file without running any of its code.
    ///
    /// # Errors
    /// Why it is no plugin for this host.
    pub fn check(&self, path: &Path) -> Result<Inspected, HostError> {
        Ok(self.0.store.check(path)?.inspected)
    }

    /// Installs a file: from now on it is the plugin of its name, in running instances too. When an instance does not
    /// come up with it, that instance runs on with the former file, and nothing is installed.
    ///
    /// # Errors
    /// Why it was not installed.
    pub async fn install(&self, path: &Path) -> Result<Stored, HostError> {
        let stored = self.0.store.add(path, None)?;
        let name = stored.inspected.manifest.name.clone();
        self.0.loading.pardon(&stored.sha256);
        let before = self.named(&name).ok().map(|image| image.sha256().to_owned());
        self.replace_all(&name, &stored.clone().into()).await?;
        let installed = lock(&self.0.records).install(&name, &stored.sha256, before.as_deref());
        installed.map_err(|source| HostError::Folder {
            path: self.0.settings.folder.clone(),
            source,
        })?;
        Ok(stored)
    }

    /// Replaces every instance of a plugin; when one fails, those already replaced go back.
    async fn replace_all(&self, name: &str, image: &Image) -> Result<(), HostError> {
        let slots: Vec<_> = lock(&self.0.slots)
            .values()
            .filter(|s| s.is_named(name))
            .cloned()
            .collect();
        let mut done: Vec<(Arc<Slot>, Image)> = Vec::new();
        for slot in slots {
            let before = slot.image();
            if let Err(error) = slot.replace(image.clone()).await {
                for (slot, before) in done.into_iter().rev() {
                    if let Err(error) = slot.replace(before).await {
                        tracing::error!(%error, "an instance did not go back to its former file");
                    }
                }
                return Err(error);
            }
            done.push((slot, before));
        }
        Ok(())
    }

    /// Replaces one instance's code by that of a file.
    ///
    /// # Errors
    /// Why it was not replaced; the former code runs on.
    pub async fn replace(&self, instance: &str, source: &Source) -> Result<(), HostError> {
        let slot = self.slot(instance)?;
        slot.replace(self.image(source)?).await
    }

    /// Goes back to the file before the last replacement of an instance, or before the last installation of a plugin.
    ///
    /// # Errors
    /// [`HostError::NothingBefore`]; why it was not replaced.
    pub async fn rollback(&self, name: &str) -> Result<(), HostError> {
        let nothing = || HostError::NothingBefore { name: name.into() };
        let installed: Option<Installed> = lock(&self.0.records).installed(name).cloned();
        if let Some(previous) = installed.and_then(|i| i.previous) {
            let stored = self.0.store.get(&previous)?;
            self.replace_all(name, &stored.clone().into()).await?;
            let written = lock(&self.0.records).install(name, &stored.sha256, None);
            return written.map_err(|source| HostError::Folder {
                path: self.0.settings.folder.clone(),
                source,
            });
        }
        let slot = self.slot(name)?;
        let before = slot.previous().ok_or_else(nothing)?;
        slot.replace(before).await
    }

    /// Gives an instance a new configuration.
    ///
    /// # Errors
    /// Why it was not taken; the former one stays.
    pub async fn reload(&self, instance: &str, config: serde_json::Value) -> Result<(), HostError> {
        self.slot(instance)?.reload(config).await
    }

    /// Switches an instance on, for good, and starts it. What it did is forgiven.
    ///
    /// # Errors
    /// Why it did not start.
    pub async fn enable(&self, instance: &str) -> Result<(), HostError> {
        let slot = self.slot(instance)?;
        self.remember(instance, true)?;
        self.0.loading.pardon(slot.image().sha256());
        slot.start().await
    }

    /// Switches an instance off, for good.
    ///
    /// # Errors
    /// When there is none of that name, or the records cannot be written.
    pub async fn disable(&self, instance: &str) -> Result<(), HostError> {
        let slot = self.slot(instance)?;
        self.remember(instance, false)?;
        slot.stop().await;
        slot.switched_off();
        Ok(())
    }

    fn remember(&self, instance: &str, enabled: bool) -> Result<(), HostError> {
        let written = lock(&self.0.records).set_enabled(instance, enabled);
        written.map_err(|source| HostError::Folder {
            path: self.0.settings.folder.clone(),
            source,
        })
    }

    /// Stops an instance and forgets it.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn remove(&self, instance: &str) -> Result<(), HostError> {
        let slot = self.slot(instance)?;
        slot.stop().await;
        lock(&self.0.slots).remove(instance);
        Ok(())
    }

    fn slot(&self, instance: &str) -> Result<Arc<Slot>, HostError> {
        lock(&self.0.slots)
            .get(instance)
            .cloned()
            .ok_or_else(|| HostError::NoInstance { name: instance.into() })
    }

    /// All instances, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Status> {
        lock(&self.0.slots).values().map(|slot| slot.status()).collect()
    }

    /// One instance and its manifest.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn inspect(&self, instance: &str) -> Result<(Status, aerolith_plugin_wire::manifest::Manifest), HostError> {
        let slot = self.slot(instance)?;
        Ok((slot.status(), slot.image().manifest))
    }

    /// The instances that are up and provide a capability, by name. A handle stays good across replacements.
    #[must_use]
    pub fn providers(&self, capability: &str) -> Vec<Arc<dyn Service>> {
        let slots = lock(&self.0.slots);
        let up = slots.values().filter(|slot| slot.is_up() && slot.provides(capability));
        up.map(|slot| Arc::new(Handle(slot.clone())) as Arc<dyn Service>)
            .collect()
    }

    /// An instance by name, up or not.
    #[must_use]
    pub fn service(&self, instance: &str) -> Option<Arc<dyn Service>> {
        let slot = lock(&self.0.slots).get(instance).cloned()?;
        Some(Arc::new(Handle(slot)))
    }

    /// Whether every required instance runs.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.list().iter().all(|s| !s.required || s.state == State::Running)
    }

    /// Stops every instance.
    pub async fn shutdown(&self) {
        let slots: Vec<_> = lock(&self.0.slots).values().cloned().collect();
        let stopping: Vec<_> = slots
            .into_iter()
            .map(|slot| self.0.own.spawn(async move { slot.stop().await }))
            .collect();
        for slot in stopping {
            // A stop that panicked is over as well.
            let _ = slot.await;
        }
    }
}
