//! An HTTP server whose every answer a test decides: good, broken or hostile. One request per connection, many at a time.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Requests for the same path that came before.
    pub(crate) number: usize,
    pub(crate) path: String,
    /// Request line and headers in lower case.
    pub(crate) head: String,
    pub(crate) at: Instant,
}

impl Request {
    /// Where it wants to go on; nothing when it wants everything.
    pub(crate) fn offset(&self) -> Option<usize> {
        let range = self.head.lines().find_map(|line| line.strip_prefix("range: bytes="))?;
        range.trim_end_matches('-').parse().ok()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    head: String,
    body: Vec<u8>,
    then: Then,
}

/// What follows the body.
#[derive(Debug, Clone, Copy)]
enum Then {
    Close,
    Reset,
    Stall,
    /// A byte again and again, with so much time in between.
    Repeat(Duration),
}

impl Reply {
    /// Status and headers, each behind a line break, and the body; its length is told unless the headers tell another.
    pub(crate) fn new(head: &str, body: &[u8]) -> Self {
        let length = if head.contains("Content-Length") {
            String::new()
        } else {
            format!("\nContent-Length: {}", body.len())
        };
        Self {
            head: format!("HTTP/1.1 {head}{length}\nConnection: close\n\n").replace('\n', "\r\n"),
            body: body.to_vec(),
            then: Then::Close,
        }
    }

    /// Without a length: the body ends where the connection does.
    pub(crate) fn unbounded(head: &str) -> Self {
        Self {
            head: format!("HTTP/1.1 {head}\nConnection: close\n\n").replace('\n', "\r\n"),
            body: Vec::new(),
            then: Then::Close,
        }
    }

    /// Nothing at all.
    pub(crate) fn silence() -> Self {
        Self {
            head: String::new(),
            body: Vec::new(),
            then: Then::Stall,
        }
    }

    /// The body ends behind so many bytes, whatever was announced.
    pub(crate) fn cut_at(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }

    /// Resets the connection (RFC 9293, section 3.10.7) instead of ending it.
    pub(crate) fn then_reset(self) -> Self {
        self.then(Then::Reset)
    }

    /// Keeps the connection until the client gives up.
    pub(crate) fn then_stall(self) -> Self {
        self.then(Then::Stall)
    }

    pub(crate) fn then_trickle(self, pause: Duration) -> Self {
        self.then(Then::Repeat(pause))
    }

    fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

/// The answer of a good server: everything or the rest, with an entity tag.
pub(crate) fn good(content: &[u8], tag: &str, request: &Request) -> Reply {
    let changed = request.head.contains("if-range: ") && !request.head.contains(&format!("if-range: \"{tag}\""));
    let size = content.len();
    match request.offset().filter(|_| !changed) {
        Some(offset) if offset >= size => Reply::new(
            &format!("416 Range Not Satisfiable\nContent-Range: bytes */{size}"),
            b"",
        ),
        Some(offset) => {
            let range = format!("bytes {offset}-{}/{size}", size - 1);
            let head = format!("206 Partial Content\nETag: \"{tag}\"\nContent-Range: {range}");
            Reply::new(&head, &content[offset..])
        }
        None => Reply::new(&format!("200 OK\nETag: \"{tag}\""), content),
    }
}

type Asked = Arc<(Mutex<Vec<Request>>, Condvar)>;

/// A server for as long as the test runs.
pub(crate) struct Depot {
    address: SocketAddr,
    asked: Asked,
}

impl Depot {
    pub(crate) fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).unwrap(), Ok, answer)
    }

    /// On a socket that listens, over something that wraps its connections; one that cannot be wrapped is dropped.
    pub(crate) fn on<S: std::io::Read + Write + Send + 'static>(
        listener: TcpListener,
        wrap: impl Fn(TcpStream) -> std::io::Result<S> + Send + Sync + 'static,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (address, asked) = (listener.local_addr().unwrap(), Asked::default());
        let (noted, shared) = (asked.clone(), Arc::new((wrap, answer)));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (noted, shared) = (noted.clone(), shared.clone());
                // A client that leaves early is its own affair.
                std::thread::spawn(move || {
                    let plain = socket.try_clone()?;
                    serve(shared.0(socket)?, &plain, &noted, &shared.1)
                });
            }
        });
        Self { address, asked }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.0.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub(crate) fn until_asked(&self, times: usize) {
        let (lock, news) = &*self.asked;
        let waited = news.wait_timeout_while(lock.lock().unwrap(), super::socket::PATIENCE, |asked| {
            asked.len() < times
        });
        let (asked, waited) = waited.unwrap();
        assert!(!waited.timed_out(), "only {asked:?}");
    }
}

fn serve(
    stream: impl std::io::Read + Write,
    socket: &TcpStream,
    (lock, news): &(Mutex<Vec<Request>>, Condvar),
    answer: &impl Fn(&Request) -> Reply,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
    let request = {
        let mut asked = lock.lock().unwrap();
        let number = asked.iter().filter(|earlier| earlier.path == path).count();
        let head = head.to_lowercase();
        let at = Instant::now();
        asked.push(Request { number, path, head, at });
        news.notify_all();
        asked[asked.len() - 1].clone()
    };
    let reply = answer(&request);
    stream.get_mut().write_all(reply.head.as_bytes())?;
    stream.get_mut().write_all(&reply.body)?;
    stream.get_mut().flush()?;
    match reply.then {
        Then::Close => {}
        Then::Reset => rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO))?,
        Then::Stall => drop(stream.read_to_end(&mut Vec::new())),
        Then::Repeat(pause) => loop {
            #[allow(clippy::disallowed_methods, reason = "a slow server, not a wait for something")]
            std::thread::sleep(pause);
            stream.get_mut().write_all(b"x")?;
        },
    }
    Ok(())
}
