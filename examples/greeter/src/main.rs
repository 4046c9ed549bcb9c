//! Greets whoever connects over HTTP: `greeter --port N`. It reads its greeting from a file beside itself.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let port: u16 = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "--port", port] => port.parse()?,
        _ => return Err("usage: greeter --port N".into()),
    };
    let beside = std::env::current_exe()?.with_file_name("greeting.txt");
    let greeting = std::fs::read_to_string(beside)?;
    let service = std::env::var("BAETYL_SERVICE_NAME").unwrap_or_else(|_| "nobody".into());
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("greeting on {}", listener.local_addr()?);
    for socket in listener.incoming() {
        // A client that leaves early is no reason to end.
        let _ = answer(socket?, &format!("{} I am {service}.\n", greeting.trim()));
    }
    Ok(())
}

fn answer(mut socket: TcpStream, body: &str) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let read = socket.read(&mut request)?;
    println!(
        "{}",
        String::from_utf8_lossy(&request[..read])
            .lines()
            .next()
            .unwrap_or_default()
    );
    write!(
        socket,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
