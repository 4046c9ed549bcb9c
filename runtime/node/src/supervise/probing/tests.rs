//! Questions over real sockets to whatever may stand behind a port.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aerolith_plugin_wire::{Bytes, Error, Reply, Result, Sent, Service, SinkBox, engine};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::supervise::lookup::tests::nameless;

/// An engine that can do nothing.
struct Nothing;

impl Service for Nothing {
    fn call(&self, method: &str, _: Bytes, _: Option<SinkBox>) -> Reply {
        let error = Error::unimplemented(method);
        Box::pin(async move { Err(error) })
    }

    fn send(&self, method: &str, _: &[u8]) -> Result<Sent> {
        Err(Error::unimplemented(method))
    }
}

/// An engine that answers so to everything, or hangs.
struct Answers(Option<Error>);

impl Service for Answers {
    fn call(&self, _: &str, _: Bytes, _: Option<SinkBox>) -> Reply {
        let error = self.0.clone();
        Box::pin(async move {
            match error {
                Some(error) => Err(error),
                None => std::future::pending().await,
            }
        })
    }

    fn send(&self, method: &str, _: &[u8]) -> Result<Sent> {
        Err(Error::unimplemented(method))
    }
}

fn target(port: u16) -> Target {
    target_of(Arc::new(Nothing), port)
}

fn target_of(engine: Arc<dyn Service>, port: u16) -> Target {
    let mut workload = Workload::default();
    environment::set_port(&mut workload.environment, port);
    Target::of(
        engine::Client(engine),
        Handle::default(),
        None,
        &workload,
        Lookups::default(),
    )
}

fn probe(check: &str) -> Probe {
    serde_json::from_str(&format!("{{{check}}}")).unwrap()
}

const GET: &str =
    r#""httpGet":{"path":"/health?deep=1","port":"dynamic","httpHeaders":[{"name":"Host","value":"a.b"}]}"#;

