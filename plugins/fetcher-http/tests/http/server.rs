//! A real HTTP server whose answers a test writes, byte by byte. One request per connection, one connection at a time.

use aerolith_plugin::testing::Host;
use aerolith_plugin::wire::fetcher::{Client, Fetch, Fetched, Head, channel};
use aerolith_plugin::{Error, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter as _;

/// What goes over the line.
pub(crate) struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

/// What follows the bytes.
enum Then {
    Close,
    /// Nothing, until the client gives up.
    Stall,
    /// The same piece again and again, with so much time in between.
    Repeat(Vec<u8>, Duration),
}

/// An answer: status line and headers, each ended by a line break, and the body.
pub(crate) fn reply(head: &str, body: &[u8]) -> Reply {
    let mut bytes = format!("HTTP/1.1 {}\nConnection: close\n\n", head.trim())
        .replace('\n', "\r\n")
        .into_bytes();
    bytes.extend_from_slice(body);
    raw(bytes)
}

/// Whatever these bytes are.
pub(crate) fn raw(bytes: Vec<u8>) -> Reply {
    Reply {
        bytes,
        then: Then::Close,
    }
}

/// An answer with the length of its body.
pub(crate) fn sized(head: &str, body: &[u8]) -> Reply {
    reply(&format!("{head}\nContent-Length: {}", body.len()), body)
}

impl Reply {
    pub(crate) fn then_stall(self) -> Self {
        Self {
            then: Then::Stall,
            ..self
        }
    }

    /// Goes on as fast as it can.
    pub(crate) fn then_for_ever(self) -> Self {
        self.then_repeat(vec![b'x'; 64 * 1024], Duration::ZERO)
    }

    pub(crate) fn then_repeat(self, piece: Vec<u8>, pause: Duration) -> Self {
        Self {
            then: Then::Repeat(piece, pause),
            ..self
        }
    }
}

/// A server on a port of its own, as long as the test runs.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers the requests with what `answer` makes of their number, from 0, and their head.
    pub(crate) fn new(answer: impl Fn(usize, &str) -> Reply + Send + 'static) -> Self {
        Self::over(Ok, answer)
    }

    /// The same over something that wraps connections; one that cannot be wrapped is dropped.
    pub(crate) fn over<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> std::io::Result<S> + Send + 'static,
        answer: impl Fn(usize, &str) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = seen.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten().flat_map(wrap) {
                let Some(head) = read_head(&mut stream) else { continue };
                let number = noted.lock().unwrap().len();
                noted.lock().unwrap().push(head.clone());
                serve(&mut stream, &answer(number, &head));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The heads of the requests so far, in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

pub(crate) fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).to_lowercase())
}

/// A client that goes away early is no fault of the server.
fn serve(stream: &mut (impl Read + Write), reply: &Reply) {
    let mut sent = stream.write_all(&reply.bytes).and_then(|()| stream.flush());
    match &reply.then {
        Then::Close => {}
        Then::Stall => drop(stream.read_to_end(&mut Vec::new())),
        Then::Repeat(piece, pause) => {
            while sent.is_ok() {
                #[allow(clippy::disallowed_methods, reason = "a slow server, not a wait for something")]
                std::thread::sleep(*pause);
                sent = stream.write_all(piece).and_then(|()| stream.flush());
            }
        }
    }
}

/// Where everything is logged that plugin and libraries have to say, for a plugin that is linked in shares our log.
fn log() -> &'static Mutex<Vec<u8>> {
    static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(|| LOG.make_writer())
            .init();
    });
    &LOG
}

/// What came of a fetch.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) head: Option<Head>,
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) end: Result<Fetched>,
    /// All that any test of this process has logged so far.
    pub(crate) log: String,
}

impl Got {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    pub(crate) fn offset(&self) -> u64 {
        self.head.as_ref().unwrap().offset
    }

    pub(crate) fn error(self) -> Error {
        self.end.unwrap_err()
    }
}

/// Fetches through the plugin's boundary, with room for one item only.
pub(crate) fn fetch_with(config: &str, request: &Fetch) -> Got {
    let log = log();
    let host = Host::new();
    let client = Client(host.instance(fetcher_http::aerolith_root(), "http", config).unwrap());
    let (sink, mut download) = channel(1);
    let read = async {
        let head = download.head().await.unwrap();
        let mut pieces = Vec::new();
        while let Some(piece) = download.piece().await.unwrap() {
            pieces.push(piece.into_vec());
        }
        (head, pieces)
    };
    let (end, (head, pieces)) = host.block_on(async { tokio::join!(client.fetch(request, sink), read) });
    let log = String::from_utf8_lossy(&log.lock().unwrap()).into_owned();
    Got { head, pieces, end, log }
}

/// The same with default configuration.
pub(crate) fn fetch(request: &Fetch) -> Got {
    fetch_with("{}", request)
}

/// A fetch of everything.
pub(crate) fn whole(url: String) -> Fetch {
    Fetch {
        url,
        ..Fetch::default()
    }
}

/// A fetch of everything, with headers that are secret.
pub(crate) fn with_token(url: String) -> Fetch {
    let headers = [("x-bce-security-token", "t0ken"), ("Authorization", "Bearer t0ken")];
    Fetch {
        url,
        headers: headers.map(|(k, v)| (k.into(), v.into())).into(),
        ..Fetch::default()
    }
}
