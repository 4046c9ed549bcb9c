//! The daemon's API over its socket, as far as a test must know when it listens.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks, and reads the answer to its end.
pub(crate) fn get(socket: &Path, target: &str) -> std::io::Result<serde_json::Value> {
    Ok(ask_for(socket, "GET", target)?.1)
}

/// Asks with a method, and reads the status and the answer to its end.
pub(crate) fn ask_for(socket: &Path, method: &str, target: &str) -> std::io::Result<(u16, serde_json::Value)> {
    let mut stream = BufReader::new(ask(socket, method, target)?);
    let Head { status, length } = head(&mut stream)?;
    let mut body = vec![0; length.unwrap_or_default()];
    stream.read_exact(&mut body)?;
    Ok((status, serde_json::from_slice(&body)?))
}

/// The events from now on: the daemon listens for us when this returns.
pub(crate) struct Events(BufReader<UnixStream>);

impl Events {
    pub(crate) fn listen(socket: &Path, filter: &str) -> std::io::Result<Self> {
        let filter = filter.replace('#', "%23").replace('+', "%2B");
        let mut stream = BufReader::new(ask(socket, "GET", &format!("/v1/events?filter={filter}"))?);
        head(&mut stream)?;
        Ok(Self(stream))
    }

    /// Gives up after so long from now on when nothing comes.
    pub(crate) fn patient_for(self, time: Duration) -> std::io::Result<Self> {
        self.0.get_ref().set_read_timeout(Some(time))?;
        Ok(self)
    }

    /// The next event; an error when the daemon ends or nothing comes.
    pub(crate) fn next(&mut self) -> std::io::Result<serde_json::Value> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            // Between the lines of events stand the sizes of their chunks.
            if let Ok(event @ serde_json::Value::Object(_)) = serde_json::from_str(&line) {
                return Ok(event);
            }
        }
    }
}

fn ask(socket: &Path, method: &str, target: &str) -> std::io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: aerolith\r\n\r\n")?;
    Ok(stream)
}

/// What the head of an answer says.
struct Head {
    status: u16,
    /// Of the body, where it is told.
    length: Option<usize>,
}

fn head(stream: &mut BufReader<UnixStream>) -> std::io::Result<Head> {
    let mut first = String::new();
    stream.read_line(&mut first)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let mut length = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Ok(Head { status, length });
        }
        if let Some(told) = line.strip_prefix("content-length:") {
            length = told.trim().parse().ok();
        }
    }
}

/// Sends a request with a body, and answers the status code, with the answer where it is one.
pub(crate) fn send(socket: &Path, method: &str, target: &str, body: &str) -> std::io::Result<(u16, serde_json::Value)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: aerolith\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut stream = BufReader::new(stream);
    let Head { status, length } = head(&mut stream)?;
    let mut answer = vec![0; length.unwrap_or_default()];
    stream.read_exact(&mut answer)?;
    Ok((status, serde_json::from_slice(&answer).unwrap_or_default()))
}
