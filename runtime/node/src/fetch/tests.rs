use super::*;
use crate::bus::Bus;
use aerolith_packages::Limits;
use aerolith_plugin_wire::fetcher::{self, Dispatch, Fetch, Fetched, Head, PackageFetcher, Schemes, write_head};
use aerolith_plugin_wire::{Bytes, Code, Error, Result, Service, Stream};
use patience::{LONGEST_SILENCE, TRIES};
use std::sync::Mutex;
use transfer::{LONGEST_ANSWER, TOKEN_HEADER};

const BYTES: &[u8] = b"0123456789";

/// Serves `BYTES`, breaking off after some of them for the first tries.
#[derive(Default)]
struct Place {
    breaks: u32,
    etag: Option<&'static str>,
    error: Option<Error>,
    /// Wrong bytes for the first tries.
    wrong: u32,
    seen: Mutex<Vec<Fetch>>,
}

impl Place {
    fn tries(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn asked(&self, number: usize) -> Fetch {
        self.seen.lock().unwrap()[number].clone()
    }
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
        let validator = Validator {
            etag: self.etag.map(Into::into),
            last_modified: None,
        };
        let unchanged = request.unless != Validator::default() && request.unless == validator;
        let head = Head {
            offset: request.offset,
            validator,
            unchanged,
            ..Head::default()
        };
        write_head(&into, &head).await?;
        if unchanged {
            return Ok(Fetched::default());
        }
        let from = usize::try_from(request.offset).unwrap();
        let breaks = tries <= self.breaks;
        let to = if breaks {
            (from + 4).min(BYTES.len())
        } else {
            BYTES.len()
        };
        for byte in &BYTES[from..to] {
            let byte = if tries <= self.wrong { b'x' } else { *byte };
            into.write_raw(vec![byte]).await?;
        }
        match &self.error {
            Some(error) if breaks => Err(error.clone()),
            _ => Ok(Fetched { bytes: 0 }),
        }
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

/// Runs a transfer whose bytes nobody keeps.
async fn transfer(service: Arc<dyn Service>) -> Result<Moved, (Error, u32)> {
    let (orders, mut received) = mpsc::channel(PIECES);
    let taken = tokio::spawn(async move { while received.recv().await.is_some() {} });
    let (reporter, fetcher) = (reporter(), fetcher::Client(service));
    let transfer = Transfer {
        fetcher: &fetcher,
        request: transfer::request(&object(PLAIN), BTreeMap::new()),
        shown: "test://h/f",
        orders,
        pauses: Pauses::new(Duration::ZERO),
        report: &reporter.object("weather", "f"),
        progress: Progress::default(),
    };
    let moved = transfer.run().await;
    taken.await.unwrap();
    moved
}

/// How a download from a silent place ends, after how many seconds and tries.
async fn silence(after: Option<usize>, ends: bool) -> (Error, u64, u32) {
    let place = Arc::new(Silent {
        after,
        ends,
        tries: Mutex::default(),
    });
    let begun = tokio::time::Instant::now();
    let (error, count) = transfer(Arc::new(Dispatch(place.clone()))).await.unwrap_err();
    assert_eq!(count, *place.tries.lock().unwrap());
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
        error: Some(Error::new(error, "the cable was cut")),
        ..Place::default()
    })
}

fn reporter() -> Reporter {
    let instance: aerolith_plan::InstanceId = "shop.web.1".parse().unwrap();
    Reporter::new(&Bus::default(), &instance.service)
}

fn object(json: &str) -> Object {
    serde_json::from_str(json).unwrap()
}

/// A store with its downloads, and what one version of a configuration wants of them.
struct House {
    dir: tempfile::TempDir,
    downloads: Downloads,
    revision: u64,
}

impl House {
    fn new(place: &Arc<Place>) -> Self {
        Self::with(place, PackagePolicy::default())
    }

    fn with(place: &Arc<Place>, policy: PackagePolicy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store"), Limits::default()).unwrap();
        let pins = Pins::open(dir.path().join("pins.json")).unwrap();
        let downloads = Downloads {
            first_pause: Duration::from_millis(1),
            ..Downloads::new(store, Arc::new(One(place.clone())), policy, pins)
        };
        Self {
            dir,
            downloads,
            revision: 1,
        }
    }

