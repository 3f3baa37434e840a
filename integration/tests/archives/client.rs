//! Clients that hash what they get and hold none of it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use sha2::{Digest as _, Sha256};

use crate::bytes::{hex, sha256_of, size_of};
use crate::source::PATIENCE;

/// What came.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub bytes: u64,
    pub sha256: String,
    /// As many bytes as were announced.
    pub whole: bool,
    /// The first of them, where it is no archive.
    pub text: String,
}

/// An answer on its way.
pub struct Download {
    stream: TcpStream,
    fetched: Fetched,
    hash: Sha256,
    announced: Option<u64>,
    chunked: bool,
    ahead: Vec<u8>,
}

impl Fetched {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }

    /// It is the archive of that path, every byte of it.
    #[track_caller]
    pub fn is_archive(&self, path: &str) {
        let path = path.split('?').next().unwrap_or_default();
        let size = size_of(path).map(|size| size as u64);
        let got = (self.status, self.whole, Some(self.bytes));
        assert_eq!(got, (200, true, size), "{path}: {self:?}");
        assert_eq!(self.sha256, sha256_of(path), "{path}");
    }

    /// It came from the disk.
    #[track_caller]
    pub fn is_hit(&self) {
        assert_eq!(
            self.header("cache-status"),
            "goproxy-wasm; hit; detail=disk"
        );
    }

    /// It did not.
    #[track_caller]
    pub fn is_miss(&self) {
        let status = self.header("cache-status");
        assert_eq!(status, "goproxy-wasm; fwd=uri-miss; fwd-status=200");
    }
}

/// GET on a connection of its own.
pub fn fetch(address: SocketAddr, path: &str) -> Fetched {
    fetch_with(address, path, &[])
}

pub fn fetch_with(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Fetched {
    let download = Download::start(address, "GET", path, headers);
    download
        .unwrap_or_else(|error| panic!("{path}: {error}"))
        .finish()
}

impl Download {
    /// Asks, and reads the head of the answer.
    ///
    /// # Errors
    /// None came.
    pub fn start(
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let fields = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        let fields: String = fields.collect();
        let host = if headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            ""
        } else {
            "Host: gateway.example\r\n"
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{fields}\r\n"
        )?;
        let mut head = Vec::new();
        let mut piece = [0; 4096];
        let end = loop {
            if let Some(at) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            match stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                got => head.extend_from_slice(&piece[..got]),
            }
        };
        let ahead = head.split_off(end + 4);
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.lines();
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let fields = lines.filter_map(|line| line.split_once(':'));
        let headers =
            fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let fetched = Fetched {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            headers: headers.collect(),
            bytes: 0,
            sha256: String::new(),
            whole: false,
            text: String::new(),
        };
        let announced = fetched.header("content-length").parse().ok();
        let announced = if method == "HEAD" { Some(0) } else { announced };
        let chunked = fetched.header("transfer-encoding") == "chunked";
        Ok(Self {
            stream,
            fetched,
            hash: Sha256::new(),
            announced,
            chunked,
            ahead,
        })
    }

    /// Reads until so many bytes have come; fewer if the answer ends before.
    pub fn read_to(&mut self, bytes: u64) -> &mut Self {
        let mut piece = vec![0; 256 * 1024];
        let ahead = std::mem::take(&mut self.ahead);
        self.take(&ahead);
        while self.fetched.bytes < bytes {
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => break,
                Ok(got) => self.take(&piece[..got]),
            }
        }
        self
    }

    fn take(&mut self, bytes: &[u8]) {
        self.fetched.bytes += bytes.len() as u64;
        self.hash.update(bytes);
        if self.fetched.status != 200 && self.fetched.text.len() < 2000 {
            let text = &bytes[..bytes.len().min(2000)];
            self.fetched.text.push_str(&String::from_utf8_lossy(text));
        }
    }

    /// The rest.
    pub fn finish(mut self) -> Fetched {
        self.read_to(self.announced.unwrap_or(u64::MAX));
        let mut fetched = self.fetched;
        // Chunks are only taken apart as far as a test needs: whether the last one came.
        fetched.whole = match self.announced {
            Some(bytes) => fetched.bytes == bytes,
            None => self.chunked && fetched.text.ends_with("0\r\n\r\n"),
        };
        fetched.sha256 = hex(self.hash);
        fetched
    }
}
