//! A file server on loopback for the demo's packages.

use anyhow::Result;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

/// Serves the files of one folder until the program ends.
pub(super) struct Server(SocketAddr);

impl Server {
    pub(super) fn start(folder: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                // A client that leaves early is its own affair.
                let _ = serve(socket, &folder);
            }
        });
        Ok(Self(address))
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.0
    }
}

fn serve(mut socket: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(socket.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let name = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
    let plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    match plain.then(|| std::fs::read(folder.join(name))) {
        Some(Ok(bytes)) => {
            write!(
                socket,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                bytes.len()
            )?;
            socket.write_all(&bytes)
        }
        _ => write!(
            socket,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
    }
}