/// What a server does with a connection whose request it has read.
#[derive(Debug, Clone, Copy)]
enum Server {
    Says(&'static str),
    /// A byte now and then.
    Trickles(&'static str),
    /// So many bytes without end, after a begin.
    Floods(&'static str),
    Closes,
    Hangs,
}

/// Serves one connection after the other, and counts what it could write.
async fn serve(listener: TcpListener, server: Server, written: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 4096];
        let read = stream.read(&mut request).await.unwrap_or(0);
        let text = String::from_utf8_lossy(&request[..read]).into_owned();
        assert!(text.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{text}");
        assert!(
            text.contains("host: a.b\r\n") && text.contains("connection: close\r\n"),
            "{text}"
        );
        // The other side may be gone: that is its good right.
        let _ = answer(&mut stream, server, &written).await;
    }
}

async fn answer(stream: &mut TcpStream, server: Server, written: &AtomicUsize) -> std::io::Result<()> {
    match server {
        Server::Says(text) => stream.write_all(text.as_bytes()).await,
        Server::Trickles(text) => {
            for byte in text.bytes().cycle() {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        }
        Server::Floods(begin) => {
            stream.write_all(begin.as_bytes()).await?;
            for _ in 0..1600 {
                stream.write_all(&[b'x'; 65_536]).await?;
                written.fetch_add(65_536, Relaxed);
            }
            Ok(())
        }
        Server::Closes => Ok(()),
        Server::Hangs => std::future::pending().await,
    }
}

async fn asked(server: Server) -> (std::result::Result<(), Failing>, usize) {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let (port, written) = (listener.local_addr().unwrap().port(), Arc::default());
    let serving = tokio::spawn(serve(listener, server, Arc::clone(&written)));
    let result = target(port).ask(&probe(GET)).await;
    assert!(!serving.is_finished(), "the server did not like the request");
    serving.abort();
    (result, written.load(Relaxed))
}

#[tokio::test]
async fn an_answer_is_good_from_200_to_399_and_a_redirect_leads_nowhere() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\n\r\nuntil the end",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    ] {
        assert_eq!(asked(Server::Says(answer)).await.0, Ok(()), "{answer}");
    }
}

#[tokio::test]
async fn whatever_else_a_server_does_is_bad_within_the_timeout() {
    const GARBAGE: &str = "220 mail ready\r\n";
    let begun = tokio::time::Instant::now();
    let cases = [
        (
            Server::Says("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"),
            "answered 500",
        ),
        (
            Server::Says("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
            "answered 404",
        ),
        (Server::Says(GARBAGE), "failed"),
        (Server::Closes, "failed"),
        (Server::Floods("HTTP/1.1 200 OK\r\nx: "), "failed"),
        (Server::Hangs, "no answer within 1 s"),
        (Server::Trickles("HTTP/1.1 200 OK\r\n"), "no answer within 1 s"),
    ];
    let all = cases.map(|(server, part)| tokio::spawn(async move { (server, part, asked(server).await) }));
    for case in all {
        let (server, part, (result, written)) = case.await.unwrap();
        assert!(
            matches!(&result, Err(Failing::Bad(why)) if why.contains(part)),
            "{server:?}: {result:?}"
        );
        assert!(written < 16 << 20, "{server:?}: {written}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn of_a_hundred_megabytes_the_begin_is_read() {
    let (result, written) = asked(Server::Floods("HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n")).await;
    assert_eq!(result, Ok(()));
    assert!(written < 16 << 20, "{written} bytes went into the socket");
}

#[tokio::test]
async fn a_connection_is_taken_or_not() {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tcp = probe(r#""tcpSocket":{"port":"dynamic"}"#);
    assert_eq!(target(port).ask(&tcp).await, Ok(()));
    let elsewhere = Some("127.0.0.2".to_owned());
    let moved = Target {
        address: elsewhere,
        ..target(port)
    };
    let refused = moved.ask(&tcp).await;
    assert!(
        matches!(&refused, Err(Failing::Bad(why)) if why.contains("127.0.0.2")),
        "{refused:?}"
    );
    // One that is taken and at which nobody listens: a free one may be another test's by now.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind(format!("{LOOPBACK}:0").parse().unwrap()).unwrap();
    let port = silent.local_addr().unwrap().port();
    for check in [r#""tcpSocket":{"port":"dynamic"}"#, GET] {
        let refused = target(port).ask(&probe(check)).await;
        assert!(
            matches!(&refused, Err(Failing::Bad(why)) if why.contains("refused")),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_no_fault_of_the_instance_and_what_cannot_be_meant_is() {
    let exec = target(1).ask(&probe(r#""exec":{"command":["test"]}"#)).await;
    assert!(matches!(exec, Err(Failing::Unasked(_))), "{exec:?}");
    let nowhere = Target::of(
        engine::Client(Arc::new(Nothing)),
        Handle::default(),
        None,
        &Workload::default(),
        Lookups::default(),
    );
    for probe in [
        probe(GET),
        probe(r#""httpGet":{"path":"/a b\u0000","port":1}"#),
        probe(r#""httpGet":{"port":1,"httpHeaders":[{"name":"a b","value":"c"}]}"#),
    ] {
        let result = nowhere.ask(&probe).await;
        assert!(matches!(result, Err(Failing::Bad(_))), "{result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_or_has_nothing_left_makes_nobody_unfit() {
    let exec = probe(r#""exec":{"command":["test"]}"#);
    for (answer, is_unasked) in [
        (None, true),
        (Some(Error::io("cannot fork: no process is left")), true),
        (Some(Error::io("`test` is no program").permanent()), false),
        (Some(Error::not_found("it does not run")), false),
    ] {
        let result = target_of(Arc::new(Answers(answer.clone())), 1).ask(&exec).await;
        match result {
            Err(Failing::Unasked(_)) => assert!(is_unasked, "{answer:?}"),
            Err(Failing::Bad(_)) => assert!(!is_unasked, "{answer:?}"),
            Ok(()) => panic!("{answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_is_no_fault_of_the_instance() {
    let nameless = Target {
        lookups: nameless(),
        ..target(1)
    };
    for check in [
        r#""tcpSocket":{"host":"db.example","port":1}"#,
        r#""httpGet":{"host":"db.example","port":1}"#,
    ] {
        let result = nameless.ask(&probe(check)).await;
        assert!(
            matches!(&result, Err(Failing::Unasked(why)) if why.contains("`db.example` cannot be found")),
            "{result:?}"
        );
    }
}
