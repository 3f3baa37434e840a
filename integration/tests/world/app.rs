//! A second application behind the same listener: it keeps every byte that it is sent, and answers with headers of all kinds.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use super::PATIENCE;

/// What the application answers to everything.
pub const ANSWER: &str = "HTTP/1.1 299 Odd\r\nServer: the app\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nCache-Control: private\r\n\
    X-Goproxy-Upstream: mine\r\nX-Odd: \u{ff}\r\nContent-Type: text/x-odd\r\nContent-Length: 5\r\n\r\nhello";

/// An application on a port of its own; its threads end with the test.
pub struct App {
    address: SocketAddr,
    requests: Receiver<Request>,
}

/// One request as it came.
#[derive(Debug)]
pub struct Request {
    /// Request line and headers, a line each, sorted but for the first.
    pub head: Vec<String>,
    pub body: Vec<u8>,
}

impl App {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    while let Some(request) = read(&stream) {
                        // Nobody may be left who asks.
                        let _ = sender.send(request);
                        if (&stream).write_all(ANSWER.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request.
    pub fn request(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("a request")
    }

    /// Whether nothing came that was not taken yet.
    pub fn is_quiet(&self) -> bool {
        self.requests.try_recv().is_err()
    }
}

fn read(mut stream: &TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = head.escape_ascii().to_string();
    let mut lines: Vec<String> = text
        .split("\\r\\n")
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    lines[1..].sort_unstable();
    let field = |name: &str| {
        let found = lines.iter().find_map(|line| line.strip_prefix(name));
        found.map(|value| value.trim().to_owned())
    };
    let body = match (field("content-length:"), field("transfer-encoding:")) {
        (Some(length), _) => {
            let mut body = vec![0; length.parse().ok()?];
            stream.read_exact(&mut body).ok()?;
            body
        }
        (None, Some(_)) => {
            let mut body = Vec::new();
            while !body.ends_with(b"0\r\n\r\n") {
                stream.read_exact(&mut byte).ok()?;
                body.push(byte[0]);
            }
            body
        }
        (None, None) => Vec::new(),
    };
    Some(Request { head: lines, body })
}