    fn wanted<'a>(&self, object: &'a Object) -> Wanted<'a> {
        Wanted {
            pinned: Pinned {
                configuration: "weather",
                revision: self.revision,
                object: "f",
                url: object.url.as_str(),
            },
            object,
            credentials: Ok(BTreeMap::new()),
        }
    }

    async fn object(&self, json: &str) -> Result<Blob, FetchError> {
        let (object, reporter) = (object(json), reporter());
        self.downloads
            .object(&self.wanted(&object), &reporter.object("weather", "f"))
            .await
    }

    async fn refused(&self, json: &str) -> String {
        self.object(json).await.unwrap_err().to_string()
    }
}

const PLAIN: &str = r#"{"url":"test://h/f"}"#;

async fn offsets(breaks: u32, etag: Option<&'static str>, json: &str) -> Vec<u64> {
    let place = place(breaks, etag, Code::Io);
    let blob = House::new(&place).object(json).await.unwrap();
    assert_eq!(*blob.digest(), Digest::of(BYTES));
    let seen = place.seen.lock().unwrap();
    seen.iter().map(|fetch| fetch.offset).collect()
}

#[tokio::test]
async fn a_broken_download_goes_on_behind_what_is_here_when_the_place_proves_its_state() {
    assert_eq!(offsets(2, Some("\"v1\""), PLAIN).await, [0, 4, 8]);
}

#[tokio::test]
async fn without_a_validator_a_broken_download_begins_anew_unless_its_digest_tells_at_last() {
    assert_eq!(offsets(2, None, PLAIN).await, [0, 0, 0]);
    assert_eq!(offsets(2, None, &promised(BYTES)).await, [0, 4, 8]);
}

#[tokio::test]
async fn a_part_of_which_only_the_digest_is_known_is_gone_on_with_by_the_next_preparation() {
    let place = Arc::new(Place {
        breaks: 1,
        error: Some(Error::io("gone").permanent()),
        ..Place::default()
    });
    let house = House::new(&place);
    house.refused(&promised(BYTES)).await;
    house.object(&promised(BYTES)).await.unwrap();
    assert_eq!((place.tries(), place.asked(1).offset), (2, 4));
}

#[tokio::test]
async fn bytes_of_two_tries_that_do_not_belong_together_are_fetched_anew() {
    let place = Arc::new(Place {
        breaks: 1,
        wrong: 1,
        error: Some(Error::io("reset")),
        ..Place::default()
    });
    let blob = House::new(&place).object(&promised(BYTES)).await.unwrap();
    assert_eq!(*blob.digest(), Digest::of(BYTES));
    let asked = [0, 1, 2].map(|number| place.asked(number).offset);
    assert_eq!(asked, [0, 4, 0]);
}

