//! A file server on loopback that can hold a download at a byte until the test lets it go.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Most bytes sent at once.
const PIECE: usize = 4096;

#[derive(Default)]
struct Shelf {
    files: BTreeMap<String, Vec<u8>>,
    asked: Vec<String>,
    /// No download goes past so many bytes.
    hold: Option<usize>,
    /// Some download has come that far.
    held: bool,
}

/// Serves until the test ends.
pub(crate) struct Server {
    address: SocketAddr,
    shelf: Arc<(Mutex<Shelf>, Condvar)>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shelf: Arc<(Mutex<Shelf>, Condvar)> = Arc::default();
        let shared = shelf.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shelf = shared.clone();
                // A client that leaves early is its own affair.
                std::thread::spawn(move || serve(socket, &shelf).ok());
            }
        });
        Self { address, shelf }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Offers a file, and answers its URL.
    pub(crate) fn offer(&self, name: &str, bytes: Vec<u8>) -> String {
        self.shelf.0.lock().unwrap().files.insert(name.into(), bytes);
        self.url(name)
    }

    /// The names asked for, in their order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shelf.0.lock().unwrap().asked.clone()
    }

    /// Lets no download go past so many bytes.
    pub(crate) fn hold_at(&self, bytes: usize) {
        let mut shelf = self.shelf.0.lock().unwrap();
        (shelf.hold, shelf.held) = (Some(bytes), false);
    }

    /// Waits until a download is held; answers whether one was within the time.
    pub(crate) fn until_held(&self, within: std::time::Duration) -> bool {
        let (lock, news) = &*self.shelf;
        let shelf = lock.lock().unwrap();
        let waited = news.wait_timeout_while(shelf, within, |shelf| !shelf.held).unwrap();
        waited.0.held
    }

    pub(crate) fn release(&self) {
        self.shelf.0.lock().unwrap().hold = None;
        self.shelf.1.notify_all();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.release();
    }
}

fn serve(mut socket: TcpStream, shelf: &(Mutex<Shelf>, Condvar)) -> std::io::Result<()> {
    let mut lines = BufReader::new(socket.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let name = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
    let found = {
        let mut shelf = shelf.0.lock().unwrap();
        shelf.asked.push(name.to_owned());
        shelf.files.get(name).cloned()
    };
    let Some(bytes) = found else {
        return socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let length = bytes.len();
    write!(
        socket,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    let mut sent = 0;
    while sent < length {
        let end = pass(shelf, sent).min(sent + PIECE).min(length);
        socket.write_all(&bytes[sent..end])?;
        sent = end;
    }
    Ok(())
}

/// Waits while a download is to be held where it is; answers how far it may go.
fn pass((lock, news): &(Mutex<Shelf>, Condvar), sent: usize) -> usize {
    let mut shelf = lock.lock().unwrap();
    while let Some(hold) = shelf.hold {
        if sent < hold {
            return hold;
        }
        shelf.held = true;
        news.notify_all();
        shelf = news.wait(shelf).unwrap();
    }
    usize::MAX
}
