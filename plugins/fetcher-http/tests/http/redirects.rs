//! Where redirects lead, and what goes with them.

use crate::server::{Server, fetch, sized, whole, with_token};
use aerolith_plugin::wire::fetcher::Fetch;
use std::sync::{Arc, Mutex};

const CONTENT: &[u8] = b"0123456789";

#[test]
fn redirects_are_followed_ten_times_and_no_more() {
    let circle = Server::new(|_, _| sized("302 Found\nLocation: /again", b""));
    let error = fetch(&whole(circle.url("/"))).error();
    assert!(
        !error.retryable && error.message.contains("more than 10 redirects"),
        "{error}"
    );
    assert_eq!(circle.requests().len(), 11);
    let chain = Server::new(|number, _| match number {
        10 => sized("200 OK", CONTENT),
        _ => sized("307 Temporary Redirect\nLocation: next", b""),
    });
    assert_eq!(fetch(&whole(chain.url("/"))).bytes(), CONTENT);
}

#[test]
fn a_redirect_keeps_the_range_and_on_the_same_server_the_headers() {
    let server = Server::new(|number, _| match number {
        0 => sized("301 Moved Permanently\nLocation: /there", b""),
        _ => sized("206 Partial Content\nContent-Range: bytes 4-9/10", &CONTENT[4..]),
    });
    let request = Fetch {
        offset: 4,
        ..with_token(server.url("/"))
    };
    assert_eq!(fetch(&request).bytes(), CONTENT[4..]);
    let second = &server.requests()[1];
    assert!(
        second.starts_with("get /there ") && second.contains("range: bytes=4-\r\n"),
        "{second}"
    );
    assert!(
        second.contains("x-bce-security-token: t0ken\r\n") && second.contains("authorization: bearer t0ken\r\n"),
        "{second}"
    );
}

#[test]
fn a_redirect_to_another_server_takes_no_header_along() {
    let other = Server::new(|_, _| sized("200 OK", CONTENT));
    let away = other.url("/away");
    let first = Server::new(move |_, _| sized(&format!("302 Found\nLocation: {away}"), b""));
    assert_eq!(fetch(&with_token(first.url("/"))).bytes(), CONTENT);
    assert!(first.requests()[0].contains("t0ken"));
    assert!(other.requests()[0].starts_with("get /away ") && !other.requests()[0].contains("t0ken"));
}

#[test]
fn a_redirect_over_another_server_back_home_brings_no_header_back() {
    let other = Arc::new(Mutex::new(String::new()));
    let away = other.clone();
    let home = Server::new(move |number, _| match number {
        0 => sized(&format!("302 Found\nLocation: {}", away.lock().unwrap()), b""),
        _ => sized("200 OK", CONTENT),
    });
    let back = home.url("/back");
    let relay = Server::new(move |_, _| sized(&format!("302 Found\nLocation: {back}"), b""));
    *other.lock().unwrap() = relay.url("/");
    assert_eq!(fetch(&with_token(home.url("/"))).bytes(), CONTENT);
    assert_eq!(
        home.requests()
            .iter()
            .map(|head| head.contains("t0ken"))
            .collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn a_redirect_to_another_scheme_or_to_the_link_is_refused() {
    for location in ["file:///etc/passwd", "ftp://h/x", "http://169.254.169.254/latest"] {
        let server = Server::new(move |_, _| sized(&format!("302 Found\nLocation: {location}"), b""));
        let error = fetch(&whole(server.url("/"))).error();
        assert!(!error.retryable && error.message.contains("redirect"), "{error}");
    }
}
