//! A store that takes its time to explain itself.

use crate::objects::{fetch_with, unsigned};
use aerolith_plugin::Code;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

/// Refuses one request, and sends the body of that byte by byte until the client leaves.
fn store(body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut line, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            line.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: 4000\r\n\r\n{body}");
        line.write_all(head.as_bytes()).unwrap();
        while line.write_all(b" ").is_ok() {
            #[allow(
                clippy::disallowed_methods,
                reason = "the pace of the trickle, for which nothing waits"
            )]
            thread::sleep(Duration::from_millis(50));
        }
    });
    address
}

#[test]
fn a_refusal_that_trickles_is_told_in_seconds_with_what_came_of_its_reason() {
    for (body, end) in [
        ("<Error><Co", "403 Forbidden"),
        ("<Error><Code>AccessDenied</Code>", "403 Forbidden: AccessDenied"),
    ] {
        let config = format!(r#"{{"endpoint":"http://{}","region":"us-east-1"}}"#, store(body));
        let begun = Instant::now();
        let error = fetch_with(&config, &unsigned("s3://bucket/key?anonymous=true".into())).error();
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        assert!(
            error.code == Code::Denied && !error.retryable && error.message.ends_with(end),
            "{error}"
        );
    }
}
