use super::*;
use aerolith_packages::{Digest, Limits};
use aerolith_plugin_wire::fetcher::{Dispatch, Fetched, PackageFetcher, Schemes, write_head};
use aerolith_plugin_wire::{Result, Service, Stream};

const BYTES: &[u8] = b"0123456789";

/// Serves `BYTES`, breaking off after some of them for the first tries.
struct Place {
    breaks: u32,
    etag: Option<&'static str>,
    error: Code,
    seen: Mutex<Vec<Fetch>>,
}

impl PackageFetcher for Place {
    async fn schemes(&self) -> Result<Schemes> {
        Ok(Schemes {
            schemes: vec!["test".into()],
        })
    }

    async fn fetch(&self, request: Fetch, into: Stream<Bytes>) -> Result<Fetched> {
        let tries = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(request.clone());
            u32::try_from(seen.len()).unwrap()
        };
        let from = usize::try_from(request.offset).unwrap();
        let validator = Validator {
            etag: self.etag.map(Into::into),
            last_modified: None,
        };
        write_head(
            &into,
            &Head {
                offset: request.offset,
                size: None,
                validator,
                ..Head::default()
            },
        )
        .await?;
        let to = if tries <= self.breaks {
            (from + 4).min(BYTES.len())
        } else {
            BYTES.len()
        };
        for byte in &BYTES[from..to] {
            into.write_raw(vec![*byte]).await?;
        }
        if tries <= self.breaks {
            return Err(Error::new(self.error, "the cable was cut"));
        }
        Ok(Fetched { bytes: 0 })
    }
}

struct One(Arc<Place>);

impl Plugins for One {
    fn providers(&self, capability: &str) -> Vec<Arc<dyn Service>> {
        if capability == "fetcher/1" {
            vec![Arc::new(Dispatch(self.0.clone()))]
        } else {
            Vec::new()
        }
    }
}

/// Says nothing more at some point, for ever.
struct Silent {
    /// Bytes before the silence; without any, not even the head comes.
    after: Option<usize>,
    /// It ends its stream, and only its answer does not come.
    ends: bool,
    tries: Mutex<u32>,
}

impl PackageFetcher for Silent {
    async fn schemes(&self) -> Result<Schemes> {
        Ok(Schemes::default())
    }

    async fn fetch(&self, _: Fetch, into: Stream<Bytes>) -> Result<Fetched> {
        *self.tries.lock().unwrap() += 1;
        if let Some(after) = self.after {
            write_head(&into, &Head::default()).await?;
            into.write_raw(BYTES[..after].to_vec()).await?;
        }
        let _open = (!self.ends).then_some(into);
        std::future::pending().await
    }
}

