//! https: who is trusted, and that a redirect never leads out of it.

use crate::server::{Reply, Server, fetch, fetch_with, reply, sized, whole};
use aerolith_plugin::Code;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::sync::Arc;
use tempfile::TempDir;

/// A server for `localhost` whose certificate nobody knows, and a configuration with that certificate as an authority.
pub(crate) fn secure(answer: impl Fn(usize, &str) -> Reply + Send + 'static) -> (Server, TempDir, String) {
    let names = vec!["localhost".to_owned()];
    certified(&CertificateParams::new(names).unwrap(), default_versions(), answer)
}

fn default_versions() -> &'static [&'static SupportedProtocolVersion] {
    rustls::DEFAULT_VERSIONS
}

fn certified(
    certificate: &CertificateParams,
    versions: &[&'static SupportedProtocolVersion],
    answer: impl Fn(usize, &str) -> Reply + Send + 'static,
) -> (Server, TempDir, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, certificate.pem()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
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
    assert!(!error.retryable && error.message.contains("`ca`"), "{error}");
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
fn a_certificate_that_the_clock_does_not_like_is_refused_with_the_times_and_worth_another_try() {
    for (from, to, reason) in [
        ((2001, 1, 1), (2002, 1, 1), "01 Jan 2002"),
        ((2900, 1, 1), (2901, 1, 1), "01 Jan 2900"),
    ] {
        let mut certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        certificate.not_before = date_time_ymd(from.0, from.1, from.2);
        certificate.not_after = date_time_ymd(to.0, to.1, to.2);
        let (server, _dir, config) = certified(&certificate, default_versions(), |_, _| sized("200 OK", b"sealed"));
        let error = fetch_with(&config, &whole(url(&server, "localhost"))).error();
        assert!(error.retryable && error.message.contains(reason), "{error}");
        assert!(error.message.contains("the clock of this machine says"), "{error}");
        assert_eq!(server.requests().len(), 0);
    }
}

#[test]
fn tls_1_2_is_spoken_too() {
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let (server, _dir, config) = certified(&certificate, &[&rustls::version::TLS12], |_, _| {
        sized("200 OK", b"sealed")
    });
    assert_eq!(
        fetch_with(&config, &whole(url(&server, "localhost"))).bytes(),
        b"sealed"
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
