//! Whom a node believes, and what it keeps to itself.

use super::shop;
use crate::deployment::texts::object;
use crate::support::depot::{Depot, Reply, Request, good};
use crate::support::node::Node;
use crate::support::package;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use std::net::TcpListener;
use std::sync::Arc;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for a name.
fn certificate(name: &str) -> CertificateParams {
    let mut certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
    certificate.distinguished_name.push(DnType::CommonName, name);
    certificate
}

/// A server behind TLS whose certificate an authority has signed.
fn sealed(
    by: &Authority,
    certificate: &CertificateParams,
    answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> Depot {
    let key = KeyPair::generate().unwrap();
    let certificate = certificate.clone().signed_by(&key, by).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let wrap = move |stream| {
        let session = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
        Ok(StreamOwned::new(session, stream))
    };
    Depot::on(TcpListener::bind(("127.0.0.1", 0)).unwrap(), wrap, answer)
}

#[test]
fn a_server_is_believed_for_its_certificate_only_and_the_reason_is_told() {
    let (ours, theirs) = (authority("Ours"), authority("Theirs"));
    let bytes = package::script("exec sleep 86400");
    let serve = || {
        let content = bytes.clone();
        move |request: &Request| good(&content, "v1", request)
    };
    let mut old = certificate("localhost");
    (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let right = sealed(&ours, &certificate("localhost"), serve());
    let expired = sealed(&ours, &old, serve());
    let named = sealed(&ours, &certificate("elsewhere.example"), serve());
    let stranger = sealed(&theirs, &certificate("localhost"), serve());
    let mut node = Node::new();
    let ca = node.path(&node.file("ca.pem", &ours.pem()));
    node.file(
        "plugins.d/fetcher-http.yml",
        &format!("config: {{ca: {}}}\n", ca.display()),
    );
    node.start();
    let at = |depot: &Depot| object(&format!("https://localhost:{}/pp.zip", depot.port()), &bytes);
    for (depot, reason) in [
        (&expired, "it expired on Tue, 01 Jan 2002"),
        (&named, "elsewhere.example"),
        (&stranger, "nobody who is trusted has issued it"),
    ] {
        node.ask(&shop(&[("web", at(depot))]));
        let found = node.service("shop", "web", "failed");
        assert!(found.contains(reason), "{found}");
        assert_eq!(depot.asked().len(), 0, "nothing is sent to it");
        node.done(&["delete", "application", "shop", "--wait"]);
    }
    node.apply(&shop(&[("web", at(&right))]));
}

#[test]
fn a_token_goes_to_its_server_and_to_no_other_no_log_and_no_status() {
    let bytes = package::script("exec sleep 86400");
    let content = bytes.clone();
    let other = Depot::start(move |request| good(&content, "v1", request));
    let away = other.url("/pp.zip?sign=c4nary-of-the-address");
    let first = Depot::start(move |_| Reply::new(&format!("302 Found\nLocation: {away}"), b""));
    let broken = Depot::start(|_| Reply::new("403 Forbidden", b"c4nary"));
    let node = Node::started();
    let with_token = |depot: &Depot| {
        let mut object = object(&depot.url("/pp.zip?sign=c4nary-of-the-address"), &bytes);
        object["token"] = json!("c4nary");
        object
    };
    node.ask(&shop(&[("web", with_token(&first)), ("broken", with_token(&broken))]));
    node.service("shop", "web", "running");
    node.service("shop", "broken", "failed");
    assert!(first.asked()[0].head.contains("x-bce-security-token: c4nary"));
    assert!(!other.asked()[0].head.contains("x-bce-security-token"));
    assert!(!node.log().contains("c4nary"), "{}", node.log());
    assert!(!node.status().to_string().contains("c4nary"));
    assert!(!node.done(&["ps"]).contains("c4nary"));
}
