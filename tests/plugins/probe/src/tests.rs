use super::*;
use aerolith_plugin::testing::{Host, Seen};
use aerolith_plugin::wire::host::{Entry, Event, Subscribe, Value};
use aerolith_plugin::wire::payload::{self, Blob};
use aerolith_plugin::wire::service::Behind;
use aerolith_plugin::wire::{Reply, plugin};
use aerolith_plugin::{Bytes, Code, Error, Sent, Service, Stream};
use std::sync::Arc;

/// What the core would answer: one key, one event for every subscriber, and a platform.
#[derive(Default)]
struct Core(Arc<Mutex<Option<Blob>>>);

impl Service for Core {
    fn call(&self, method: &str, request: Bytes, sink: Option<aerolith_plugin::wire::SinkBox>) -> Reply {
        let (method, held) = (method.to_owned(), self.0.clone());
        Box::pin(async move {
            match (&*method, sink) {
                ("host/1.kv_get", _) => payload::encode(&Value {
                    value: held.lock().unwrap().clone(),
                }),
                ("host/1.kv_put", _) => {
                    *held.lock().unwrap() = Some(payload::decode::<Entry>(&request)?.value);
                    Ok(Bytes::new())
                }
                ("host/1.subscribe", Some(sink)) => {
                    let topic = payload::decode::<Subscribe>(&request)?.filter.replace('#', "bell");
                    Stream::new(sink).write(&Event { topic, data: 1.into() }).await?;
                    Ok(Bytes::new())
                }
                ("arch/1.platform", _) => Ok(Bytes::from(b"{}".to_vec())),
                _ => Err(Error::new(Code::Denied, method)),
            }
        })
    }

    fn send(&self, method: &str, _: &[u8]) -> Result<Sent> {
        Err(Error::unimplemented(method))
    }
}

fn started(host: &Host, config: &str) -> Result<Arc<Behind>> {
    let made = Arc::new(host.instance(aerolith_root(), "probe-1", config)?);
    host.block_on(plugin::Client(made.clone()).start())?;
    Ok(made)
}

/// Waits until the core has seen what is looked for.
fn until<T>(host: &Host, found: impl Fn(&Seen) -> Option<T>) -> T {
    loop {
        if let Some(found) = found(&host.seen()) {
            return found;
        }
        std::thread::yield_now();
    }
}

#[test]
fn ticks_are_numbered() {
    let host = Host::new();
    let _probe = started(&host, r#"{"tickMs":1}"#).unwrap();
    until(&host, |seen| (seen.events.len() > 2).then_some(()));
    for (event, number) in host.seen().events.iter().zip(1..) {
        assert_eq!((&*event.topic, &event.data["number"]), ("probe/tick", &number.into()));
    }
}

#[test]
fn an_event_is_published_and_one_that_is_heard_is_answered() {
    let host = Host::with(Core::default());
    let _probe = started(&host, r#"{"publish":"probe/hello","subscribe":"test/#"}"#).unwrap();
    let data = |topic: &str| {
        until(&host, |seen| {
            seen.events.iter().find(|e| e.topic == topic).map(|e| e.data.clone())
        })
    };
    assert_eq!(data("probe/hello")["from"], "probe-1");
    assert_eq!(
        data("probe/heard"),
        serde_json::json!({ "topic": "test/bell", "data": 1 })
    );
}

#[test]
fn starts_are_counted_in_the_instances_own_space() {
    let held = Arc::new(Mutex::new(None));
    for expected in [1.0, 2.0] {
        let host = Host::with(Core(held.clone()));
        let _probe = started(&host, r#"{"kv":"starts"}"#).unwrap();
        let metric = host.seen().metrics[0].clone();
        assert_eq!((&*metric.name, metric.value), ("probe_starts", expected));
    }
    *held.lock().unwrap() = Some(Blob(b"many".to_vec()));
    let error = started(&Host::with(Core(held)), r#"{"kv":"starts"}"#).err().unwrap();
    assert!(
        error.message.contains("starts") && error.message.contains("many"),
        "{error}"
    );
}

#[test]
fn a_call_of_another_capability_fails_as_that_one_does() {
    let stats = |method: &str| {
        let host = Host::with(Core::default());
        let probe = started(&host, &format!(r#"{{"callOther":"{method}"}}"#)).unwrap();
        let stats = host.block_on(aerolith_plugin::wire::accel::Client(probe).stats(&Select::default()));
        stats.map(|s| s.samples.len()).map_err(|e| e.code)
    };
    assert_eq!(stats("arch/1.platform"), Ok(2));
    assert_eq!(stats("fetcher/1.schemes"), Err(Code::Denied));
}

#[test]
fn a_panic_in_a_task_is_told_to_the_core() {
    let host = Host::new();
    let _probe = started(&host, r#"{"panicIn":"task"}"#).unwrap();
    let failure = until(&host, |seen| seen.failures.first().cloned());
    assert_eq!((failure.panicked, &*failure.message), (true, "told to panic in Task"));
}
