//! Resources as texts. Every JSON document is a YAML document too, so that several make one file.

use crate::support::build::sha256;
use serde_json::{Value, json};

/// One file of several resources.
pub(crate) fn file(resources: &[Value]) -> String {
    let texts: Vec<String> = resources.iter().map(Value::to_string).collect();
    texts.join("\n---\n")
}

/// A program package of the given entries.
pub(crate) fn package(name: &str, data: &Value) -> Value {
    json!({"kind": "configuration", "name": name, "labels": {"baetyl-config-type": "baetyl-program"}, "data": data})
}

/// A package whose program is a shell script, without any download.
pub(crate) fn script(name: &str, body: &str) -> Value {
    package(
        name,
        &json!({"program.yml": "entry: run.sh\n", "run.sh": format!("#!/bin/sh\n{body}\n")}),
    )
}

/// A zip to download, with its digest.
pub(crate) fn object(url: &str, bytes: &[u8]) -> Value {
    json!({"url": url, "sha256": sha256(bytes), "unpack": "zip"})
}

pub(crate) fn application(name: &str, services: &[Value]) -> Value {
    json!({"kind": "application", "name": name, "services": services})
}

/// A service that runs a package, with more fields.
pub(crate) fn service(name: &str, package: &str, more: Value) -> Value {
    let mut service = json!({"name": name, "programConfig": package});
    let Value::Object(more) = more else { return service };
    service.as_object_mut().unwrap().extend(more);
    service
}

/// A script that runs until it is ended.
pub(crate) const STAY: &str = "echo ready; exec sleep 86400";

/// An application of one service that stays.
pub(crate) fn staying(name: &str) -> String {
    file(&[
        script("stay", STAY),
        application(name, &[service("web", "stay", json!({}))]),
    ])
}
