//! http: whole and partial answers, refusals, broken connections.

use crate::server::{Server, fetch, fetch_with, reply, sized, whole, with_token};
use aerolith_plugin::Code;
use aerolith_plugin::testing::Host;
use aerolith_plugin::wire::fetcher::{Client, Fetch, Fetched, Validator, channel};
use std::time::Duration;

const CONTENT: &[u8] = b"0123456789";

fn from(url: String, offset: u64, etag: &str) -> Fetch {
    let validator = Validator {
        etag: Some(etag.into()),
        last_modified: None,
    };
    Fetch {
        url,
        offset,
        validator,
        ..Fetch::default()
    }
}

#[test]
fn it_serves_http_and_https() {
    let host = Host::new();
    let client = Client(host.instance(fetcher_http::aerolith_root(), "http", "{}").unwrap());
    assert_eq!(host.block_on(client.schemes()).unwrap().schemes, ["http", "https"]);
    let error = host
        .instance(fetcher_http::aerolith_root(), "http", r#"{"ca":"/absent.pem"}"#)
        .err()
        .unwrap();
    assert!(
        error.code == Code::Invalid && error.message.contains("/absent.pem"),
        "{error}"
    );
}

#[test]
fn a_whole_fetch_is_a_head_and_the_bytes() {
    let server = Server::new(|_, _| sized("200 OK\nETag: \"v1\"\nLast-Modified: then", CONTENT));
    let got = fetch(&whole(server.url("/p.zip")));
    assert_eq!((got.bytes(), &got.end), (CONTENT.to_vec(), &Ok(Fetched { bytes: 10 })));
    let head = got.head.unwrap();
    assert_eq!((head.offset, head.size), (0, Some(10)));
    assert_eq!(
        head.validator,
        Validator {
            etag: Some("\"v1\"".into()),
            last_modified: Some("then".into())
        }
    );
    let request = &server.requests()[0];
    assert!(
        request.starts_with("get /p.zip http/1.1") && request.contains("accept-encoding: identity"),
        "{request}"
    );
    assert!(!request.contains("range"), "{request}");
}

#[test]
fn a_body_without_a_length_arrives_whole() {
    let server = Server::new(|_, _| {
        reply(
            "200 OK\nTransfer-Encoding: chunked",
            b"4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
        )
    });
    let got = fetch(&whole(server.url("/")));
    assert_eq!((got.bytes(), got.head.unwrap().size), (CONTENT.to_vec(), None));
}

#[test]
fn a_large_body_arrives_in_pieces_of_bounded_size_to_a_reader_with_room_for_one() {
    let content: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
    let sent = content.clone();
    let server = Server::new(move |_, _| sized("200 OK", &sent));
    let got = fetch(&whole(server.url("/")));
    assert!(got.bytes() == content);
    assert!(
        got.pieces
            .iter()
            .all(|piece| !piece.is_empty() && piece.len() <= 256 * 1024)
    );
}

#[test]
fn a_resume_asks_for_the_rest_under_the_condition_that_nothing_changed() {
    let server = Server::new(|_, _| {
        sized(
            "206 Partial Content\nContent-Range: bytes 4-9/10\nETag: \"v1\"",
            &CONTENT[4..],
        )
    });
    let got = fetch(&from(server.url("/"), 4, "\"v1\""));
    assert_eq!(
        (got.offset(), got.bytes(), &got.end),
        (4, CONTENT[4..].to_vec(), &Ok(Fetched { bytes: 6 }))
    );
    assert_eq!(got.head.unwrap().size, Some(10));
    let request = &server.requests()[0];
    assert!(
        request.contains("range: bytes=4-\r\n") && request.contains("if-range: \"v1\"\r\n"),
        "{request}"
    );
}

#[test]
fn a_server_that_ignores_the_range_begins_anew() {
    let server = Server::new(|_, _| sized("200 OK\nETag: \"v2\"", CONTENT));
    let got = fetch(&from(server.url("/"), 4, "\"v1\""));
    assert_eq!((got.offset(), got.bytes()), (0, CONTENT.to_vec()));
    assert_eq!(got.head.unwrap().validator.etag.unwrap(), "\"v2\"");
}

#[test]
fn a_shifted_or_false_range_is_left_and_all_of_it_asked_for() {
    for range in ["bytes 3-9/10", "bytes 4-3/10", "bytes 4-99/10", "nonsense"] {
        let server = Server::new(move |_, head| {
            if head.contains("range: ") {
                sized(&format!("206 Partial Content\nContent-Range: {range}"), &CONTENT[3..])
            } else {
                sized("200 OK", CONTENT)
            }
        });
        let got = fetch(&from(server.url("/p"), 4, "\"v1\""));
        assert_eq!((got.offset(), got.bytes()), (0, CONTENT.to_vec()), "{range}");
        assert_eq!(server.requests().len(), 2);
        assert!(got.log.contains(range), "{}", got.log);
    }
}

#[test]
fn a_server_that_answers_parts_only_is_refused() {
    let server = Server::new(|_, _| sized("206 Partial Content\nContent-Range: bytes 3-9/10", &CONTENT[3..]));
    let got = fetch(&from(server.url("/p"), 4, "\"v1\""));
    assert_eq!((&got.head, got.pieces.len()), (&None, 0));
    let error = got.error();
    assert!(!error.retryable && error.message.contains("expected 200"), "{error}");
    assert!(
        error.message.contains("bytes 3-9/10") && error.message.contains(&server.url("/p")),
        "{error}"
    );
}

#[test]
fn a_part_of_a_changed_file_is_left_and_all_of_it_asked_for() {
    let server = Server::new(|number, _| match number {
        0 => sized(
            "206 Partial Content\nContent-Range: bytes 4-9/10\nETag: \"v2\"",
            &CONTENT[4..],
        ),
        _ => sized("200 OK\nETag: \"v2\"", CONTENT),
    });
    let got = fetch(&from(server.url("/"), 4, "\"v1\""));
    assert_eq!((got.offset(), got.bytes()), (0, CONTENT.to_vec()));
    assert!(server.requests()[0].contains("range: ") && !server.requests()[1].contains("range: "));
}

#[test]
fn an_offset_that_is_the_end_is_complete_and_one_beyond_begins_anew() {
    let server = Server::new(|_, head| {
        if head.contains("range: ") {
            sized("416 Range Not Satisfiable\nContent-Range: bytes */10", b"")
        } else {
            sized("200 OK", CONTENT)
        }
    });
    let complete = fetch(&from(server.url("/"), 10, "\"v1\""));
    assert_eq!(
        (complete.offset(), complete.pieces.len(), &complete.end),
        (10, 0, &Ok(Fetched { bytes: 0 }))
    );
    let anew = fetch(&from(server.url("/"), 11, "\"v1\""));
    assert_eq!((anew.offset(), anew.bytes()), (0, CONTENT.to_vec()));
}

#[test]
fn a_404_names_the_url_and_the_status_but_no_secret() {
    let server = Server::new(|_, _| sized("404 Not Found", b"no"));
    let url = format!("http://user:s3cret@127.0.0.1:{}/a/p.zip?sign=s3cret", server.port());
    let error = fetch(&whole(url)).error();
    assert_eq!((error.code, error.retryable), (Code::NotFound, false));
    let shown = format!("{}?…", server.url("/a/p.zip"));
    assert_eq!(error.message, format!("GET {shown}: the server answered 404 Not Found"));
    assert!(server.requests()[0].contains("authorization: basic ") && server.requests()[0].contains("sign=s3cret"));
}

#[test]
fn a_busy_server_is_worth_another_try() {
    for status in [
        "503 Service Unavailable",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "408 Request Timeout",
    ] {
        let server = Server::new(move |_, _| sized(status, b""));
        let error = fetch(&whole(server.url("/"))).error();
        assert!(error.retryable && error.message.contains(status), "{error}");
    }
}

#[test]
fn no_server_at_all_is_worth_another_try() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/p?s3cret", listener.local_addr().unwrap());
    drop(listener);
    let error = fetch(&whole(url)).error();
    assert_eq!((error.code, error.retryable), (Code::Unavailable, true));
    assert!(
        error.message.contains("/p?…: ") && !error.message.contains("s3cret"),
        "{error}"
    );
    assert!(error.message.contains("refused"), "{error}");
}

