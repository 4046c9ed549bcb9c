//! A plugin linked into this test, reached through the waist: guards, scope, manifest, tasks.

#![allow(clippy::panic, reason = "panics are what this is about")]

use aerolith_plugin::testing::Host;
use aerolith_plugin::wire::accel::{
    AcceleratorMonitor, Card, Cards, Client, Release, Reservation, Reserve, Samples, Select,
};
use aerolith_plugin::wire::manifest::{Manifest, Replace};
use aerolith_plugin::wire::plugin;
use aerolith_plugin::wire::service::Behind;
use aerolith_plugin::{Code, Context, Error, Plugin, Result, Service, export_plugin};
use std::sync::mpsc;
use std::time::Duration;

#[derive(serde::Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Config {
    fail: String,
}

struct Monitor {
    context: Context,
    config: Config,
}

impl Plugin for Monitor {
    type Config = Config;

    fn create(context: Context, config: Config) -> Result<Self> {
        assert!(config.fail != "create", "create was told to panic");
        Ok(Self { context, config })
    }

    async fn start(&self) -> Result<()> {
        let name = self.context.instance().to_owned();
        if self.config.fail == "task" {
            self.context.spawn(async move { panic!("task of {name}") });
        }
        Ok(())
    }
}

impl AcceleratorMonitor for Monitor {
    async fn fingerprint(&self) -> Result<Cards> {
        assert!(self.config.fail != "poll", "poll was told to panic");
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.context.gauge("accelerator_up", 1.0, &[("device", "sn:1")]);
        Ok(Cards {
            cards: vec![Card {
                id: "sn:1".into(),
                healthy: true,
                ..Card::default()
            }],
            message: String::new(),
        })
    }

    async fn stats(&self, _: Select) -> Result<Samples> {
        std::future::pending().await
    }

    async fn reserve(&self, request: Reserve) -> Result<Reservation> {
        Err(Error::not_found(format!("no card {:?}", request.ids)))
    }

    async fn release(&self, _: Release) -> Result<()> {
        Ok(())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        assert!(self.config.fail != "drop", "drop was told to panic");
    }
}

export_plugin! {
    plugin: Monitor, name: "monitor", vendor: "Acme", provides: [accel],
    replace: handover, permissions: ["call hub/1", "kv"], workers: 1,
}

fn made(host: &Host, config: &str) -> Result<Behind> {
    host.instance(aerolith_root(), "monitor-1", config)
}

#[test]
fn the_manifest_lists_what_the_macro_was_told() {
    let manifest: Manifest = serde_json::from_str(AEROLITH_MANIFEST).unwrap();
    assert_eq!(
        (&*manifest.name, &*manifest.vendor, manifest.replace),
        ("monitor", "Acme", Replace::Handover)
    );
    assert_eq!(
        manifest.provides["accel/1"],
        ["fingerprint", "stats", "reserve", "release"]
    );
    assert_eq!(manifest.provides["plugin/1"], plugin::CAPABILITY.methods);
    assert_eq!(manifest.permissions, ["call hub/1", "kv"]);
    assert_eq!(manifest.api, aerolith_plugin::abi::API.to_string());
}

#[test]
fn a_call_runs_inside_the_instances_own_runtime_and_reports_its_metric() {
    let host = Host::new();
    let client = Client(made(&host, "{}").unwrap());
    let cards = host.block_on(client.fingerprint()).unwrap();
    assert_eq!(cards.cards[0].id, "sn:1");
    assert_eq!(host.seen().metrics[0].labels["device"], "sn:1");
}

#[test]
fn a_wrong_configuration_names_the_field() {
    let error = made(&Host::new(), r#"{"nonsense":1}"#).err().unwrap();
    assert_eq!(error.code, Code::Invalid);
    assert!(error.message.contains("nonsense"), "{error}");
}

#[test]
fn a_panic_in_create_is_an_error_with_its_text() {
    let error = made(&Host::new(), r#"{"fail":"create"}"#).err().unwrap();
    assert_eq!((error.code, &*error.message), (Code::Panic, "create was told to panic"));
}

#[test]
fn a_panic_in_a_poll_is_an_error_with_its_text() {
    let host = Host::new();
    let client = Client(made(&host, r#"{"fail":"poll"}"#).unwrap());
    let error = host.block_on(client.fingerprint()).unwrap_err();
    assert_eq!((error.code, &*error.message), (Code::Panic, "poll was told to panic"));
}

#[test]
fn a_panic_in_a_spawned_task_is_reported_as_the_instances_failure() {
    let host = Host::new();
    let life = plugin::Client(made(&host, r#"{"fail":"task"}"#).unwrap());
    host.block_on(life.start()).unwrap();
    host.block_on(async {
        while host.seen().failures.is_empty() {
            tokio::task::yield_now().await;
        }
    });
    let failure = host.seen().failures[0].clone();
    assert_eq!((failure.panicked, &*failure.message), (true, "task of monitor-1"));
}

#[test]
fn a_panic_in_a_drop_stays_inside() {
    drop(made(&Host::new(), r#"{"fail":"drop"}"#).unwrap());
}

#[test]
fn a_method_of_no_capability_is_unimplemented() {
    let host = Host::new();
    let instance = made(&host, "{}").unwrap();
    for method in ["accel/1.nope", "accel/11.stats", "hub/1.publish", ""] {
        assert_eq!(
            host.block_on(instance.call(method, Vec::new().into(), None))
                .unwrap_err()
                .code,
            Code::Unimplemented
        );
        assert_eq!(instance.send(method, b"").unwrap_err().code, Code::Unimplemented);
    }
}

#[test]
fn a_call_that_is_dropped_is_cancelled_and_the_instance_can_go() {
    let host = Host::new();
    let instance = std::sync::Arc::new(made(&host, "{}").unwrap());
    let client = Client(instance.clone());
    let (polled, was_polled) = mpsc::channel();
    host.block_on(async {
        let select = Select::default();
        let call = client.stats(&select);
        tokio::select! {
            biased;
            _ = call => unreachable!("it never answers"),
            () = std::future::ready(()) => polled.send(()).unwrap(),
        }
    });
    was_polled.recv().unwrap();
    drop(client);
    assert_eq!(std::sync::Arc::strong_count(&instance), 1);
}
