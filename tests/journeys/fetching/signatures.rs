//! Signed packages from the key to the running program: made and signed by the command line, demanded by the node.

use super::{shop, stored};
use crate::deployment::texts::{object, staying};
use crate::support::depot::{Depot, good};
use crate::support::node::Node;
use crate::support::package::{md5, script};
use serde_json::{Value, json};
use std::fs;

/// A node, and two keys of which it trusts `ours`.
struct Vendor {
    node: Node,
    depot: Depot,
}

/// The program in its first and its second version.
fn bytes(version: u32) -> Vec<u8> {
    script(&format!("# {version}\nexec sleep 86400"))
}

impl Vendor {
    /// Of a node that says so of signatures.
    fn trusted(signatures: &str) -> Self {
        let depot = Depot::start(|request| match &*request.path {
            "/2.zip" => good(&bytes(2), "v2", request),
            _ => good(&bytes(1), "v1", request),
        });
        let mut node = Node::new();
        for key in ["ours", "stranger"] {
            node.done(&["package", "keygen", key]);
        }
        let public = fs::read_to_string(node.path("ours.pub")).unwrap();
        node.file("trust/vendor.pem", &public);
        demand(
            &node,
            &format!("{{signatures: {signatures}, trust: {}}}", node.path("trust").display()),
        );
        node.start();
        Self { node, depot }
    }

    fn url(&self, version: u32) -> String {
        self.depot.url(&format!("/{version}.zip"))
    }

    fn signature(&self, key: &str, version: u32) -> Value {
        fs::write(self.node.path("pp.zip"), bytes(version)).unwrap();
        let told = self
            .node
            .done(&["-o", "json", "package", "sign", "--key", key, "pp.zip"]);
        serde_json::from_str::<Value>(&told).unwrap()[0]["signature"].take()
    }

    /// An object with its sha256, and with a signature if somebody signs it.
    fn object(&self, version: u32, key: Option<&str>) -> Value {
        let mut object = object(&self.url(version), &bytes(version));
        if let Some(key) = key {
            object["signature"] = self.signature(key, version);
        }
        object
    }

    fn ask(&self, object: Value) {
        self.node.ask(&shop(&[("web", object)]));
    }

    /// Asks for what is refused, and answers why.
    fn refused(&self, object: Value) -> String {
        self.ask(object);
        self.node.service("shop", "web", "failed")
    }
}

fn demand(node: &Node, packages: &str) {
    let config = fs::read_to_string(node.path("aerolith.yml")).unwrap();
    node.file("aerolith.yml", &format!("{config}packages: {packages}\n"));
}

#[test]
fn an_unsigned_package_is_refused_under_policy_and_nothing_of_it_is_fetched() {
    let vendor = Vendor::trusted("required");
    let reason = vendor.refused(vendor.object(1, None));
    for part in [
        "`packages.signatures: required`",
        "`web-package`",
        "aerolith package sign",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    assert!(vendor.depot.asked().is_empty() && vendor.node.processes().is_empty());
    vendor.node.ask(&staying("plain"));
    let reason = vendor.node.service("plain", "web", "failed");
    assert!(
        reason.contains("`program.yml`") && reason.contains("plain text"),
        "{reason}"
    );
}

#[test]
fn what_a_trusted_key_signed_runs_and_a_strangers_update_leaves_it_running() {
    let vendor = Vendor::trusted("required");
    vendor.node.apply(&shop(&[("web", vendor.object(1, Some("ours")))]));
    let before = vendor.node.process("shop.web.1");
    let asked = vendor.depot.asked().len();
    let reason = vendor.refused(vendor.object(2, Some("stranger")));
    assert!(
        reason.contains("no trusted key") && reason.contains("`vendor`"),
        "{reason}"
    );
    assert!(vendor.node.process("shop.web.1") == before, "the old one is untouched");
    assert_eq!(
        vendor.depot.asked().len(),
        asked,
        "nothing is fetched for a promise that nobody vouches for"
    );
    vendor.node.apply(&shop(&[("web", vendor.object(2, Some("ours")))]));
    assert!(vendor.node.process("shop.web.1") != before && stored(&vendor.node, &bytes(2)));
}

#[test]
fn a_signature_holds_for_the_bytes_that_were_signed_and_for_no_others() {
    let vendor = Vendor::trusted("required");
    let mut altered = vendor.object(2, None);
    altered["signature"] = vendor.signature("ours", 1);
    assert!(
        vendor.refused(altered).contains("no trusted key"),
        "a promise of other bytes"
    );
    assert!(vendor.depot.asked().is_empty());
    let mut swapped = vendor.object(1, Some("ours"));
    swapped["url"] = json!(vendor.url(2));
    assert!(
        vendor.refused(swapped).contains("sha256 mismatch"),
        "other bytes than promised"
    );
    for digest in [json!({}), json!({"md5": md5(&bytes(2))})] {
        let mut weak = json!({"url": vendor.url(2), "unpack": "zip", "signature": vendor.signature("ours", 1)});
        weak.as_object_mut()
            .unwrap()
            .extend(digest.as_object().unwrap().clone());
        let reason = vendor.refused(weak);
        assert!(
            reason.contains("no trusted key") && reason.contains("/2.zip"),
            "{reason}"
        );
    }
    assert!(vendor.node.processes().is_empty());
}

#[test]
fn where_signatures_are_optional_an_unsigned_package_runs_and_a_strangers_is_refused() {
    let vendor = Vendor::trusted("optional");
    vendor.node.apply(&shop(&[("web", vendor.object(1, None))]));
    let before = vendor.node.process("shop.web.1");
    assert!(
        vendor
            .refused(vendor.object(2, Some("stranger")))
            .contains("no trusted key")
    );
    assert!(vendor.node.process("shop.web.1") == before);
    // The signature comes later, and nobody is restarted for it.
    vendor.node.apply(&shop(&[("web", vendor.object(1, Some("ours")))]));
    assert!(vendor.node.process("shop.web.1") == before);
}

#[test]
fn a_node_that_demands_signatures_and_trusts_nobody_does_not_start() {
    let node = Node::bare();
    demand(&node, "{signatures: required}");
    let output = node.daemon().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("nobody is trusted") && said.contains("`packages.trust`"),
        "{said}"
    );
}