/// How a download from a silent place ends, after how many seconds and tries.
async fn silence(after: Option<usize>, ends: bool) -> (Error, u64, u32) {
    let place = Arc::new(Silent {
        after,
        ends,
        tries: Mutex::default(),
    });
    let service: Arc<dyn Service> = Arc::new(Dispatch(place.clone()));
    let (orders, mut received) = mpsc::channel(PIECES);
    let taken = tokio::spawn(async move { while received.recv().await.is_some() {} });
    let begun = tokio::time::Instant::now();
    let fetcher = fetcher::Client(service);
    let object = object(r#"{"url":"test://h/f"}"#);
    let (error, count) = fetch(&fetcher, &object, Progress::default(), &orders, Duration::ZERO)
        .await
        .unwrap_err();
    assert_eq!(count, *place.tries.lock().unwrap());
    drop(orders);
    taken.await.unwrap();
    (error, begun.elapsed().as_secs(), count)
}

#[tokio::test(start_paused = true)]
async fn a_download_that_falls_silent_is_given_up_and_tried_again() {
    for (after, told) in [(None, "after 0 bytes"), (Some(4), "after 4 bytes")] {
        let (error, seconds, tries) = silence(after, false).await;
        assert!(error.retryable && error.code == Code::Timeout, "{error}");
        assert!(
            error.message.contains("60 s") && error.message.contains(told),
            "{error}"
        );
        let each = LONGEST_SILENCE.as_secs();
        let all = u64::from(tries) * each;
        let bound = all + u64::from(tries) * LONGEST_ANSWER.as_secs();
        assert!(
            tries >= TRIES && (all..=bound).contains(&seconds),
            "{tries} tries in {seconds} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetcher_whose_answer_does_not_come_is_given_up() {
    let (error, _, tries) = silence(Some(BYTES.len()), true).await;
    assert!(error.retryable && tries >= TRIES, "{tries} tries: {error}");
    assert!(error.message.contains("10 s after its last byte"), "{error}");
}

fn place(breaks: u32, etag: Option<&'static str>, error: Code) -> Arc<Place> {
    Arc::new(Place {
        breaks,
        etag,
        error,
        seen: Mutex::default(),
    })
}

fn object(json: &str) -> Object {
    serde_json::from_str(json).unwrap()
}

fn downloads(place: &Arc<Place>) -> (tempfile::TempDir, Downloads) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Limits::default()).unwrap();
    let downloads = Downloads::new(store, Arc::new(One(place.clone())));
    (
        dir,
        Downloads {
            first_pause: Duration::from_millis(1),
            ..downloads
        },
    )
}

async fn offsets(breaks: u32, etag: Option<&'static str>) -> Vec<u64> {
    let place = place(breaks, etag, Code::Io);
    let (_dir, downloads) = downloads(&place);
    let blob = downloads.object(&object(r#"{"url":"test://h/f"}"#)).await.unwrap();
    assert_eq!(*blob.digest(), Digest::of(BYTES));
    let seen = place.seen.lock().unwrap();
    seen.iter().map(|fetch| fetch.offset).collect()
}

#[tokio::test]
async fn a_broken_download_goes_on_behind_what_is_here_when_the_place_proves_its_state() {
    assert_eq!(offsets(2, Some("\"v1\"")).await, [0, 4, 8]);
}

#[tokio::test]
async fn without_a_validator_a_broken_download_begins_anew() {
    assert_eq!(offsets(2, None).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_lasting_error_is_reported_at_once_and_a_passing_one_after_some_tries() {
    for (error, tries) in [(Code::NotFound, 1), (Code::Io, 4)] {
        let place = place(99, None, error);
        let (_dir, downloads) = downloads(&place);
        let message = downloads
            .object(&object(r#"{"url":"test://u:p@h/f?sig=hush"}"#))
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(place.seen.lock().unwrap().len(), tries);
        assert!(
            message.starts_with("test://h/f: the cable was cut") && !message.contains("hush"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn what_is_stored_under_its_digest_is_not_fetched_again_and_two_at_once_fetch_once() {
    let place = place(0, None, Code::Io);
    let (_dir, downloads) = downloads(&place);
    let known = object(&format!(r#"{{"url":"test://h/f","sha256":"{}"}}"#, Digest::of(BYTES)));
    let (one, two) = tokio::join!(downloads.object(&known), downloads.object(&known));
    assert_eq!(one.unwrap().digest(), two.unwrap().digest());
    assert_eq!(place.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_digest_is_refused_with_both_and_the_token_is_sent() {
    let place = place(0, None, Code::Io);
    let (_dir, downloads) = downloads(&place);
    let wrong = object(r#"{"url":"test://h/f","md5":"00000000000000000000000000000000","token":"t0k"}"#);
    let message = downloads.object(&wrong).await.unwrap_err().to_string();
    assert!(
        message.contains("md5 mismatch") && message.contains("test://h/f"),
        "{message}"
    );
    assert_eq!(place.seen.lock().unwrap()[0].headers[TOKEN_HEADER], "t0k");
}

#[tokio::test]
async fn bytes_beyond_the_declared_size_end_the_download() {
    let place = place(0, None, Code::Io);
    let (_dir, downloads) = downloads(&place);
    let message = downloads
        .object(&object(r#"{"url":"test://h/f","size":3}"#))
        .await
        .unwrap_err()
        .to_string();
    assert!(message.contains("more than 3 bytes"), "{message}");
}

#[tokio::test]
async fn a_scheme_that_nobody_serves_is_named_with_those_served() {
    let (_dir, downloads) = downloads(&place(0, None, Code::Io));
    let message = downloads
        .object(&object(r#"{"url":"ftp://h/f"}"#))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("`ftp:`") && message.contains("found: test"),
        "{message}"
    );
}
