//! `fetcher/1`: a package fetcher.

use crate::Report;
use crate::expect::{done, ensure, equal, refused};
use crate::instance::{Shared, call};
use crate::report::Outcome;
use aerolith_plugin_wire::fetcher::{Client, Fetch, Fetched, Head, Validator, channel};
use aerolith_plugin_wire::{Bytes, Code, Result};

/// Runs the suite on an instance that was started. `url` is of bytes that the caller knows, a few at least; nothing lies
/// at the same URL with `-missing` behind it.
pub async fn run(service: &Shared, url: &str, expected: &[u8]) -> Report {
    let mut report = Report::default();
    report
        .check("it serves the URL's scheme, in lower case", schemes(service, url))
        .await;
    report
        .check(
            "everything is delivered, behind a head",
            everything(service, url, expected),
        )
        .await;
    report
        .check(
            "a fetch goes on at an offset, or begins anew and says so",
            resumed(service, url, expected),
        )
        .await;
    report
        .check(
            "a fetch of something that changed begins anew",
            changed(service, url, expected),
        )
        .await;
    report
        .check(
            "what is known already is unchanged and sends nothing, or comes whole",
            known(service, url, expected),
        )
        .await;
    report
        .check(
            "nothing is left behind the last byte",
            behind_the_end(service, url, expected),
        )
        .await;
    report
        .check("what is not there is refused by name", missing(service, url))
        .await;
    report.check("an error tells no secret", secrets(service, url)).await;
    report
        .check("a URL of another scheme is refused", foreign(service))
        .await;
    report
        .check("a fetch without a sink is invalid", without_sink(service))
        .await;
    report
        .check("a request that is no JSON is invalid", broken(service))
        .await;
    report
}

/// All that came of a fetch.
struct Download {
    head: Option<Head>,
    bytes: Vec<u8>,
    ended: Result<Fetched>,
}

async fn fetch(service: &Shared, request: Fetch) -> Result<Download> {
    let (sink, mut items) = channel(4);
    let client = Client(service.clone());
    let fetching = tokio::spawn(async move { client.fetch(&request, sink).await });
    let mut bytes = Vec::new();
    let head = items.head().await?;
    while let Some(piece) = items.piece().await? {
        bytes.extend_from_slice(&piece);
    }
    let ended = fetching
        .await
        .unwrap_or_else(|e| Err(aerolith_plugin_wire::Error::new(Code::Panic, e)));
    Ok(Download { head, bytes, ended })
}

fn whole(url: &str) -> Fetch {
    Fetch {
        url: url.into(),
        ..Fetch::default()
    }
}

/// A fetch that must go well: its head and its bytes.
async fn fetched(service: &Shared, request: Fetch) -> std::result::Result<(Head, Vec<u8>), String> {
    let what = format!("fetch of {} from {}", request.url, request.offset);
    let download = done(&what, fetch(service, request).await)?;
    let said = done(&what, download.ended)?.bytes;
    let head = download.head.ok_or_else(|| format!("{what} has no head"))?;
    ensure!(
        said == download.bytes.len() as u64,
        "{what} says {said} bytes and delivers {}",
        download.bytes.len()
    );
    Ok((head, download.bytes))
}

async fn schemes(service: &Shared, url: &str) -> Outcome {
    let schemes = done("schemes", Client(service.clone()).schemes().await)?.schemes;
    let wanted = url
        .split_once(':')
        .map_or("", |(scheme, _)| scheme)
        .to_ascii_lowercase();
    ensure!(schemes.contains(&wanted), "schemes are {schemes:?}, without `{wanted}`");
    let odd = schemes
        .iter()
        .find(|s| s.is_empty() || s.contains(':') || **s != s.to_ascii_lowercase());
    ensure!(odd.is_none(), "scheme {odd:?}: expected lower case without the colon");
    Ok(())
}

async fn everything(service: &Shared, url: &str, expected: &[u8]) -> Outcome {
    let (head, bytes) = fetched(service, whole(url)).await?;
    equal("the head's offset", &head.offset, &0)?;
    ensure!(
        head.size.is_none_or(|size| size == expected.len() as u64),
        "size is {:?} of {}",
        head.size,
        expected.len()
    );
    same(&bytes, expected)
}

fn same(found: &[u8], expected: &[u8]) -> Outcome {
    let first = found.iter().zip(expected).position(|(a, b)| a != b);
    ensure!(first.is_none(), "byte {first:?} differs");
    equal("the number of bytes", &found.len(), &expected.len())
}

/// What came must be what lies behind the offset that the head names, which must be the one asked for, or 0.
fn behind(head: &Head, bytes: &[u8], offset: usize, expected: &[u8]) -> Outcome {
    if head.offset == 0 {
        return same(bytes, expected);
    }
    equal("the head's offset", &head.offset, &(offset as u64))?;
    let size = expected.len() as u64;
    ensure!(
        head.size.is_none_or(|s| s == size),
        "size is {:?}: expected that of the whole, {size}",
        head.size
    );
    same(bytes, expected.get(offset..).unwrap_or_default())
}

