//! An HTTP/1.1 server that answers as a test says, wrong answers included.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A server on a port of its own; its threads end with the test.
pub struct Stub {
    address: SocketAddr,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Names in lower case, in the order that they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Say {
    /// Status, content type, body.
    Answer(u16, &'static str, Vec<u8>),
    /// Bytes as they are, and the end of the connection.
    Raw(Vec<u8>),
    /// The same with so long a pause before each byte.
    Drip(Vec<u8>, Duration),
    /// Nothing, until the client leaves.
    Hang,
}

impl Stub {
    pub fn start(answer: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), answer)
    }

    /// The same at an address that was known before.
    pub fn start_at(
        address: SocketAddr,
        answer: impl Fn(&Asked) -> Say + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("its address");
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    while let Some(asked) = read(&stream) {
                        // A client that has left ends the connection like any other end.
                        if !say(&stream, answer(&asked)).unwrap_or(false) {
                            return;
                        }
                    }
                });
            }
        });
        Self { address }
    }

    pub fn addr(&self) -> SocketAddr {
        self.address
    }
}

impl Asked {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Tells whether the connection goes on.
fn say(mut stream: &TcpStream, what: Say) -> std::io::Result<bool> {
    match what {
        Say::Answer(status, content_type, body) => {
            let head = format!(
                "HTTP/1.1 {status} Status\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.as_bytes(), &body].concat())?;
            return Ok(true);
        }
        Say::Raw(bytes) => stream.write_all(&bytes)?,
        Say::Drip(bytes, pause) => {
            for byte in bytes {
                std::thread::sleep(pause);
                stream.write_all(&[byte])?;
            }
        }
        Say::Hang => drop(stream.read(&mut [0])?),
    }
    stream.shutdown(std::net::Shutdown::Both)?;
    Ok(false)
}

fn read(mut stream: &TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Some(0), |(_, value)| value.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        path,
        headers,
        body,
    })
}
