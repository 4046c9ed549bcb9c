//! Servers that mean harm, or know no better: refused at once and in little memory.

use crate::server::{Reply, Server, fetch, fetch_with, raw, reply, sized, whole};
use aerolith_plugin::Code;
use std::time::{Duration, Instant};

/// In which a fetch is refused.
const AT_ONCE: Duration = Duration::from_secs(1);

fn refused(answer: impl Fn(usize, &str) -> Reply + Send + 'static) -> aerolith_plugin::Error {
    let server = Server::new(answer);
    let begun = Instant::now();
    let got = fetch(&whole(server.url("/p")));
    assert_eq!(got.pieces.len(), 0);
    let error = got.error();
    assert!(begun.elapsed() < AT_ONCE, "{:?}: {error}", begun.elapsed());
    assert!(error.message.contains("/p"), "{error}");
    error
}

/// The most that this process has ever had in memory, in kB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_length_that_is_none_or_two_is_refused_at_once() {
    for lengths in [
        "Content-Length: -1",
        "Content-Length: 5\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: five",
        "Content-Length: 99999999999999999999",
    ] {
        let error = refused(move |_, _| reply(&format!("200 OK\n{lengths}"), b"01234"));
        assert!(!error.retryable, "{lengths}: {error}");
    }
}

#[test]
fn a_length_beyond_all_memory_is_told_and_nothing_is_set_aside_for_it() {
    let length = i64::MAX;
    let server = Server::new(move |_, _| reply(&format!("200 OK\nContent-Length: {length}"), b"01234"));
    let got = fetch(&whole(server.url("/")));
    assert_eq!(got.bytes(), b"01234");
    assert_eq!(got.head.clone().unwrap().size, Some(length as u64));
    assert!(got.error().message.contains("at byte 5"));
}

#[test]
fn what_goes_on_behind_the_announced_size_is_not_delivered() {
    let server = Server::new(|_, _| {
        reply(
            "206 Partial Content\nContent-Range: bytes 4-9/10\nTransfer-Encoding: chunked",
            b"9\r\n456789xxx\r\n0\r\n\r\n",
        )
    });
    let request = aerolith_plugin::wire::fetcher::Fetch {
        offset: 4,
        ..whole(server.url("/"))
    };
    let got = fetch(&request);
    assert_eq!(got.pieces.len(), 0);
    assert!(got.error().message.contains("behind the 10 bytes"));
}

#[test]
fn an_encoding_that_was_not_asked_for_is_refused_before_a_byte_of_it() {
    let error = refused(|_, _| sized("200 OK\nContent-Encoding: gzip", b"\x1f\x8b\x08"));
    assert!(
        !error.retryable && error.message.contains("Content-Encoding `gzip`"),
        "{error}"
    );
}

#[test]
fn a_head_without_an_end_is_refused_in_little_memory() {
    // Whatever a first fetch needs is there before.
    drop(fetch(&whole(Server::new(|_, _| sized("200 OK", b"x")).url("/"))));
    let before = most_memory();
    let long = refused(|_, _| {
        let mut head = b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec();
        head.resize(16 * 1024 * 1024, b'x');
        raw(head)
    });
    let many = refused(|_, _| {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        for number in 0..100_000 {
            head.extend_from_slice(format!("X-{number}: x\r\n").as_bytes());
        }
        raw(head)
    });
    assert!(!long.retryable && !many.retryable, "{long} {many}");
    // The two servers of this very process hold 16 MiB and 1.5 MB; the plugin may take 2 MB.
    let more = most_memory() - before;
    assert!(more < (16 * 1024) + 3 * 1024 + 2 * 1024, "{more} kB");
}

#[test]
fn what_is_no_http_is_refused() {
    for answer in [
        &b"HTTP/1.1 9999 What\r\n\r\n"[..],
        b"HTTP/1.1 OK\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
        b"SSH-2.0-x\r\n",
    ] {
        let error = refused(move |_, _| raw(answer.to_vec()));
        assert!(error.code == Code::Io && !error.retryable, "{error}");
        assert!(error.message.contains("no HTTP"), "{error}");
    }
}

#[test]
fn a_server_that_says_nothing_at_all_and_closes_is_worth_another_try() {
    let error = refused(|_, _| raw(Vec::new()));
    assert!(error.code == Code::Unavailable && error.retryable, "{error}");
}

#[test]
fn a_trickle_is_a_timeout_behind_the_bytes_that_came() {
    let server = Server::new(|_, _| {
        reply("200 OK\nContent-Length: 100000", b"0").then_repeat(b"1".to_vec(), Duration::from_millis(20))
    });
    let config = r#"{"lowSpeedSeconds":0.2,"lowSpeedBytesPerSecond":1024}"#;
    let got = fetch_with(config, &whole(server.url("/")));
    assert!(!got.pieces.is_empty());
    let error = got.error();
    assert_eq!((error.code, error.retryable), (Code::Timeout, true));
    assert!(error.message.contains("expected 1024 bytes a second"), "{error}");
}

#[test]
fn a_head_that_trickles_is_a_timeout() {
    let server = Server::new(|_, _| {
        raw(b"HTTP/1.1 200 OK\r\nX: ".to_vec()).then_repeat(b"x".to_vec(), Duration::from_millis(20))
    });
    let config = r#"{"stallTimeoutSeconds":0.1,"connectTimeoutSeconds":0.1}"#;
    let error = fetch_with(config, &whole(server.url("/"))).error();
    assert_eq!((error.code, error.retryable), (Code::Timeout, true));
}