async fn resumed(service: &Shared, url: &str, expected: &[u8]) -> Outcome {
    let (first, _) = fetched(service, whole(url)).await?;
    for offset in [1, expected.len() / 2, expected.len().saturating_sub(1)] {
        let request = Fetch {
            offset: offset as u64,
            validator: first.validator.clone(),
            ..whole(url)
        };
        let (head, bytes) = fetched(service, request).await?;
        behind(&head, &bytes, offset, expected).map_err(|why| format!("from {offset}: {why}"))?;
    }
    Ok(())
}

async fn changed(service: &Shared, url: &str, expected: &[u8]) -> Outcome {
    let (first, _) = fetched(service, whole(url)).await?;
    let other = another(&first.validator);
    if other.is_empty() {
        return Ok(()); // the place knows no states, so it cannot tell
    }
    let request = Fetch {
        offset: 1,
        validator: other,
        ..whole(url)
    };
    let (head, bytes) = fetched(service, request).await?;
    equal("the head's offset", &head.offset, &0)?;
    same(&bytes, expected)
}

/// Of the same state nothing or everything comes, of another one everything.
async fn known(service: &Shared, url: &str, expected: &[u8]) -> Outcome {
    let (first, _) = fetched(service, whole(url)).await?;
    let unless = |validator: &Validator| Fetch {
        unless: validator.clone(),
        ..whole(url)
    };
    let (head, bytes) = fetched(service, unless(&first.validator)).await?;
    if head.unchanged {
        equal("the number of bytes of what is unchanged", &bytes.len(), &0)?;
        equal("the validator of what is unchanged", &head.validator, &first.validator)?;
    } else {
        same(&bytes, expected)?;
    }
    let (head, bytes) = fetched(service, unless(&another(&first.validator))).await?;
    ensure!(!head.unchanged, "another state is said to be unchanged");
    same(&bytes, expected)
}

/// What the place was never known by.
fn another(validator: &Validator) -> Validator {
    let long_ago = "Thu, 01 Jan 1970 00:00:01 GMT";
    Validator {
        etag: validator.etag.as_ref().map(|_| "\"testkit-another-state\"".into()),
        last_modified: validator.last_modified.as_ref().map(|_| long_ago.into()),
    }
}

async fn secrets(service: &Shared, url: &str) -> Outcome {
    const SECRET: &str = "testkit-s3cret";
    let entries = |name: &str| [(name.to_owned(), SECRET.to_owned())].into();
    let request = Fetch {
        headers: entries("x-testkit"),
        credentials: entries("token"),
        ..whole(&format!("{url}-missing"))
    };
    match fetch(service, request).await.and_then(|download| download.ended) {
        Ok(_) => Err("a fetch of what is not there went well".to_owned()),
        Err(e) => {
            let told = format!("{} {}", e.message, e.detail);
            ensure!(!told.contains(SECRET), "`{told}` tells a secret of the request");
            Ok(())
        }
    }
}

/// A fetch from the end delivers nothing, begins anew, or is refused; it never invents a byte.
async fn behind_the_end(service: &Shared, url: &str, expected: &[u8]) -> Outcome {
    let (first, _) = fetched(service, whole(url)).await?;
    let request = Fetch {
        offset: expected.len() as u64,
        validator: first.validator,
        ..whole(url)
    };
    match fetch(service, request).await {
        Ok(Download {
            head: Some(head),
            bytes,
            ended: Ok(_),
        }) => behind(&head, &bytes, expected.len(), expected),
        Ok(Download { bytes, .. }) => equal("the number of bytes of a fetch that failed", &bytes.len(), &0),
        Err(_) => Ok(()),
    }
}

async fn missing(service: &Shared, url: &str) -> Outcome {
    let url = format!("{url}-missing");
    let name = url.rsplit('/').next().unwrap_or_default();
    let download = fetch(service, whole(&url)).await;
    let ended = download.and_then(|d| d.ended.map(|fetched| (fetched, d.bytes.len())));
    match ended {
        Ok(found) => Err(format!("fetch of {url} answered {found:?}: expected an error")),
        Err(e) => {
            ensure!(e.message.contains(name), "`{e}` does not name {name}");
            ensure!(!e.retryable, "`{e}` is said to be worth another try");
            Ok(())
        }
    }
}

async fn foreign(service: &Shared) -> Outcome {
    let download = fetch(service, whole("testkit-no-such-scheme://somewhere/something")).await;
    ensure!(
        download.and_then(|d| d.ended).is_err(),
        "a URL of scheme `testkit-no-such-scheme` was fetched"
    );
    Ok(())
}

async fn without_sink(service: &Shared) -> Outcome {
    refused(
        "fetch",
        call(service, "fetcher/1.fetch", b"{}").await,
        Code::Invalid,
        "",
    )
}

async fn broken(service: &Shared) -> Outcome {
    let (sink, _items) = channel(1);
    let reply = service
        .call("fetcher/1.fetch", Bytes::from(&b"{\"url\":"[..]), Some(sink))
        .await;
    refused("fetch", reply, Code::Invalid, "")
}
