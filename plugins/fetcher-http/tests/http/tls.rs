//! https: who is trusted, and that a redirect never leads out of it.

use crate::server::{Reply, Server, fetch, fetch_with, reply, sized, whole};
use aerolith_plugin::Code;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::sync::Arc;
use tempfile::TempDir;

/// A server for `localhost` whose certificate nobody knows, and the certificate as a file.
fn secure(answer: impl Fn(usize, &str) -> Reply + Send + 'static) -> (Server, TempDir, String) {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, own.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let wrap = move |stream| {
        let session = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
        Ok(StreamOwned::new(session, stream))
    };
    let config = format!(r#"{{"ca":{:?}}}"#, path.display().to_string());
    (Server::over(wrap, answer), dir, config)
}

fn url(server: &Server, host: &str) -> String {
    format!("https://{host}:{}/p", server.port())
}

#[test]
fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let (server, _dir, config) = secure(|_, _| sized("200 OK", b"sealed"));
    assert_eq!(
        fetch_with(&config, &whole(url(&server, "localhost"))).bytes(),
        b"sealed"
    );
    let error = fetch(&whole(url(&server, "localhost"))).error();
    assert_eq!(error.code, Code::Unavailable);
    assert!(
        error.message.contains("certificate") && error.message.contains("UnknownIssuer"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let (server, _dir, config) = secure(|_, _| sized("200 OK", b"sealed"));
    let error = fetch_with(&config, &whole(url(&server, "127.0.0.1"))).error();
    assert!(
        error.message.contains("certificate") && error.message.contains("127.0.0.1"),
        "{error}"
    );
}

#[test]
fn a_redirect_from_https_to_http_is_refused_and_nothing_is_sent() {
    let open = Server::new(|_, _| sized("200 OK", b"open"));
    let location = open.url("/p?s3cret");
    let (server, _dir, config) = secure(move |_, _| sized(&format!("302 Found\nLocation: {location}"), b""));
    let error = fetch_with(&config, &whole(url(&server, "localhost"))).error();
    assert!(!error.retryable && error.message.contains("not encrypted"), "{error}");
    assert!(!error.message.contains("s3cret"), "{error}");
    assert_eq!((server.requests().len(), open.requests().len()), (1, 0));
}

#[test]
fn a_body_cut_without_a_length_and_without_a_close_is_no_whole_body() {
    let (server, _dir, config) = secure(|_, _| reply("200 OK", b"half"));
    let got = fetch_with(&config, &whole(url(&server, "localhost")));
    assert_eq!(got.bytes(), b"half");
    assert!(got.error().retryable);
}
