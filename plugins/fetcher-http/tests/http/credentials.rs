//! What a secret holds goes to the server that it is for, and nowhere else: to no other server, no log and no error.

use crate::server::{Got, Server, fetch, sized, whole};
use aerolith_plugin::wire::fetcher::Fetch;

/// What must never be seen.
const CANARY: &str = "c4nary";

fn with(url: String, entries: &[(&str, &str)]) -> Fetch {
    Fetch {
        url,
        credentials: entries.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        ..Fetch::default()
    }
}

fn keeps_quiet(got: &Got) {
    let told = format!("{} {:?}", got.log, got.end).to_lowercase();
    // `u:c4nary` in base64 too, as it stands behind `Basic`.
    assert!(!told.contains(CANARY) && !told.contains("dtpjng5hcnk"), "{told}");
}

#[test]
fn a_name_and_a_password_or_a_token_arrive() {
    for (entries, expected) in [
        (&[("username", "u"), ("password", CANARY)][..], "authorization: basic "),
        (&[("token", CANARY)], "authorization: bearer c4nary\r\n"),
    ] {
        let server = Server::new(|_, _| sized("200 OK", b"x"));
        let got = fetch(&with(server.url("/"), entries));
        assert_eq!(got.bytes(), b"x");
        assert!(server.requests()[0].contains(expected), "{}", server.requests()[0]);
        keeps_quiet(&got);
    }
}

#[test]
fn credentials_replace_those_of_the_address() {
    let server = Server::new(|_, _| sized("200 OK", b"x"));
    let url = format!("http://{CANARY}:{CANARY}@127.0.0.1:{}/", server.port());
    let got = fetch(&with(url, &[("token", "other")]));
    assert_eq!(got.bytes(), b"x");
    let request = &server.requests()[0];
    assert!(
        request.matches("authorization: ").count() == 1 && request.contains("bearer other"),
        "{request}"
    );
    keeps_quiet(&got);
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_server() {
    let other = Server::new(|_, _| sized("200 OK", b"x"));
    let away = other.url("/away");
    let first = Server::new(move |number, _| match number {
        0 => sized("302 Found\nLocation: /here", b""),
        _ => sized(&format!("302 Found\nLocation: {away}"), b""),
    });
    let got = fetch(&with(first.url("/"), &[("username", "u"), ("password", CANARY)]));
    assert_eq!(got.bytes(), b"x");
    assert!(
        first
            .requests()
            .iter()
            .all(|head| head.contains("authorization: basic "))
    );
    assert!(
        !other.requests()[0].contains("authorization"),
        "{}",
        other.requests()[0]
    );
    keeps_quiet(&got);
}

#[test]
fn no_failure_tells_a_secret() {
    let failures: [fn() -> Server; 4] = [
        || Server::new(|_, _| sized("401 Unauthorized", b"")),
        || Server::new(|_, head| sized(&format!("200 OK\nContent-Encoding: {}", head.len()), b"")),
        || Server::new(|_, _| sized("302 Found\nLocation: file:///c4nary", b"")),
        || Server::new(|_, _| sized("206 Partial Content", b"")),
    ];
    for failure in failures {
        let server = failure();
        let url = format!("http://u:{CANARY}@127.0.0.1:{}/p?sign={CANARY}#{CANARY}", server.port());
        let mut request = with(url, &[("token", CANARY)]);
        request.headers.insert("x-bce-security-token".into(), CANARY.into());
        let got = fetch(&Fetch { offset: 4, ..request });
        keeps_quiet(&got);
        assert!(got.end.is_err());
    }
}

#[test]
fn a_secret_that_says_nothing_is_refused_before_anything_is_sent() {
    let server = Server::new(|_, _| sized("200 OK", b"x"));
    for entries in [
        &[("passwrd", CANARY)][..],
        &[("username", CANARY)],
        &[("token", "c4nary\n")],
    ] {
        let got = fetch(&with(server.url("/"), entries));
        keeps_quiet(&got);
        assert!(!got.error().retryable);
    }
    assert_eq!(server.requests().len(), 0);
    let headers = [("Host".to_owned(), CANARY.to_owned())].into();
    let got = fetch(&Fetch {
        headers,
        ..whole(server.url("/"))
    });
    keeps_quiet(&got);
    assert!(got.error().message.contains("`Host`"));
}