#[test]
fn a_connection_cut_at_half_is_a_retryable_error_behind_the_bytes_that_came() {
    let server = Server::new(|_, _| reply("200 OK\nContent-Length: 10", &CONTENT[..5]));
    let got = fetch(&whole(server.url("/p")));
    assert_eq!((got.offset(), got.bytes()), (0, CONTENT[..5].to_vec()));
    let error = got.error();
    assert!(
        error.retryable && error.message.contains("at byte 5") && error.message.contains("/p"),
        "{error}"
    );
}

#[test]
fn a_part_that_ends_before_the_announced_size_is_a_retryable_error() {
    let server = Server::new(|_, _| sized("206 Partial Content\nContent-Range: bytes 4-6/10", &CONTENT[4..7]));
    let got = fetch(&from(server.url("/"), 4, "\"v1\""));
    assert_eq!(got.bytes(), CONTENT[4..7]);
    let error = got.error();
    assert!(
        error.retryable && error.message.contains("ended at byte 7, but 10"),
        "{error}"
    );
}

#[test]
fn a_server_that_stalls_is_a_timeout_behind_the_bytes_that_came() {
    let server = Server::new(|_, _| reply("200 OK\nContent-Length: 10", &CONTENT[..5]).then_stall());
    let got = fetch_with(r#"{"stallTimeoutSeconds":0.2}"#, &whole(server.url("/")));
    assert_eq!(got.bytes(), CONTENT[..5]);
    let error = got.error();
    assert_eq!((error.code, error.retryable), (Code::Timeout, true));
    assert!(error.message.contains("nothing for 200ms, at byte 5"), "{error}");
}

#[test]
fn a_server_that_never_answers_is_a_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let error = fetch_with(
        r#"{"stallTimeoutSeconds":0.1,"connectTimeoutSeconds":0.1}"#,
        &whole(url),
    )
    .error();
    assert_eq!((error.code, error.retryable), (Code::Timeout, true));
    assert!(error.message.contains("no answer for 200ms"), "{error}");
}

