//! One configured instance through all its lives: started, failed, restarted, replaced, stopped.

use crate::descriptors::Descriptors;
use crate::host::Shared;
use crate::lifecycle::{Record, State, Verdict};
use crate::live::Live;
use crate::make::{Made, make};
use crate::spec::{Image, Spec};
use crate::status::{Status, now};
use crate::{HostError, status};
use aerolith_plugin_wire::manifest::Replace;
use aerolith_plugin_wire::{Bytes, Code, Error, Reply, Sent, Service, SinkBox, plugin};
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
        tracing::info!(instance = changed.instance, plugin = changed.plugin, state = ?state, reason = changed.message, "plugin");
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
        {
            let mut status = lock(&self.status);
            (status.plugin, status.version) = (image.manifest.name.clone(), image.manifest.version.clone());
            (status.sha256, status.provides, status.pid) = (image.sha256().to_owned(), image.provides(), made.pid);
        }
        *lock(&self.began) = Instant::now();
        *lock(&self.image) = image;
        self.put(Current::Up(made.live.clone()));
        self.enter(State::Running, "");
        self.ask_for_health(&made.live);
    }

    /// Asks an instance now and then how it is, as long as it is the one that answers here.
    fn ask_for_health(self: &Arc<Self>, live: &Arc<Live>) {
        let (slot, live, every) = (Arc::downgrade(self), Arc::downgrade(live), self.shared.settings.health);
        self.shared.own.spawn(async move {
            let mut missed = 0;
            loop {
                tokio::time::sleep(every).await;
                let Some(live) = live.upgrade() else { return };
                let client = plugin::Client(Within(live.clone(), every));
                let health = client.health().await;
                missed = if health.is_ok() { 0 } else { missed + 1 };
                let Some(slot) = slot.upgrade() else { return };
                if !matches!(&**slot.current.load(), Current::Up(current) if Arc::ptr_eq(current, &live)) {
                    return;
                }
                slot.felt(health, missed);
            }
        });
    }

    /// What an instance says of its health; one silence is forgiven, two in a row are not.
    fn felt(&self, health: Result<plugin::Health, Error>, missed: u32) {
        let (state, why) = match health {
            Ok(plugin::Health {
                state: plugin::HealthState::Healthy,
                ..
            }) => (State::Running, String::new()),
            Ok(plugin::Health { reason, .. }) => (State::Degraded, reason),
            Err(_) if missed < 2 => return,
            Err(error) => (State::Degraded, error.to_string()),
        };
        let known = lock(&self.status).state;
        if known != state && matches!(known, State::Running | State::Degraded) {
            self.enter(state, why);
        }
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

    /// Gives the running instance a new configuration, or replaces it when it cannot take one.
    pub(crate) async fn reload(self: &Arc<Self>, config: serde_json::Value) -> Result<(), HostError> {
        let turn = self.turn().await;
        let old = std::mem::replace(&mut lock(&self.spec).config, config.clone());
        let Current::Up(live) = &*self.current.load_full() else {
            return Ok(());
        };
        let bytes = Bytes::from(config.to_string().into_bytes());
        let taken = live
            .call_within("plugin/1.reload", bytes, None, Some(self.shared.settings.reload))
            .await;
        drop(turn);
        let replaced = match taken {
            Ok(_) => return Ok(()),
            Err(Error {
                code: Code::Unimplemented,
                ..
            }) => self.replace(self.image()).await,
            Err(error) => Err(self.error("reload", error)),
        };
        replaced.inspect_err(|_| lock(&self.spec).config = old)
    }

    /// Replaces the running instance by one of another image, the way its manifest says. When that fails, the old one
    /// runs on and the error says why.
    pub(crate) async fn replace(self: &Arc<Self>, image: Image) -> Result<(), HostError> {
        let _turn = self.turn().await;
        let before = self.image();
        match &*self.current.load_full() {
            Current::Up(old) => match image.manifest.replace {
                Replace::Beside => self.beside(old, image).await?,
                Replace::Handover => self.hand_over(old, image).await?,
            },
            _ => {
                let made = self.bring_up(&image, b"").await?;
                self.went_up(&made, image);
            }
        }
        if before != self.image() {
            *lock(&self.previous) = Some(before);
        }
        Ok(())
    }

    async fn beside(self: &Arc<Self>, old: &Arc<Live>, image: Image) -> Result<(), HostError> {
        let made = self.bring_up(&image, b"").await?;
        self.went_up(&made, image);
        self.end(old).await;
        Ok(())
    }

    async fn hand_over(self: &Arc<Self>, old: &Arc<Live>, image: Image) -> Result<(), HostError> {
        self.put(Current::Switching);
        self.enter(State::Draining, "hands over to its successor");
        let drained = old
            .call_within("plugin/1.drain", Bytes::new(), None, Some(self.shared.settings.drain))
            .await;
        let made = match drained {
            Ok(state) => self
                .bring_up(&image, &state)
                .await
                .map_err(|error| (error, Some(state))),
            Err(error) => Err((self.error("drain", error), None)),
        };
        match made {
            Ok(made) => {
                self.went_up(&made, image);
                self.last_words(old, "plugin/1.stop", self.shared.settings.stop).await;
                self.close(old).await;
                Ok(())
            }
            Err((error, state)) => self.take_back(old, error, state.unwrap_or_default()).await,
        }
    }

    /// The successor failed: the old instance takes everything back. Answers why in any case.
    async fn take_back(self: &Arc<Self>, old: &Arc<Live>, why: HostError, state: Bytes) -> Result<(), HostError> {
        let resumed = old
            .call_within("plugin/1.resume", state, None, Some(self.shared.settings.start))
            .await;
        match resumed {
            Ok(_) => {
                self.put(Current::Up(old.clone()));
                self.enter(
                    State::Running,
                    format!("the successor failed, the former one runs on: {why}"),
                );
            }
            Err(error) => {
                self.put(Current::Down);
                self.close(old).await;
                self.give_up(
                    Duration::ZERO,
                    &format!("the successor failed ({why}), and the former one too: {error}"),
                );
            }
        }
        Err(why)
    }

    /// Back to the image before the last replacement.
    pub(crate) fn previous(&self) -> Option<Image> {
        lock(&self.previous).clone()
    }

    async fn live(&self) -> Result<Arc<Live>, Error> {
        loop {
            let changed = self.changed.notified();
            match &*self.current.load_full() {
                Current::Up(live) => return Ok(live.clone()),
                Current::Down => return Err(self.down()),
                Current::Switching => {}
            }
            changed.await;
        }
    }

    fn down(&self) -> Error {
        let status = lock(&self.status);
        let why = if status.message.is_empty() {
            String::new()
        } else {
            format!(": {}", status.message)
        };
        Error::new(
            Code::Unavailable,
            format!("plugin instance `{}` is {:?}{why}", status.instance, status.state),
        )
    }
}

/// A live instance with one deadline for every call.
struct Within(Arc<Live>, Duration);

impl Service for Within {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        self.0.call_within(method, request, sink, Some(self.1))
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent, Error> {
        self.0.send(method, item)
    }
}

/// The instance under its name, whoever answers for it: a handle that stays good across replacements.
pub(crate) struct Handle(pub(crate) Arc<Slot>);

impl Service for Handle {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        if let Current::Up(live) = &**self.0.current.load() {
            return live.call(method, request, sink);
        }
        let (slot, method) = (self.0.clone(), method.to_owned());
        Box::pin(async move {
            let deadline = slot.shared.settings.call;
            let live = tokio::time::timeout(deadline, slot.live())
                .await
                .unwrap_or_else(|_| Err(slot.down()))?;
            live.call(&method, request, sink).await
        })
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent, Error> {
        match &**self.0.current.load() {
            Current::Up(live) => live.send(method, item),
            Current::Switching => Ok(Sent::Full),
            Current::Down => Err(self.0.down()),
        }
    }
}
