//! Proxies, as the environment names them. The environment is a process's, so each case is a process of its own: this test
//! binary with one ignored test.

use crate::server::{Server, fetch_with, reply, sized, whole};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// Fetches `TEST_URL` with `TEST_CONFIG`, and fails if that fails.
#[test]
#[ignore = "a child of the other tests here"]
fn child() {
    let read = |name| std::env::var(name).unwrap();
    let got = fetch_with(&read("TEST_CONFIG"), &whole(read("TEST_URL")));
    assert_eq!(got.bytes(), b"behind", "{:?}", got.end);
}

fn fetch_in(environment: &[(&str, &str)], url: &str, config: &str) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "proxies::child", "--ignored"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        child.env_remove(name).env_remove(name.to_lowercase());
    }
    child.env("TEST_URL", url).env("TEST_CONFIG", config);
    child.envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn http_goes_through_the_proxy_and_what_is_excepted_does_not() {
    let proxy = Server::new(|_, _| sized("200 OK", b"behind"));
    let direct = Server::new(|_, _| sized("200 OK", b"behind"));
    let proxied = [("HTTP_PROXY", &*proxy.url(""))];
    // Only the proxy would know this name.
    assert!(fetch_in(&proxied, "http://depot.invalid/p", "{}").status.success());
    assert!(
        proxy.requests()[0].starts_with("get http://depot.invalid/p "),
        "{:?}",
        proxy.requests()
    );
    let excepted = [proxied[0], ("NO_PROXY", "127.0.0.1")];
    assert!(fetch_in(&excepted, &direct.url("/p"), "{}").status.success());
    assert_eq!((proxy.requests().len(), direct.requests().len()), (1, 1));
}

#[test]
fn https_goes_through_a_tunnel_of_the_proxy_which_sees_nothing_of_it() {
    let (server, _dir, config) = crate::tls::secure(|_, _| sized("200 OK", b"behind"));
    let (proxy, asked) = tunnel();
    let environment = [("HTTPS_PROXY", &*proxy), ("no_proxy", "")];
    let child = fetch_in(
        &environment,
        &format!("https://localhost:{}/s3cret", server.port()),
        &config,
    );
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let asked = asked.lock().unwrap();
    assert!(
        asked[0].starts_with(&format!("connect localhost:{} ", server.port())),
        "{asked:?}"
    );
    assert!(!asked[0].contains("s3cret"));
}

#[test]
fn a_proxy_that_refuses_is_named_in_the_error() {
    let proxy = Server::new(|_, _| reply("407 Proxy Authentication Required", b""));
    let child = fetch_in(&[("HTTPS_PROXY", &*proxy.url(""))], "https://depot.invalid/p", "{}");
    let told = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(!child.status.success() && told.contains("proxy"), "{told}");
}

/// A proxy that tunnels (RFC 9110, section 9.3.6): its address, and what it was asked.
fn tunnel() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = asked.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let noted = noted.clone();
            std::thread::spawn(move || carry(client, &noted));
        }
    });
    (address, asked)
}

fn carry(mut client: TcpStream, asked: &Mutex<Vec<String>>) -> Option<()> {
    let head = crate::server::read_head(&mut client)?;
    let place = head.split(' ').nth(1)?.to_owned();
    asked.lock().unwrap().push(head);
    let mut server = TcpStream::connect(place).ok()?;
    std::io::Write::write_all(&mut client, b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    client.shutdown(std::net::Shutdown::Both).ok()
}