#[test]
fn a_given_header_arrives_and_is_neither_logged_nor_repeated_in_an_error() {
    let server = Server::new(|_, _| sized("403 Forbidden", b"t0ken"));
    let got = fetch(&with_token(server.url("/")));
    assert!(server.requests()[0].contains("x-bce-security-token: t0ken\r\n"));
    assert!(!got.log.to_lowercase().contains("t0ken"), "{}", got.log);
    let error = got.error();
    assert!(
        error.code == Code::Denied && !error.message.contains("t0ken"),
        "{error}"
    );
}

#[test]
fn a_wrong_address_or_header_is_refused_before_anything_is_sent() {
    assert_eq!(fetch(&whole("ftp://h/x".into())).error().code, Code::Invalid);
    let server = Server::new(|_, _| sized("200 OK", CONTENT));
    let headers = [("bad name".to_owned(), "t0ken".to_owned())].into();
    let error = fetch(&Fetch {
        headers,
        ..whole(server.url("/"))
    })
    .error();
    assert!(
        error.code == Code::Invalid && !error.message.contains("t0ken"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_reader_that_goes_away_ends_the_fetch() {
    let server = Server::new(|_, _| reply("200 OK\nContent-Length: 10", &CONTENT[..5]).then_stall());
    let host = Host::new();
    let client = Client(host.instance(fetcher_http::aerolith_root(), "http", "{}").unwrap());
    let (sink, download) = channel(1);
    drop(download);
    assert_eq!(
        host.block_on(client.fetch(&whole(server.url("/")), sink))
            .unwrap_err()
            .code,
        Code::Stopped
    );
}

#[test]
fn a_body_without_an_end_ends_when_nobody_reads_it_any_more() {
    let server = Server::new(|_, _| reply("200 OK", CONTENT).then_for_ever());
    let host = Host::new();
    let client = Client(host.instance(fetcher_http::aerolith_root(), "http", "{}").unwrap());
    let (sink, mut download) = channel(1);
    let request = whole(server.url("/"));
    let read = async {
        download.head().await.unwrap();
        for _ in 0..3 {
            download.piece().await.unwrap();
        }
        drop(download);
    };
    let (ended, ()) = host.block_on(async { tokio::join!(client.fetch(&request, sink), read) });
    assert_eq!(ended.unwrap_err().code, Code::Stopped);
}

#[test]
fn a_place_that_is_in_the_known_state_is_unchanged_and_sends_nothing() {
    let server = Server::new(|_, head| {
        if head.contains("if-none-match: \"v1\"\r\n") && head.contains("if-modified-since: then\r\n") {
            reply("304 Not Modified\nETag: \"v1\"", b"")
        } else {
            sized("200 OK\nETag: \"v2\"", CONTENT)
        }
    });
    let unless = |etag: &str| Fetch {
        unless: Validator {
            etag: Some(etag.into()),
            last_modified: Some("then".into()),
        },
        ..whole(server.url("/"))
    };
    let same = fetch(&unless("\"v1\""));
    let head = same.head.clone().unwrap();
    assert!(head.unchanged && head.validator == unless("\"v1\"").unless, "{head:?}");
    assert_eq!((same.pieces.len(), same.end), (0, Ok(Fetched { bytes: 0 })));
    let other = fetch(&unless("\"v0\""));
    assert_eq!(
        (other.head.clone().unwrap().unchanged, other.bytes()),
        (false, CONTENT.to_vec())
    );
}

#[test]
fn a_busy_server_says_how_long_to_wait() {
    for (wait, seconds) in [("2", Some(2)), ("999999999", Some(999_999_999)), ("soon", None)] {
        let server = Server::new(move |_, _| sized(&format!("503 Service Unavailable\nRetry-After: {wait}"), b""));
        let error = fetch(&whole(server.url("/"))).error();
        assert!(error.retryable, "{error}");
        assert_eq!(error.wait(), seconds.map(Duration::from_secs));
    }
}

#[test]
fn names_in_the_address_and_in_the_answer_have_no_effect_on_what_is_delivered() {
    let server = Server::new(|_, _| sized("200 OK\nContent-Disposition: attachment; filename=../../etc/x", CONTENT));
    let got = fetch(&whole(server.url("/a/%2e%2e%2f%2e%2e%2fetc/x")));
    assert_eq!(got.bytes(), CONTENT);
    assert!(server.requests()[0].starts_with("get /a/%2e%2e%2f%2e%2e%2fetc/x "));
}

#[test]
fn where_nobody_listens_the_reason_is_told_without_what_the_client_is_built_of() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = fetch_with("", &whole(format!("http://{free}/a.zip"))).error();
    let expected = format!("GET http://{free}/a.zip: cannot connect: Connection refused");
    assert!(error.retryable && error.message.starts_with(&expected), "{error}");
}