/// An object that is promised by its SHA-256.
fn promised(bytes: &[u8]) -> String {
    format!(r#"{{"url":"test://h/f","sha256":"{}"}}"#, Digest::of(bytes))
}

#[tokio::test]
async fn a_lasting_error_is_reported_at_once_and_a_passing_one_after_some_tries() {
    for (error, tries) in [(Code::NotFound, 1), (Code::Io, 5)] {
        let place = place(99, None, error);
        let message = House::new(&place).refused(r#"{"url":"test://u:p@h/f?sig=hush"}"#).await;
        assert_eq!(place.tries(), tries);
        assert!(
            message.starts_with("test://…@h/f?…: the cable was cut") && !message.contains("hush"),
            "{message}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_asks_for_time_gets_it_and_more_than_the_longest_pause_is_left_to_a_later_preparation() {
    for (asked, tries) in [(2, 2), (999_999_999, 1)] {
        let asked = Duration::from_secs(asked);
        let place = Arc::new(Place {
            breaks: 1,
            error: Some(Error::new(Code::Unavailable, "503").retry_after(asked)),
            ..Place::default()
        });
        let begun = tokio::time::Instant::now();
        let moved = transfer(Arc::new(Dispatch(place.clone()))).await;
        assert_eq!(place.tries(), tries);
        match moved {
            Ok(_) => assert!(begun.elapsed() >= asked, "{:?}", begun.elapsed()),
            Err((error, _)) => assert_eq!(error.wait(), Some(asked)),
        }
    }
}

#[tokio::test]
async fn one_digest_is_fetched_once_however_many_want_it_and_from_wherever() {
    let place = place(0, None, Code::Io);
    let house = House::new(&place);
    let at = |url: &str| format!(r#"{{"url":"{url}","sha256":"{}"}}"#, Digest::of(BYTES));
    let (one, two) = (at("test://h/f"), at("test://mirror/g"));
    let (one, two, three) = tokio::join!(house.object(&one), house.object(&two), house.object(&one));
    let digests = [one, two, three].map(|blob| *blob.unwrap().digest());
    assert_eq!(digests, [Digest::of(BYTES); 3]);
    assert_eq!(place.tries(), 1);
}

#[tokio::test]
async fn a_wrong_digest_is_fetched_once_more_then_refused_with_both_and_the_token_is_sent() {
    let place = place(0, None, Code::Io);
    let wrong = r#"{"url":"test://h/f","md5":"00000000000000000000000000000000","token":"t0k","headers":{"x-a":"b"}}"#;
    let message = House::new(&place).refused(wrong).await;
    assert!(
        message.contains("md5 mismatch") && message.contains("test://h/f"),
        "{message}"
    );
    assert_eq!(place.tries(), 2);
    let sent = place.asked(0).headers;
    assert_eq!((&*sent[TOKEN_HEADER], &*sent["x-a"]), ("t0k", "b"));
}

#[tokio::test]
async fn a_bit_that_was_flipped_on_the_way_once_does_no_harm() {
    let place = Arc::new(Place {
        wrong: 1,
        ..Place::default()
    });
    let known = format!(r#"{{"url":"test://h/f","sha256":"{}"}}"#, Digest::of(BYTES));
    let blob = House::new(&place).object(&known).await.unwrap();
    assert_eq!((blob.digest(), place.tries()), (&Digest::of(BYTES), 2));
}

#[tokio::test]
async fn bytes_beyond_the_declared_size_end_the_download() {
    let place = place(0, None, Code::Io);
    let message = House::new(&place).refused(r#"{"url":"test://h/f","size":3}"#).await;
    assert!(message.contains("more than 3 bytes"), "{message}");
}

#[tokio::test]
async fn a_scheme_that_nobody_serves_is_named_with_those_served() {
    let place = place(0, None, Code::Io);
    let message = House::new(&place).refused(r#"{"url":"ftp://h/f"}"#).await;
    assert!(
        message.contains("`ftp:`") && message.contains("found: test"),
        "{message}"
    );
}

#[tokio::test]
async fn without_a_digest_the_first_one_counts_as_long_as_the_configuration_is_the_same_version() {
    let place = Arc::new(Place {
        wrong: 1,
        ..Place::default()
    });
    let mut house = House::new(&place);
    let first = *house.object(PLAIN).await.unwrap().digest();
    assert_ne!(first, Digest::of(BYTES));
    assert_eq!(*house.object(PLAIN).await.unwrap().digest(), first);
    assert_eq!(place.tries(), 1, "it is in the store");
    std::fs::remove_dir_all(house.dir.path().join("store/blobs/sha256")).unwrap();
    std::fs::create_dir(house.dir.path().join("store/blobs/sha256")).unwrap();
    let message = house.refused(PLAIN).await;
    assert!(
        message.contains("have changed") && message.contains(&first.to_string()),
        "{message}"
    );
    house.revision = 2;
    assert_eq!(*house.object(PLAIN).await.unwrap().digest(), Digest::of(BYTES));
}

#[tokio::test]
async fn a_new_version_without_a_digest_asks_whether_its_place_has_changed_and_fetches_only_then() {
    let place = place(0, Some("\"v1\""), Code::Io);
    let mut house = House::new(&place);
    house.object(PLAIN).await.unwrap();
    house.revision = 2;
    let blob = house.object(PLAIN).await.unwrap();
    assert_eq!(*blob.digest(), Digest::of(BYTES));
    assert_eq!(place.asked(1).unless.etag.as_deref(), Some("\"v1\""));
    house.object(PLAIN).await.unwrap();
    assert_eq!(place.tries(), 2, "pinned for the new version too");
}

#[tokio::test]
async fn credentials_go_to_the_fetcher_and_without_their_secret_nothing_is_fetched() {
    let place = place(0, None, Code::Io);
    let (house, object, reporter) = (House::new(&place), object(PLAIN), reporter());
    let known = BTreeMap::from([("token".to_owned(), "hush".to_owned())]);
    let mut wanted = house.wanted(&object);
    wanted.credentials = Err("the secret `s3` does not exist".into());
    let error = house
        .downloads
        .object(&wanted, &reporter.object("weather", "f"))
        .await
        .unwrap_err();
    assert_eq!((error.to_string().contains("`s3`"), place.tries()), (true, 0));
    wanted.credentials = Ok(known.clone());
    house
        .downloads
        .object(&wanted, &reporter.object("weather", "f"))
        .await
        .unwrap();
    assert_eq!(place.asked(0).credentials, known);
}
