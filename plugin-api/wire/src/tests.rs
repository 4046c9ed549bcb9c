use super::*;
use crate::stream;
use futures_executor::block_on;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[allow(unreachable_pub, dead_code, reason = "the macro writes what a crate publishes")]
mod echo {
    use super::{Deserialize, Serialize};

    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct Line {
        pub text: String,
        pub added_later: u32,
    }

    crate::capability! {
        "echo/1" unstable
        /// Answers what it is told.
        pub trait Echo {
            /// The same line.
            call say(Line) -> Line;
            /// The same bytes.
            call raw_say(raw) -> raw;
            /// Of a later minor.
            call newer() -> Line = Line { text: "default".into(), added_later: 0 };
            /// So many lines as the text has words.
            stream words(Line) => Line -> Line;
            /// Counts bytes.
            send count(raw);
            /// Counts letters.
            send letters(Line);
        }
    }
}
use echo::{Client, Dispatch, Echo, Line};

#[derive(Default)]
struct Mine(AtomicU64);

impl Echo for Mine {
    async fn say(&self, request: Line) -> Result<Line> {
        Ok(request)
    }

    async fn raw_say(&self, request: Bytes) -> Result<Bytes> {
        Ok(request)
    }

    async fn words(&self, request: Line, into: Stream<Line>) -> Result<Line> {
        for word in request.text.split(' ') {
            into.write(&Line {
                text: word.into(),
                ..Line::default()
            })
            .await?;
        }
        Ok(Line {
            text: "done".into(),
            ..Line::default()
        })
    }

    fn count(&self, item: &[u8]) -> Result<Sent> {
        if item.is_empty() {
            return Ok(Sent::Full);
        }
        self.0.fetch_add(item.len() as u64, Relaxed);
        Ok(Sent::Accepted)
    }

    fn letters(&self, item: &Line) -> Result<Sent> {
        self.count(item.text.as_bytes())
    }
}

fn client() -> (Arc<Mine>, Client<Dispatch<Mine>>) {
    let mine = Arc::new(Mine::default());
    (mine.clone(), Client(Dispatch(mine)))
}

fn line(text: &str) -> Line {
    Line {
        text: text.into(),
        ..Line::default()
    }
}

#[test]
fn a_typed_call_comes_back_as_it_went() {
    assert_eq!(block_on(client().1.say(&line("hello"))).unwrap(), line("hello"));
    assert_eq!(block_on(client().1.raw_say(b"\0\xff")).unwrap().as_slice(), b"\0\xff");
}

#[test]
fn a_method_that_the_other_side_lacks_answers_its_default() {
    assert_eq!(block_on(client().1.newer()).unwrap(), line("default"));
}

#[test]
fn an_unknown_method_is_unimplemented_by_name() {
    for method in ["echo/1.nope", "echo/2.say", "say", "", "echo/1."] {
        let error = block_on(client().1.0.call(method, Bytes::new(), None)).unwrap_err();
        assert_eq!(
            (error.code, error.message.contains(method)),
            (Code::Unimplemented, true),
            "{method}"
        );
        assert_eq!(client().1.0.send(method, b"").unwrap_err().code, Code::Unimplemented);
    }
}

#[test]
fn a_request_of_a_newer_client_is_read_and_an_older_one_takes_defaults() {
    let service = client().1.0;
    let newer = br#"{"text":"a","added_later":7,"added_much_later":[1]}"#;
    let reply = block_on(service.call("echo/1.say", Bytes::from(newer.to_vec()), None)).unwrap();
    assert_eq!(
        payload::decode::<Line>(&reply).unwrap(),
        Line {
            text: "a".into(),
            added_later: 7
        }
    );
    let reply = block_on(service.call("echo/1.say", Bytes::new(), None)).unwrap();
    assert_eq!(payload::decode::<Line>(&reply).unwrap(), Line::default());
}

#[test]
fn a_request_that_is_no_json_is_invalid_and_names_the_type() {
    let error = block_on(client().1.0.call("echo/1.say", Bytes::from(b"{".to_vec()), None)).unwrap_err();
    assert_eq!(error.code, Code::Invalid);
    assert!(error.message.contains("Line"), "{error}");
}

#[test]
fn a_stream_delivers_in_order_and_then_answers() {
    let (sink, mut items) = stream::channel::<Line>(8);
    assert_eq!(
        block_on(client().1.words(&line("one two three"), sink)).unwrap(),
        line("done")
    );
    let mut words = Vec::new();
    while let Some(item) = block_on(items.next()).unwrap() {
        words.push(item.text);
    }
    assert_eq!(words, ["one", "two", "three"]);
}

#[test]
fn a_stream_without_a_sink_is_refused() {
    let error = block_on(client().1.0.call("echo/1.words", Bytes::new(), None)).unwrap_err();
    assert_eq!(error.code, Code::Invalid);
}

#[test]
fn a_writer_learns_that_nobody_reads() {
    let (sink, items) = stream::channel::<Line>(1);
    drop(items);
    let error = block_on(client().1.words(&line("one"), sink)).unwrap_err();
    assert_eq!(error.code, Code::Stopped);
}

#[test]
fn a_stream_that_fails_tells_its_reader_why() {
    let (sink, mut items) = stream::channel::<Line>(4);
    Stream::<Line>::new(sink).fail(Error::io("the cable was cut"));
    assert_eq!(block_on(items.next()).unwrap_err().message, "the cable was cut");
}

#[test]
fn the_one_way_path_takes_or_says_full() {
    let (mine, client) = client();
    assert_eq!(client.count(b"four").unwrap(), Sent::Accepted);
    assert_eq!(client.count(b"").unwrap(), Sent::Full);
    assert_eq!(client.letters(&line("abc")).unwrap(), Sent::Accepted);
    assert_eq!(mine.0.load(Relaxed), 7);
}

#[test]
fn every_capability_is_declared_once_and_its_methods_are_unique() {
    let mut ids: Vec<_> = CAPABILITIES.iter().map(|c| c.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CAPABILITIES.len());
    for capability in CAPABILITIES {
        let mut methods = capability.methods.to_vec();
        methods.sort_unstable();
        methods.dedup();
        assert_eq!(methods.len(), capability.methods.len(), "{}", capability.id);
    }
}

#[test]
fn an_error_crosses_and_comes_back_whole() {
    let error = Error {
        detail: "{}".into(),
        ..Error::new(Code::Busy, "later")
    };
    let crossed: Error = aerolith_plugin_abi::PluginError::from(error.clone()).into();
    assert_eq!(crossed, error);
    assert!(error.retryable && !error.permanent().retryable);
    assert_eq!(Code::from_number(4711), Code::Internal);
}

#[test]
fn a_method_tells_its_kind() {
    assert_eq!(kind_of("engine/1.wait"), Some(Kind::Open));
    assert_eq!(kind_of("engine/1.status"), Some(Kind::Call));
    assert_eq!(kind_of("fetcher/1.fetch"), Some(Kind::Stream));
    assert_eq!(kind_of("hub/1.publish"), Some(Kind::Send));
    assert_eq!(
        (kind_of("engine/2.wait"), kind_of("engine/1.nope"), kind_of("wait")),
        (None, None, None)
    );
}
