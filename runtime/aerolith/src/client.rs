//! The client's side of the API: one request per connection, over the daemon's socket.

use std::io;
use std::path::PathBuf;

use aerolith_api::{Failure, Reason};
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::UnixStream;

/// The daemon, or why it cannot be reached.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    socket: PathBuf,
}

/// Nobody answers on the socket.
#[derive(Debug, thiserror::Error)]
#[error("the daemon cannot be reached at {socket}: {source}")]
pub(crate) struct Unreachable {
    socket: PathBuf,
    source: io::Error,
}

impl Unreachable {
    pub(crate) fn hint(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::PermissionDenied => "only the socket's owner and group may connect; try it as root",
            _ => "start it with `aerolith run`, or name its socket with --socket",
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    error: Failure,
}

impl Client {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Asks, and reads the whole answer as JSON.
    pub(crate) async fn json(&self, method: Method, target: &str) -> anyhow::Result<Value> {
        self.send(method, target, String::new()).await
    }

    /// Asks with a body, and reads the whole answer as JSON.
    pub(crate) async fn send(&self, method: Method, target: &str, body: String) -> anyhow::Result<Value> {
        let answer = self.open(method, target, body).await?;
        let bytes = answer
            .into_body()
            .collect()
            .await
            .context("the daemon hung up within its answer")?
            .to_bytes();
        serde_json::from_slice(&bytes).context("the daemon's answer is not JSON")
    }

    /// Asks for a stream, which the daemon ends or nobody.
    pub(crate) async fn stream(&self, target: &str) -> anyhow::Result<Incoming> {
        Ok(self.open(Method::GET, target, String::new()).await?.into_body())
    }

    async fn open(&self, method: Method, target: &str, body: String) -> anyhow::Result<Response<Incoming>> {
        let connected = UnixStream::connect(&self.socket).await;
        let stream = connected.map_err(|source| Unreachable {
            socket: self.socket.clone(),
            source,
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its errors show in the answer too.
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(target).header(HOST, "aerolith");
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::from(body))?;
        let answer = sender.send_request(request).await.context("the daemon hung up")?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(refusal(answer).await)
        }
    }
}

async fn refusal(answer: Response<Incoming>) -> anyhow::Error {
    let status = answer.status();
    let body = match answer.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return error.into(),
    };
    let failure = serde_json::from_slice(&body).map(|Envelope { error }| error);
    failure
        .unwrap_or_else(|_| Failure::new(Reason::Internal, format!("the daemon answers {status}")))
        .into()
}

/// The next bytes of a stream; nothing at its end.
pub(crate) async fn next(stream: &mut Incoming) -> anyhow::Result<Option<Bytes>> {
    while let Some(frame) = stream.frame().await {
        if let Ok(bytes) = frame.context("the daemon hung up")?.into_data() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// A text as part of a path or a query (RFC 3986, 2.1).
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => quoted.push(char::from(byte)),
            other => quoted.push_str(&format!("%{other:02X}")),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_an_address_is_quoted() {
        assert_eq!(quoted("app/+/#"), "app%2F%2B%2F%23");
        assert_eq!(quoted("weather-1.2_x~"), "weather-1.2_x~");
        assert_eq!(quoted("ü?"), "%C3%BC%3F");
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_there_is_named_with_its_socket() {
        let client = Client::new("/nowhere/a.sock".into());
        let error = client.json(Method::GET, "/healthz").await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the daemon cannot be reached at /nowhere/a.sock: "),
            "{error}"
        );
        assert!(error.downcast::<Unreachable>().unwrap().hint().contains("aerolith run"));
    }
}
