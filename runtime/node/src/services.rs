//! `host/1`: what the node does for one plugin instance.

use std::collections::BTreeMap;

use aerolith_plugin_wire::host::{
    Entry, Event, Failure, HostServices, Key, Keys, Metric, Process, SecretData, SecretName, Subscribe, Value,
};
use aerolith_plugin_wire::payload::Blob;
use aerolith_plugin_wire::{Bytes, Code, Error, Result, Sent, Stream};

use crate::foundation::Foundation;
use crate::kv::Kv;

/// The node, as one plugin instance sees it.
#[derive(Debug, Clone)]
pub struct Services {
    pub(crate) foundation: Foundation,
    pub(crate) plugin: String,
    pub(crate) instance: String,
}

impl Services {
    /// Files block, so they are read and written on a thread for that.
    async fn kv<T: Send + 'static>(&self, step: impl FnOnce(&Kv, &str) -> Result<T> + Send + 'static) -> Result<T> {
        let (foundation, instance) = (self.foundation.clone(), self.instance.clone());
        let task = self
            .foundation
            .0
            .runtime
            .spawn_blocking(move || step(&foundation.0.kv, &instance));
        task.await
            .map_err(|e| Error::new(Code::Internal, format!("the key/value space: {e}")))?
    }
}

impl HostServices for Services {
    fn metric(&self, item: &Metric) -> Result<Sent> {
        let metrics = &self.foundation.0.metrics;
        metrics
            .record(&self.plugin, &self.instance, item)
            .map_err(Error::invalid)?;
        Ok(Sent::Accepted)
    }

    fn publish(&self, item: &Event) -> Result<Sent> {
        self.foundation.0.bus.publish(item).map_err(Error::invalid)?;
        Ok(Sent::Accepted)
    }

    fn process(&self, item: &Process) -> Result<Sent> {
        self.foundation.0.processes.note(&self.instance, item);
        Ok(Sent::Accepted)
    }

    /// The plugin host answers this itself; whoever gets here has no plugin host.
    fn failed(&self, _: &Failure) -> Result<Sent> {
        Err(Error::unimplemented("host/1.failed"))
    }

    async fn subscribe(&self, request: Subscribe, into: Stream<Event>) -> Result<()> {
        let mut events = self
            .foundation
            .0
            .bus
            .subscribe(&request.filter)
            .map_err(Error::invalid)?;
        while let Some(event) = events.next().await {
            into.write(&event).await?;
        }
        Ok(())
    }

    async fn kv_get(&self, request: Key) -> Result<Value> {
        let value = self.kv(move |kv, instance| kv.get(instance, &request.key)).await?;
        Ok(Value { value: value.map(Blob) })
    }

    async fn kv_put(&self, request: Entry) -> Result<()> {
        self.kv(move |kv, instance| kv.put(instance, &request.key, &request.value.0))
            .await
    }

    async fn kv_delete(&self, request: Key) -> Result<()> {
        self.kv(move |kv, instance| kv.delete(instance, &request.key)).await
    }

    async fn kv_list(&self) -> Result<Keys> {
        Ok(Keys {
            keys: self.kv(Kv::list).await?,
        })
    }

    async fn secret(&self, request: SecretName) -> Result<SecretData> {
        let found = self.foundation.secret(&request.name);
        let missing = || Error::not_found(format!("secret `{}` does not exist: apply it first", request.name));
        let data: BTreeMap<String, Blob> = found
            .ok_or_else(missing)?
            .into_iter()
            .map(|(key, bytes)| (key, Blob(bytes)))
            .collect();
        Ok(SecretData { data })
    }

    /// The plugin host answers this itself; whoever gets here has no plugin host.
    async fn config(&self) -> Result<Bytes> {
        Err(Error::unimplemented("host/1.config"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundation::Settings;
    use crate::state::Change;
    use aerolith_plugin_wire::host::{Client, Dispatch, ProcessEvent};
    use aerolith_plugin_wire::stream;

    fn open() -> (tempfile::TempDir, Foundation, Client<Dispatch<Services>>) {
        let dir = tempfile::tempdir().unwrap();
        let (data, runtime) = (dir.path().join("data"), dir.path().join("run"));
        let settings = Settings {
            data,
            runtime,
            node: "n".into(),
            limits: aerolith_packages::Limits::default(),
            packages: crate::PackagePolicy::default(),
            updates: aerolith_plan::Updates::default(),
        };
        let foundation = Foundation::open(settings).unwrap();
        let client = Client(foundation.services("fetcher", "fetcher-1"));
        (dir, foundation, client)
    }

    #[tokio::test]
    async fn a_plugin_keeps_values_and_reads_secrets_through_the_boundary() {
        let (_dir, foundation, client) = open();
        let key = Key { key: "k".into() };
        client
            .kv_put(&Entry {
                key: "k".into(),
                value: Blob(b"v".to_vec()),
            })
            .await
            .unwrap();
        assert_eq!(client.kv_get(&key).await.unwrap().value, Some(Blob(b"v".to_vec())));
        assert_eq!(client.kv_list().await.unwrap().keys, ["k"]);
        client.kv_delete(&key).await.unwrap();
        assert_eq!(client.kv_get(&key).await.unwrap().value, None);
        let secret = serde_json::from_str(r#"{"kind":"secret","name":"cert","stringData":{"key":"hush"}}"#).unwrap();
        foundation
            .state()
            .commit(Change {
                put: vec![secret],
                delete: Vec::new(),
            })
            .unwrap();
        let data = client.secret(&SecretName { name: "cert".into() }).await.unwrap().data;
        assert_eq!(data["key"], Blob(b"hush".to_vec()));
        let error = client.secret(&SecretName { name: "other".into() }).await.err().unwrap();
        assert_eq!((error.code, error.message.contains("`other`")), (Code::NotFound, true));
    }

    #[tokio::test]
    async fn a_plugin_publishes_and_hears_events_until_it_hangs_up() {
        let (_dir, foundation, client) = open();
        let (sink, mut items) = stream::channel::<Event>(4);
        let subscribed = tokio::spawn(async move {
            client
                .subscribe(
                    &Subscribe {
                        filter: "plugin/#".into(),
                    },
                    sink,
                )
                .await
        });
        let event = Event {
            topic: "plugin/x/failed".into(),
            data: serde_json::json!({"a": 1}),
        };
        let publisher = Client(foundation.services("x", "x"));
        let heard = loop {
            publisher.publish(&event).unwrap();
            tokio::select! {
                item = items.next() => break item.unwrap().unwrap(),
                () = tokio::task::yield_now() => {}
            }
        };
        assert_eq!(heard, event);
        drop(items);
        while !subscribed.is_finished() {
            publisher.publish(&event).unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(subscribed.await.unwrap().unwrap_err().code, Code::Stopped);
        publisher.publish(&Event::default()).unwrap_err();
    }

    #[tokio::test]
    async fn metrics_and_processes_are_filed_under_the_instance() {
        let (_dir, foundation, client) = open();
        client
            .metric(&Metric {
                name: "bytes".into(),
                value: 2.0,
                ..Metric::default()
            })
            .unwrap();
        assert!(
            foundation
                .metrics()
                .text()
                .contains(r#"bytes{instance="fetcher-1",plugin="fetcher"} 2"#)
        );
        client
            .process(&Process {
                pid: 7,
                event: ProcessEvent::Registered,
            })
            .unwrap();
        assert!(!foundation.processes().is_orphan(7));
        client
            .metric(&Metric {
                name: "1".into(),
                ..Metric::default()
            })
            .unwrap_err();
    }
}
