//! The C entry: the header against `aerolith_plugin_abi::c`, and the monitor in C against the same suites as any other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    unsafe_code,
    reason = "the entry is functions and pointers; each block says why it is sound"
)]

mod entry;
mod layout;

use aerolith_plugin::testing::Host;
use aerolith_plugin::wire::manifest::{Entry, MANIFEST_SECTION, MARKER_SECTION, Manifest, Marker};
use aerolith_plugin::wire::{accel, payload, plugin};
use aerolith_plugin::{Bytes, Code, Result, Service};
use aerolith_plugin_testkit::calls::Call;
use aerolith_plugin_testkit::{accel as accel_suite, calls, life, plugins};
use entry::Library;
use object::{Object, ObjectSection, ObjectSymbol};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

const HEADER_ROOM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../c");

/// The compiled monitor; it stays loaded.
static MONITOR: LazyLock<Library> = LazyLock::new(|| {
    let (path, _directory) = compiled();
    Library::load(&path)
});

fn compiled() -> (PathBuf, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let library = directory.path().join("libmonitor.so");
    plugins::build_c(&Path::new(HEADER_ROOM).join("monitor.c"), &library).unwrap();
    (library, directory)
}

fn made(config: &str) -> Result<Arc<dyn Service>> {
    Ok(Arc::new(MONITOR.create(config)?))
}

fn running<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test)
}

#[test]
fn the_monitor_in_c_lives_as_a_plugin_does() {
    running(life::run("{}", async |config| made(config))).assert_clean();
}

#[test]
fn the_monitor_in_c_answers_calls_from_many_threads() {
    let all = &[
        Call::of("accel/1.fingerprint", b""),
        Call::of("accel/1.stats", b"{}"),
        Call::of("accel/1.release", b"{\"instance\":\"nobody\"}"),
    ];
    running(calls::run(&made("{}").unwrap(), all)).assert_clean();
}

#[test]
fn the_monitor_in_c_is_an_accelerator_monitor() {
    let service = made(r#"{"cards":["sn:a","uuid:b","pci:\u00e9\ud83d\ude00"]}"#).unwrap();
    running(accel_suite::run(&service)).assert_clean();
}

/// Requests of every sort; `$` stands for a card's id.
const REQUESTS: &[(&str, &str)] = &[
    ("accel/1.fingerprint", ""),
    ("accel/1.stats", ""),
    (
        "accel/1.stats",
        r#"{"ids":["$"],"added_later":{"a":[1,2.5e-3,null,true]}}"#,
    ),
    ("accel/1.stats", r#"{"ids":["$","sn:b\u006fb"]}"#),
    ("accel/1.stats", r#"{"ids":null}"#),
    ("accel/1.stats", r#"{"ids":[1]}"#),
    ("accel/1.stats", r#"{"ids":["$",]}"#),
    ("accel/1.stats", r#"{"ids":["\ud800"]}"#),
    ("accel/1.stats", r#"{"ids":["\x"]}"#),
    ("accel/1.stats", "{\"ids\":[\"a\nb\"]}"),
    ("accel/1.stats", "{}{}"),
    ("accel/1.stats", r#"{"x":01}"#),
    ("accel/1.stats", r#"{"x":-}"#),
    ("accel/1.stats", " { \"ids\" : [ ] } "),
    ("accel/1.reserve", r#"{"ids":["$"]}"#),
    ("accel/1.reserve", r#"{"instance":"shop.\"web\".1","ids":["$"]}"#),
    ("accel/1.stats", r#"{}"#),
    ("accel/1.reserve", r#"{"instance":"other.1","ids":["$"]}"#),
    ("plugin/1.reload", r#"{"cards":["$","sn:new"]}"#),
    ("accel/1.stats", r#"{}"#),
    ("plugin/1.reload", r#"{"cards":["$","$"]}"#),
    ("plugin/1.reload", r#"{"card":["$"]}"#),
    ("accel/1.release", r#"{"instance":"shop.\"web\".1"}"#),
    ("accel/1.stats", r#"{}"#),
    ("plugin/1.drain", ""),
    ("plugin/1.nope", ""),
];

/// What a service answers, comparable: JSON as a value, and of an error its code.
fn answer(service: &Arc<dyn Service>, method: &str, request: &str) -> std::result::Result<serde_json::Value, Code> {
    let request = Bytes::from(request.replace('$', "sn:\\\"1\\u00e9").into_bytes());
    let reply = running(service.call(method, request, None)).map_err(|e| e.code)?;
    // An absent reading is null or left out: both read as absent.
    Ok(match method {
        "accel/1.stats" => serde_json::to_value(payload::decode::<accel::Samples>(&reply).unwrap()).unwrap(),
        _ => payload::decode(&reply).unwrap(),
    })
}

#[test]
fn the_monitors_in_c_and_in_rust_answer_the_same() {
    let config = r#"{"cards":["sn:\"1é","sn:b"]}"#;
    let host = Host::new();
    let rust: Arc<dyn Service> = Arc::new(host.instance(probe::aerolith_root(), "probe-1", config).unwrap());
    let c = made(config).unwrap();
    for (method, request) in REQUESTS {
        assert_eq!(
            answer(&c, method, request),
            answer(&rust, method, request),
            "{method} of {request}"
        );
    }
}

#[test]
fn a_message_in_c_names_its_subject_whole_however_long_it_is() {
    let service = made("{}").unwrap();
    for length in [200, 255, 256, 5_000] {
        let request = format!(r#"{{"ids":["sn:{}"]}}"#, "é".repeat(length));
        let error = running(service.call("accel/1.stats", Bytes::from(request.into_bytes()), None)).unwrap_err();
        assert_eq!(error.code, Code::NotFound);
        assert!(
            error.message.contains("sn:éé") && !error.message.contains('\u{fffd}'),
            "{error}"
        );
    }
}

#[test]
fn the_library_carries_its_manifest_and_marker_and_exports_one_symbol() {
    let (path, _directory) = compiled();
    let bytes = std::fs::read(&path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let section = |name| file.section_by_name(name).unwrap().data().unwrap();
    let manifest: Manifest = serde_json::from_slice(section(MANIFEST_SECTION)).unwrap();
    assert_eq!(manifest.provides["accel/1"], accel::CAPABILITY.methods);
    assert_eq!(manifest.provides["plugin/1"], plugin::CAPABILITY.methods);
    assert_eq!(manifest.api, aerolith_plugin_abi::API.to_string());
    assert_eq!(section(MANIFEST_SECTION), Library::load(&path).manifest());
    assert_eq!(
        Marker::read(section(MARKER_SECTION)),
        Some(Marker {
            entry: Entry::C,
            unwinds: true
        })
    );
    let exported: Vec<_> = file
        .dynamic_symbols()
        .filter(ObjectSymbol::is_definition)
        .map(|s| s.name())
        .collect();
    assert_eq!(exported, [Ok("aerolith_plugin_v1")]);
}
