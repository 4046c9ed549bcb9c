//! Where packages come from: one download for all who want the same, object stores, directories.

use super::{bulky, shop, stored};
use crate::deployment::texts::{application, file, object, package, service};
use crate::support::depot::{Depot, Reply, good};
use crate::support::node::Node;
use crate::support::package::platform;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn fifty_applications_that_want_the_same_package_cost_one_download() {
    let bytes = bulky(100_000);
    let content = bytes.clone();
    let depot = Depot::start(move |request| good(&content, "v1", request));
    let node = Node::started();
    let data = json!({ format!("all-{}", platform()): object(&depot.url("/pp.zip"), &bytes) });
    let applications = (0..50).map(|number| application(&format!("shop-{number}"), &[service("web", "pp", json!({}))]));
    node.apply(&file(
        &[package("pp", &data)]
            .into_iter()
            .chain(applications)
            .collect::<Vec<_>>(),
    ));
    assert_eq!(node.processes().len(), 50);
    assert_eq!(depot.asked().len(), 1);
}

#[test]
fn an_object_of_a_store_runs() {
    let bytes = bulky(100_000);
    let content = bytes.clone();
    let depot = Depot::start(move |request| match &*request.path {
        "/depot/apps/pp%20one.zip" => good(&content, "v1", request),
        _ => Reply::new("404 Not Found", b""),
    });
    let node = Node::started();
    let url = format!("s3://depot/apps/pp%20one.zip?endpoint={}&anonymous=true", depot.url(""));
    node.apply(&shop(&[("web", object(&url, &bytes))]));
    assert!(stored(&node, &bytes));
    assert!(!depot.asked()[0].head.contains("authorization"));
}

#[test]
fn a_directory_is_a_package() {
    let node = Node::started();
    node.file("stick/program.yml", "entry: bin/run.sh\n");
    node.file("stick/bin/run.sh", "#!/bin/sh\nexec sleep 86400\n");
    let run = node.path("stick/bin/run.sh");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    let url = format!("file://{}/", node.path("stick").display());
    node.apply(&shop(&[("web", json!({"url": url, "unpack": "tar"}))]));
    assert_eq!(node.processes().len(), 1);
}
