//! An HTTP/1.1 client that sends any bytes and tells whether an answer came whole.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::PATIENCE;

/// A connection to a gateway.
pub struct Connection {
    stream: TcpStream,
    /// What was read and belongs to no answer yet.
    ahead: Vec<u8>,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    /// In the order that they came, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// As many bytes as were announced, or the last chunk, or the end of a connection that announced nothing.
    pub whole: bool,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream,
            ahead: Vec::new(),
        }
    }

    /// Nothing is waited for longer than this.
    pub fn hurry(&self, patience: Duration) {
        self.stream
            .set_read_timeout(Some(patience))
            .expect("a timeout");
    }

    /// Sends bytes as they are. A gateway that has closed the connection already is no error: its answer may be there.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends a GET with these header lines.
    pub fn ask(&mut self, path: &str, headers: &[(&str, &str)]) {
        self.send(&request("GET", path, headers));
    }

    /// Reads one answer; `head` where the request was HEAD.
    ///
    /// # Errors
    /// None came: the connection ended, or nothing came for [`PATIENCE`].
    pub fn answer(&mut self, head: bool) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                break at;
            }
            if self.more()? == 0 {
                let got = String::from_utf8_lossy(&self.ahead).into_owned();
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the connection ended, {got:?} was there"),
                ));
            }
        };
        let rest = self.ahead.split_off(end + 4);
        let lines = std::mem::replace(&mut self.ahead, rest);
        let mut answer = parse_head(&lines)?;
        if (100..200).contains(&answer.status) {
            return self.answer(head);
        }
        if !head && answer.status != 304 && answer.status != 204 {
            self.body(&mut answer)?;
        }
        Ok(answer)
    }

    fn body(&mut self, answer: &mut Answer) -> io::Result<()> {
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.whole = self.chunks(&mut answer.body)?;
            return Ok(());
        }
        let length = answer
            .header("content-length")
            .and_then(|text| text.parse::<usize>().ok());
        let wanted = length.unwrap_or(usize::MAX);
        answer.whole = self.read_to(wanted)? || length.is_none();
        let rest = self.ahead.split_off(wanted.min(self.ahead.len()));
        answer.body = std::mem::replace(&mut self.ahead, rest);
        Ok(())
    }

    /// Tells whether the last chunk came.
    fn chunks(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            let line = loop {
                if let Some(at) = find(&self.ahead, b"\r\n") {
                    break at;
                }
                if self.more()? == 0 {
                    return Ok(false);
                }
            };
            let text = String::from_utf8_lossy(&self.ahead[..line]).into_owned();
            let size = usize::from_str_radix(text.split(';').next().unwrap_or(""), 16)
                .map_err(io::Error::other)?;
            let whole = self.read_to(line + 2 + size + 2)?;
            let end = (line + 2 + size).min(self.ahead.len());
            body.extend_from_slice(&self.ahead[line + 2..end]);
            if !whole {
                return Ok(false);
            }
            self.ahead.drain(..line + 2 + size + 2);
            if size == 0 {
                return Ok(true);
            }
        }
    }

    /// Reads until so many bytes are there; tells whether they are.
    fn read_to(&mut self, size: usize) -> io::Result<bool> {
        while self.ahead.len() < size {
            if self.more()? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A reset ends a connection like any other end.
    fn more(&mut self) -> io::Result<usize> {
        let mut piece = [0; 64 * 1024];
        let got = match self.stream.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            other => other?,
        };
        self.ahead.extend_from_slice(&piece[..got]);
        Ok(got)
    }
}

impl Answer {
    /// The first header of that name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The names of all headers, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = if self.whole { "whole" } else { "short" };
        write!(f, "{} ({} bytes, {whole})", self.status, self.body.len())?;
        for (name, value) in &self.headers {
            write!(f, "\n  {name}: {}", value.escape_ascii())?;
        }
        let start = &self.body[..self.body.len().min(700)];
        write!(f, "\n  {}", start.escape_ascii())
    }
}

/// A request as it goes over the wire. A `host` among the headers replaces the usual one.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        text.push_str("Host: gateway.example\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// GET on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    get_with(address, path, &[])
}

/// The same, with header lines.
pub fn get_with(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    exchange(address, &request("GET", path, headers))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// HEAD on a connection of its own.
pub fn head(address: SocketAddr, path: &str) -> Answer {
    let mut connection = Connection::open(address);
    connection.send(&request("HEAD", path, &[]));
    connection
        .answer(true)
        .unwrap_or_else(|error| panic!("HEAD {path}: {error}"))
}

/// Any bytes on a connection of their own, and the first answer to them.
///
/// # Errors
/// As [`Connection::answer`].
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Answer> {
    let mut connection = Connection::open(address);
    connection.send(bytes);
    connection.answer(false)
}

fn parse_head(lines: &[u8]) -> io::Result<Answer> {
    let mut lines = lines
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let status = first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no status line: {first:?}")))?;
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        Some((name, line[colon + 1..].trim_ascii().to_vec()))
    });
    Ok(Answer {
        status,
        headers: headers.collect(),
        body: Vec::new(),
        whole: true,
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
