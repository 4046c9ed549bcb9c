//! The questions themselves: a request, a connection, a command.

use std::io;
use std::net::{IpAddr, SocketAddr};

use aerolith_model::{CUT, Check, HttpGet};
use aerolith_plugin_wire::Code;
use aerolith_plugin_wire::engine::Exec;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::view;
use crate::plugins::Engine;

/// So much of an answer is read, and no more.
const BODY: usize = 64 * 1024;
/// The longest head of an answer, in bytes and in headers.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 100;
/// So much of what a command wrote is told.
const OUTPUT: usize = 200;
const AGENT: &str = concat!("aerolith-probe/", env!("CARGO_PKG_VERSION"));

/// Why an answer is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failing {
    /// The instance does not answer as it should.
    Bad(String),
    /// It could not be asked, through no fault of its own.
    Unasked(String),
}

/// A check, in a few words.
pub(super) fn words(check: &Check) -> String {
    match check {
        Check::Http(get) => format!("GET {}", get.shown_path()),
        Check::Tcp(_) => "connecting".into(),
        Check::Exec(exec) => format!("`{}`", shown(&exec.command)),
    }
}

/// The program of a command. Its other words may hold a password.
fn shown(command: &[String]) -> String {
    match command {
        [program] => program.clone(),
        [program, ..] => format!("{program} {CUT}"),
        [] => String::new(),
    }
}

/// Who is asked, by the name that he was given.
pub(super) struct Place<'a> {
    pub(super) host: &'a str,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) port: u16,
}

/// Whether a connection is taken.
pub(super) async fn tcp(place: &Place<'_>) -> Result<(), Failing> {
    connect(place).await.map(drop)
}

async fn connect(place: &Place<'_>) -> Result<TcpStream, Failing> {
    let Place { host, addresses, port } = place;
    let all: Vec<_> = addresses
        .iter()
        .map(|address| SocketAddr::new(*address, *port))
        .collect();
    let connected = TcpStream::connect(all.as_slice()).await;
    connected.map_err(|error| {
        let reason = format!("connecting to {host}:{port} failed: {error}");
        if is_our_own(&error) {
            Failing::Unasked(reason)
        } else {
            Failing::Bad(reason)
        }
    })
}

/// Whether it is this daemon that has no descriptor, port or memory left.
fn is_our_own(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    let ours = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::ADDRNOTAVAIL,
    ];
    number.is_some_and(|number| ours.contains(&number))
}

/// Whether a request is answered with a status from 200 to 399, which is not followed anywhere.
pub(super) async fn http(get: &HttpGet, place: &Place<'_>) -> Result<(), Failing> {
    let request = request(get, place.host, place.port)?;
    let stream = connect(place).await?;
    let failed = |error: hyper::Error| Failing::Bad(format!("GET {} failed: {error}", get.shown_path()));
    let mut client = http1::Builder::new();
    client.max_headers(HEADERS).max_buf_size(HEAD);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(failed)?;
        judge(answer, &get.shown_path()).await
    };
    // What ends the connection is told by the exchange too.
    let connection = async {
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        judged = exchange => judged,
        never = connection => never,
    }
}

fn request(get: &HttpGet, host: &str, port: u16) -> Result<Request<Empty<Bytes>>, Failing> {
    let wrong = |what: &str| Failing::Bad(format!("{what} cannot be sent over HTTP: change the probe"));
    let path = get.path.strip_prefix('/').unwrap_or(&get.path);
    let request = Request::get(format!("/{path}")).body(Empty::new());
    let mut request = request.map_err(|_| wrong(&format!("path `{}`", get.shown_path())))?;
    let headers = request.headers_mut();
    let place = HeaderValue::try_from(format!("{host}:{port}")).map_err(|_| wrong(&format!("host `{host}`")))?;
    headers.insert(HOST, place);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for header in &get.http_headers {
        let name = HeaderName::try_from(&header.name);
        let value = HeaderValue::try_from(&header.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(wrong(&format!("header `{}`", header.name)));
        };
        headers.insert(name, value);
    }
    Ok(request)
}

/// An answer is good when it comes whole, as far as it is read.
async fn judge(answer: Response<Incoming>, path: &str) -> Result<(), Failing> {
    let status = answer.status();
    if !(200..400).contains(&status.as_u16()) {
        return Err(Failing::Bad(format!("GET {path} was answered {status}")));
    }
    let mut body = answer.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failing::Bad(format!("the answer to GET {path} is cut short: {error}")))?;
        read += frame.data_ref().map_or(0, Bytes::len);
        if read >= BODY {
            break;
        }
    }
    Ok(())
}

/// Whether a command beside the instance ends with 0.
pub(super) async fn exec(engine: &Engine, asked: &Exec) -> Result<(), Failing> {
    let command = shown(&asked.command);
    let done = engine.exec(asked).await.map_err(|error| {
        let reason = format!("`{command}` cannot be run: {error}");
        match error.code {
            // As where the machine has no process or memory left.
            _ if error.retryable => Failing::Unasked(reason),
            Code::Invalid | Code::Io | Code::NotFound => Failing::Bad(reason),
            _ => Failing::Unasked(reason),
        }
    })?;
    if done.exit.code == Some(0) {
        return Ok(());
    }
    let (ended, wrote) = (view::words(&done.exit, None), told(&done.output.0));
    Err(Failing::Bad(format!("`{command}` {ended}{wrote}")))
}

/// The begin of what a command wrote, on one line.
fn told(output: &[u8]) -> String {
    let cut = output.get(..OUTPUT).unwrap_or(output);
    let text = String::from_utf8_lossy(cut);
    let line: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.is_empty() {
        true => String::new(),
        false => format!(": {line}"),
    }
}

#[cfg(test)]
mod tests {
    use aerolith_model::ExecAction;

    use super::*;

    #[test]
    fn of_a_question_only_what_holds_no_secret_is_told() {
        let exec = |words: &[&str]| {
            let command = words.iter().map(ToString::to_string).collect();
            super::words(&Check::Exec(ExecAction { command }))
        };
        assert_eq!(exec(&["redis-cli", "-a", "hush", "ping"]), "`redis-cli …`");
        assert_eq!(exec(&["check"]), "`check`");
        let get: HttpGet = serde_json::from_str(r#"{"path":"/ready?token=hush","port":80}"#).unwrap();
        assert_eq!(super::words(&Check::Http(get)), "GET /ready?…");
    }
}
