//! A core that remembers what plugins tell it, and lets a test wait for it.

use aerolith_host::{Caller, Core, Isolation, PluginHost, Settings, Source, Spec, State, Status};
use aerolith_plugin_wire::host::{
    Dispatch, Entry, Event, Failure, HostServices, Key, Keys, Metric, Process, SecretData, SecretName, Subscribe, Value,
};
use aerolith_plugin_wire::payload::Blob;
use aerolith_plugin_wire::{Bytes, Error, Result, Sent, Service, Stream, accel};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(crate) struct Told {
    pub(crate) statuses: Vec<Status>,
    pub(crate) events: Vec<(String, Event)>,
    pub(crate) metrics: Vec<(String, Metric)>,
    pub(crate) kv: BTreeMap<(String, String), Vec<u8>>,
}

pub(crate) struct Remembering {
    pub(crate) told: Mutex<Told>,
    news: Notify,
    bus: broadcast::Sender<Event>,
}

impl Default for Remembering {
    fn default() -> Self {
        Self {
            told: Mutex::default(),
            news: Notify::new(),
            bus: broadcast::channel(64).0,
        }
    }
}

impl Remembering {
    fn note(&self, note: impl FnOnce(&mut Told)) {
        note(&mut self.told.lock().unwrap());
        self.news.notify_waiters();
    }

    /// Puts an event on the bus, as the core does.
    pub(crate) fn publish(&self, topic: &str) {
        let _ = self.bus.send(Event {
            topic: topic.into(),
            data: serde_json::Value::Null,
        });
    }

    /// Waits until what was told gives an answer.
    pub(crate) async fn until<T>(&self, what: &str, mut seen: impl FnMut(&Told) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let news = self.news.notified();
                if let Some(found) = seen(&self.told.lock().unwrap()) {
                    return found;
                }
                news.await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("{what} did not come; states: {:?}", self.states()),
        }
    }

    fn states(&self) -> Vec<(String, State, String)> {
        let told = self.told.lock().unwrap();
        told.statuses
            .iter()
            .map(|s| (s.instance.clone(), s.state, s.message.clone()))
            .collect()
    }

    /// Waits for a state of an instance, of which so many came before.
    pub(crate) async fn state(&self, instance: &str, state: State, before: usize) -> Status {
        let what = format!("{instance} {state:?}");
        self.until(&what, |told| {
            told.statuses
                .iter()
                .filter(|s| s.instance == instance && s.state == state)
                .nth(before)
                .cloned()
        })
        .await
    }

    /// Waits for an event on a topic, of which so many came before.
    pub(crate) async fn event(&self, topic: &str, before: usize) -> Event {
        self.until(topic, |told| {
            told.events
                .iter()
                .filter(|(_, e)| e.topic == topic)
                .nth(before)
                .map(|(_, e)| e.clone())
        })
        .await
    }
}

/// The core as the host asks for it.
#[derive(Clone, Default)]
pub(crate) struct TestCore(pub(crate) Arc<Remembering>);

impl Core for TestCore {
    fn services(&self, caller: &Caller) -> Arc<dyn Service> {
        Arc::new(Dispatch(Arc::new(Services {
            instance: caller.instance.clone(),
            told: self.0.clone(),
        })))
    }

    fn changed(&self, status: &Status) {
        self.0.note(|told| told.statuses.push(status.clone()));
    }
}

struct Services {
    instance: String,
    told: Arc<Remembering>,
}

impl HostServices for Services {
    fn metric(&self, item: &Metric) -> Result<Sent> {
        self.told
            .note(|told| told.metrics.push((self.instance.clone(), item.clone())));
        Ok(Sent::Accepted)
    }

    fn publish(&self, item: &Event) -> Result<Sent> {
        self.told
            .note(|told| told.events.push((self.instance.clone(), item.clone())));
        let _ = self.told.bus.send(item.clone());
        Ok(Sent::Accepted)
    }

    fn process(&self, _: &Process) -> Result<Sent> {
        Ok(Sent::Accepted)
    }

    fn failed(&self, _: &Failure) -> Result<Sent> {
        unreachable!("the host deals with it")
    }

    async fn subscribe(&self, request: Subscribe, into: Stream<Event>) -> Result<()> {
        let mut bus = self.told.bus.subscribe();
        self.told.note(|told| {
            told.events.push((
                self.instance.clone(),
                Event {
                    topic: "subscribed".into(),
                    ..Event::default()
                },
            ));
        });
        while let Ok(event) = bus.recv().await {
            if aerolith_host::covers(&request.filter, &event.topic) {
                into.write(&event).await?;
            }
        }
        Ok(())
    }

    async fn kv_get(&self, request: Key) -> Result<Value> {
        let told = self.told.told.lock().unwrap();
        Ok(Value {
            value: told.kv.get(&(self.instance.clone(), request.key)).cloned().map(Blob),
        })
    }

    async fn kv_put(&self, request: Entry) -> Result<()> {
        self.told
            .note(|told| drop(told.kv.insert((self.instance.clone(), request.key), request.value.0)));
        Ok(())
    }

    async fn kv_delete(&self, request: Key) -> Result<()> {
        self.told
            .note(|told| drop(told.kv.remove(&(self.instance.clone(), request.key))));
        Ok(())
    }

    async fn kv_list(&self) -> Result<Keys> {
        Ok(Keys::default())
    }

    async fn secret(&self, request: SecretName) -> Result<SecretData> {
        Err(Error::not_found(format!("no secret `{}`", request.name)))
    }

    async fn config(&self) -> Result<Bytes> {
        unreachable!("the host deals with it")
    }
}

/// A host with nothing in it, in a folder that goes with it.
pub(crate) struct House {
    pub(crate) host: PluginHost,
    pub(crate) core: Arc<Remembering>,
    pub(crate) folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let core = TestCore::default();
        let helper = (super::build::binary(), vec!["__plugin".to_owned()]);
        let mut settings = Settings::new(folder.path().join("plugins"), helper);
        settings.patience.first = Duration::from_millis(10);
        adjust(&mut settings);
        let host = PluginHost::open(settings, Arc::new(core.clone())).unwrap();
        Self {
            host,
            core: core.0,
            folder,
        }
    }

    /// Starts an instance of a file.
    pub(crate) async fn start(
        &self,
        instance: &str,
        file: &Path,
        isolation: Isolation,
        config: serde_json::Value,
    ) -> std::result::Result<(), aerolith_host::HostError> {
        self.host
            .start(Spec {
                config,
                isolation,
                ..Spec::new(instance, Source::File(file.to_owned()))
            })
            .await
    }

    pub(crate) fn service(&self, instance: &str) -> Arc<dyn Service> {
        self.host.service(instance).unwrap()
    }

    pub(crate) fn monitor(&self, instance: &str) -> accel::Client<Arc<dyn Service>> {
        accel::Client(self.service(instance))
    }

    pub(crate) fn status(&self, instance: &str) -> Status {
        self.host.list().into_iter().find(|s| s.instance == instance).unwrap()
    }

    /// A copy of a file with its bytes changed, as only its owner could do it.
    pub(crate) fn changed(&self, file: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
        let mut bytes = std::fs::read(file).unwrap();
        change(&mut bytes);
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}
