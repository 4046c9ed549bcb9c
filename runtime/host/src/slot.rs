//! One configured instance through all its lives: started, failed, restarted, replaced, stopped.

mod handle;
mod health;
mod replace;

pub(crate) use handle::Handle;

use crate::descriptors::Descriptors;
use crate::host::Shared;
use crate::lifecycle::{Record, State, Verdict};
use crate::live::Live;
use crate::make::{Made, make};
use crate::spec::{Image, Spec};
use crate::status::{Status, now};
use crate::{HostError, status};
use aerolith_plugin_wire::{Bytes, Error};
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::Instant;

/// Who answers right now.
enum Current {
    Up(Arc<Live>),
    /// A hand-over is under way: calls wait for it.
    Switching,
    Down,
}

pub(crate) struct Slot {
    pub(crate) shared: Arc<Shared>,
    spec: Mutex<Spec>,
    image: Mutex<Image>,
    previous: Mutex<Option<Image>>,
    current: ArcSwap<Current>,
    changed: Notify,
    status: Mutex<Status>,
    record: Mutex<Record>,
    pub(crate) descriptors: Arc<Descriptors>,
    generation: AtomicU64,
    began: Mutex<Instant>,
    /// One change of life at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    pub(crate) fn new(shared: Arc<Shared>, spec: Spec, image: Image) -> Arc<Self> {
        let status = Status {
            instance: spec.instance.clone(),
            plugin: image.manifest.name.clone(),
            version: image.manifest.version.clone(),
            sha256: image.sha256().to_owned(),
            provides: image.provides(),
            state: State::Verified,
            message: String::new(),
            since: now(),
            restarts: 0,
            required: spec.required,
            isolation: image.isolation(&spec),
            pid: None,
        };
        Arc::new(Self {
            shared,
            spec: Mutex::new(spec),
            image: Mutex::new(image),
            previous: Mutex::default(),
            current: ArcSwap::from_pointee(Current::Down),
            changed: Notify::new(),
            status: Mutex::new(status),
            record: Mutex::default(),
            descriptors: Arc::default(),
            generation: AtomicU64::new(0),
            began: Mutex::new(Instant::now()),
            turn: Arc::default(),
        })
    }

    pub(crate) fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    pub(crate) fn config(&self) -> serde_json::Value {
        lock(&self.spec).config.clone()
    }

    pub(crate) fn spec(&self) -> Spec {
        lock(&self.spec).clone()
    }

    pub(crate) fn image(&self) -> Image {
        lock(&self.image).clone()
    }

    pub(crate) fn provides(&self, capability: &str) -> bool {
        lock(&self.image).manifest.provides.contains_key(capability)
    }

    pub(crate) fn is_up(&self) -> bool {
        !matches!(**self.current.load(), Current::Down)
    }

    async fn turn(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    fn enter(&self, state: State, message: impl Into<String>) {
        let changed = {
            let mut status = lock(&self.status);
            (status.state, status.message, status.since) = (state, message.into(), status::now());
            status.clone()
        };
        tracing::info!(instance = changed.instance, plugin = changed.plugin, %state, reason = changed.message, "plugin");
        self.shared.core.changed(&changed);
    }

    fn put(&self, current: Current) {
        self.current.store(Arc::new(current));
        self.changed.notify_waiters();
    }

    /// Makes and starts an instance of an image. It is not yet anybody's.
    async fn bring_up(self: &Arc<Self>, image: &Image, state: &[u8]) -> Result<Made, HostError> {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        let made = make(self, image, generation, state).await?;
        let started = made
            .live
            .call_within("plugin/1.start", Bytes::new(), None, Some(self.shared.settings.start))
            .await;
        if let Err(error) = started {
            made.live.close().await;
            return Err(self.error("start", error));
        }
        Ok(made)
    }

    pub(crate) fn error(&self, what: &'static str, error: Error) -> HostError {
        HostError::Plugin {
            instance: lock(&self.status).instance.clone(),
            what,
            error,
        }
    }

    fn went_up(self: &Arc<Self>, made: &Made, image: Image) {
        lock(&self.status).pid = made.pid;
        *lock(&self.began) = Instant::now();
        self.adopt(image);
        self.put(Current::Up(made.live.clone()));
        self.enter(State::Running, "");
        self.ask_for_health(&made.live);
    }

    /// Starts the instance. A failure enters the restart policy and is also answered.
    ///
    /// # Errors
    /// Why it did not start.
    pub(crate) async fn start(self: &Arc<Self>) -> Result<(), HostError> {
        let _turn = self.turn().await;
        lock(&self.record).pardon();
        self.try_start().await
    }

    async fn try_start(self: &Arc<Self>) -> Result<(), HostError> {
        if self.is_up() {
            return Ok(());
        }
        let image = self.image();
        match self.bring_up(&image, b"").await {
            Ok(made) => {
                self.went_up(&made, image);
                Ok(())
            }
            Err(error) => {
                self.give_up(Duration::ZERO, &error.to_string());
                Err(error)
            }
        }
    }

    /// Enters a failure, and what follows from it.
    fn give_up(self: &Arc<Self>, ran: Duration, why: &str) {
        let patience = &self.shared.settings.patience;
        let verdict = lock(&self.record).failed(self.shared.began.elapsed(), ran, patience);
        match verdict {
            Verdict::Quarantine => {
                let most = patience.failures;
                self.enter(
                    State::Quarantined,
                    format!("{why} (failed {most} times; `aerolith plugin enable` tries again)"),
                );
            }
            Verdict::Retry(after) => {
                self.enter(State::Failed, format!("{why} (tried again in {after:?})"));
                self.retry(after);
            }
        }
    }

    fn retry(self: &Arc<Self>, after: Duration) {
        let (slot, generation) = (Arc::downgrade(self), self.generation.load(Ordering::Relaxed));
        self.shared.own.spawn(async move {
            tokio::time::sleep(after).await;
            let Some(slot) = slot.upgrade() else { return };
            let _turn = slot.turn().await;
            let waiting = lock(&slot.status).state == State::Failed;
            if waiting && slot.generation.load(Ordering::Relaxed) == generation {
                lock(&slot.status).restarts += 1;
                // The failure is in the status, and the next try is already planned.
                let _ = slot.try_start().await;
            }
        });
    }

    /// An instance says, or its panic shows, that it can do no more.
    pub(crate) fn failed(self: &Arc<Self>, generation: u64, why: &str) {
        let (slot, why) = (self.clone(), why.to_owned());
        self.shared.own.spawn(async move {
            let _turn = slot.turn().await;
            let Current::Up(live) = &*slot.current.load_full() else {
                return;
            };
            if live.generation() != generation {
                return;
            }
            let ran = lock(&slot.began).elapsed();
            slot.put(Current::Down);
            live.close().await;
            slot.give_up(ran, &why);
        });
    }

    /// Makes an image the one of this slot.
    fn adopt(&self, image: Image) {
        {
            let mut status = lock(&self.status);
            (status.plugin, status.version) = (image.manifest.name.clone(), image.manifest.version.clone());
            (status.sha256, status.provides) = (image.sha256().to_owned(), image.provides());
        }
        *lock(&self.image) = image;
    }

    fn is_switched_off(&self) -> bool {
        lock(&self.status).state == State::Stopped
    }

    /// A station on the way up.
    pub(crate) fn passed(&self, state: State) {
        // While an older instance runs, the slot is Running whatever its successor goes through.
        if !self.is_up() {
            self.enter(state, "");
        }
    }

    /// The operator does not want it.
    pub(crate) fn switched_off(&self) {
        self.enter(State::Stopped, "switched off; `aerolith plugin enable` switches it on");
    }

    /// It is too dangerous to try.
    pub(crate) fn quarantine(&self, why: &str) {
        self.enter(
            State::Quarantined,
            format!("{why}; `aerolith plugin enable` tries again"),
        );
    }

    pub(crate) fn is_named(&self, plugin: &str) -> bool {
        lock(&self.image).manifest.name == plugin
    }

    /// Stops the instance; it stays configured.
    pub(crate) async fn stop(self: &Arc<Self>) {
        let _turn = self.turn().await;
        self.take_down().await;
        self.enter(State::Stopped, "");
    }

    async fn take_down(&self) {
        let current = self.current.load_full();
        if let Current::Up(live) = &*current {
            self.enter(State::Draining, "");
            self.put(Current::Down);
            self.end(live).await;
        }
        self.generation.fetch_add(1, Ordering::Relaxed);
        lock(&self.status).pid = None;
    }

    /// Drains, stops and drops an instance; what fails on the way is logged, for the end comes anyway.
    async fn end(&self, live: &Arc<Live>) {
        let settings = &self.shared.settings;
        for (method, deadline) in [("plugin/1.drain", settings.drain), ("plugin/1.stop", settings.stop)] {
            self.last_words(live, method, deadline).await;
        }
        self.close(live).await;
    }

    async fn last_words(&self, live: &Arc<Live>, method: &str, deadline: Duration) {
        if let Err(error) = live.call_within(method, Bytes::new(), None, Some(deadline)).await {
            tracing::warn!(instance = lock(&self.status).instance, method, %error, "an instance did not end well");
        }
    }

    async fn close(&self, live: &Arc<Live>) {
        if !live.close().await {
            tracing::error!(
                instance = lock(&self.status).instance,
                "code of this instance still blocks a thread, which cannot be taken from it before the daemon restarts"
            );
        }
    }
}
