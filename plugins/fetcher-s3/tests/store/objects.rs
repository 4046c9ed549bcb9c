//! Objects of a store: for whom, whole and in part.

use crate::moto::{Moto, content};
use aerolith_plugin::testing::Host;
use aerolith_plugin::wire::fetcher::{Client, Fetch, Fetched, Head, Validator, channel};
use aerolith_plugin::{Code, Error, Result, Stream};
use http_fetch::Exchange;
use std::sync::Mutex;
use tracing_subscriber::fmt::MakeWriter as _;

const PRIVATE: &str = "apps/pack%20age.zip";

/// What came of a fetch.
pub(crate) struct Got {
    head: Option<Head>,
    bytes: Vec<u8>,
    end: Result<Fetched>,
}

impl Got {
    pub(crate) fn error(self) -> Error {
        assert!(self.bytes.is_empty());
        self.end.unwrap_err()
    }
}

async fn all(mut download: aerolith_plugin::wire::fetcher::Download) -> (Option<Head>, Vec<u8>) {
    let head = download.head().await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = download.piece().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    (head, bytes)
}

pub(crate) fn fetch_with(config: &str, request: &Fetch) -> Got {
    let host = Host::new();
    let client = Client(host.instance(fetcher_s3::aerolith_root(), "s3", config).unwrap());
    let (sink, download) = channel(1);
    let (end, (head, bytes)) = host.block_on(async { tokio::join!(client.fetch(request, sink), all(download)) });
    Got { head, bytes, end }
}

fn fetch(request: &Fetch) -> Got {
    fetch_with("{}", request)
}

fn signed(url: String, access: &str, secret: &str) -> Fetch {
    let credentials = [("accessKeyId", access), ("secretAccessKey", secret)];
    Fetch {
        url,
        credentials: credentials.map(|(k, v)| (k.into(), v.into())).into(),
        ..Fetch::default()
    }
}

pub(crate) fn unsigned(url: String) -> Fetch {
    Fetch {
        url,
        ..Fetch::default()
    }
}

#[test]
fn it_serves_s3_only() {
    let host = Host::new();
    let client = Client(host.instance(fetcher_s3::aerolith_root(), "s3", "{}").unwrap());
    assert_eq!(host.block_on(client.schemes()).unwrap().schemes, ["s3"]);
    let error = fetch(&unsigned("http://h/x".into())).error();
    assert!(
        error.code == Code::Invalid && error.message.contains("s3://BUCKET/KEY"),
        "{error}"
    );
}

#[test]
fn a_signed_request_is_believed_and_goes_on_where_it_was() {
    let Some(moto) = Moto::guarded() else { return };
    let whole = signed(moto.url(PRIVATE, ""), &moto.access, &moto.secret);
    let got = fetch(&whole);
    assert!(got.bytes == content(), "{:?}", got.end);
    let head = got.head.unwrap();
    assert_eq!((head.offset, head.size), (0, Some(5_000_000)));
    let rest = Fetch {
        offset: 4_000_000,
        validator: head.validator,
        ..whole
    };
    let got = fetch(&rest);
    assert_eq!(got.head.unwrap().offset, 4_000_000);
    assert!(got.bytes == content()[4_000_000..]);
    let mut changed = rest;
    changed.validator.etag = Some("\"other\"".into());
    let got = fetch(&changed);
    assert!(got.head.unwrap().offset == 0 && got.bytes == content());
}

#[test]
fn the_keys_of_baetyl_and_the_endpoint_of_the_operator_do_too() {
    let Some(moto) = Moto::guarded() else { return };
    let credentials = [("ak", &moto.access), ("sk", &moto.secret)];
    let config = format!(r#"{{"endpoint":{:?}}}"#, moto.endpoint);
    let got = fetch_with(
        &config,
        &Fetch {
            credentials: credentials.map(|(k, v)| (k.into(), v.clone())).into(),
            ..unsigned(format!("s3://depot/{PRIVATE}"))
        },
    );
    assert!(got.bytes == content(), "{:?}", got.end);
}

#[test]
fn wrong_keys_are_refused_and_neither_logged_nor_told() {
    static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(|| LOG.make_writer())
        .init();
    let Some(moto) = Moto::guarded() else { return };
    for (access, secret, code) in [
        (&*moto.access, "c4nary", "403 Forbidden: SignatureDoesNotMatch"),
        ("AKIAUNKNOWN", "c4nary", "403 Forbidden: InvalidAccessKeyId"),
    ] {
        let error = fetch(&signed(moto.url(PRIVATE, ""), access, secret)).error();
        assert!(error.code == Code::Denied && !error.retryable, "{error}");
        assert!(
            error.message.contains(code) && error.message.contains("/depot/apps/pack%20age.zip"),
            "{error}"
        );
        assert!(!error.message.contains("c4nary"), "{error}");
    }
    let told = String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned();
    assert!(told.contains("canonical_request") && !told.contains("c4nary"));
    assert!(!told.contains("Signature="), "a signature is in the log");
}

#[test]
fn what_is_everybodys_needs_no_keys_and_what_is_not_stays_closed() {
    let Some(moto) = Moto::open() else { return };
    let open = fetch(&unsigned(moto.url("open.zip", "&anonymous=true")));
    assert!(open.bytes == content(), "{:?}", open.end);
    let closed = fetch(&unsigned(moto.url(PRIVATE, "&anonymous=true"))).error();
    assert!(
        closed.code == Code::Denied && closed.message.contains("403"),
        "{closed}"
    );
    let keyless = fetch(&unsigned(moto.url("open.zip", ""))).error();
    assert!(
        keyless.code == Code::Invalid && keyless.message.contains("anonymous=true"),
        "{keyless}"
    );
}

#[test]
fn what_is_not_there_is_named() {
    let Some(moto) = Moto::open() else { return };
    for url in [
        moto.url("absent.zip", ""),
        moto.url("x", "").replace("depot", "nowhere"),
    ] {
        let error = fetch(&signed(url, &moto.access, &moto.secret)).error();
        assert_eq!((error.code, error.retryable), (Code::NotFound, false));
        assert!(
            error.message.contains("/depot/absent.zip") || error.message.contains("/nowhere/x"),
            "{error}"
        );
    }
}

#[test]
fn an_object_that_is_in_the_known_state_is_unchanged() {
    let Some(moto) = Moto::open() else { return };
    let whole = signed(moto.url(PRIVATE, ""), &moto.access, &moto.secret);
    let validator = fetch(&whole).head.unwrap().validator;
    let again = fetch(&Fetch {
        unless: validator,
        ..whole
    });
    assert!(again.head.unwrap().unchanged && again.bytes.is_empty());
}

/// A URL that is signed already is one of `https`, and `fetcher-http` fetches it: with the same exchange, as here.
#[test]
fn a_presigned_url_needs_nothing_else() {
    let Some(moto) = Moto::open() else { return };
    let request = unsigned(moto.presigned.clone());
    let host = Host::new();
    let (sink, download) = channel(1);
    let (end, (head, bytes)) = host.block_on(async {
        let exchange = Exchange::new(http_fetch::Config::default(), "test").unwrap();
        let into = Stream::new(sink);
        let fetching = async move { exchange.fetch(&request, &into).await };
        tokio::join!(fetching, all(download))
    });
    assert!(bytes == content(), "{end:?}");
    assert_ne!(head.unwrap().validator, Validator::default());
}
