//! An upstream with archives of any size: made while they are sent, the same whenever they are asked for. It does what a test
//! says, and tells what it was asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::bytes::{Random, size_of};

/// Nothing that a test waits for takes this long, on a busy machine either.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Dropped or [`Source::stop`]ped, nobody listens at its port any more.
pub struct Source {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    seen: Vec<Seen>,
    plans: Vec<(String, Plan)>,
    connections: Vec<TcpStream>,
    stopped: bool,
    gates_open: bool,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

/// What is done about requests for some paths.
#[derive(Debug, Clone)]
pub enum Plan {
    /// The archive, with these further header lines.
    With(&'static str),
    /// The archive's header, and only so many of its bytes.
    Cut(usize),
    /// So many bytes (for none not even the header), and the rest once [`Source::open_gates`] is called.
    Hold(usize),
    /// In chunks, without a length.
    Chunked,
    /// Whatever it is, with this body: the head's lines behind the status, and the body.
    Say(u16, &'static str, Vec<u8>),
}

impl Source {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State::default());
        let own = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut inner = own.inner.lock().expect("no thread panics");
                if inner.stopped {
                    return;
                }
                let copy = stream.try_clone().expect("a second handle");
                inner.connections.push(copy);
                drop(inner);
                let own = Arc::clone(&own);
                std::thread::spawn(move || own.serve(&stream));
            }
        });
        Self { address, state }
    }

    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, for paths that contain `part`; the last plan that fits counts.
    pub fn plan(&self, part: &str, plan: Plan) {
        self.lock().plans.push((part.to_owned(), plan));
    }

    /// No plan is followed any more.
    pub fn forget_plans(&self) {
        self.lock().plans.clear();
    }

    /// What was held goes on, and nothing is held any more.
    pub fn open_gates(&self) {
        self.lock().gates_open = true;
        self.state.changed.notify_all();
    }

    /// What it was asked for paths that contain `part`.
    pub fn seen(&self, part: &str) -> Vec<Seen> {
        let inner = self.lock();
        let fits = inner.seen.iter().filter(|seen| seen.path.contains(part));
        fits.cloned().collect()
    }

    /// How often it was asked by GET for paths that contain `part`.
    pub fn gets(&self, part: &str) -> usize {
        let seen = self.seen(part);
        seen.iter().filter(|seen| seen.method == "GET").count()
    }

    /// Waits until it was asked so often by GET.
    pub fn await_gets(&self, part: &str, count: usize) {
        let until = Instant::now() + PATIENCE;
        while self.gets(part) < count {
            assert!(
                Instant::now() < until,
                "{part}: asked {} times",
                self.gets(part)
            );
            let inner = self.lock();
            let wait = self
                .state
                .changed
                .wait_timeout(inner, Duration::from_millis(100));
            drop(wait.expect("no thread panics"));
        }
    }

    /// An outage: connections are refused, and those that stand are cut.
    pub fn stop(&self) {
        let mut inner = self.lock();
        inner.stopped = true;
        inner.gates_open = true;
        for connection in inner.connections.drain(..) {
            // It may be gone already.
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(inner);
        self.state.changed.notify_all();
        // Its thread looks up from `accept`, and drops the listener.
        let _ = TcpStream::connect(self.address);
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_ok() {
            assert!(Instant::now() < until, "it still listens");
            std::thread::yield_now();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.state.inner.lock().expect("no thread panics")
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

impl State {
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read(&mut reader) {
            let mut inner = self.inner.lock().expect("no thread panics");
            let fits = |(part, _): &&(String, Plan)| request.path.contains(part.as_str());
            let plan = inner
                .plans
                .iter()
                .rev()
                .find(fits)
                .map(|(_, plan)| plan.clone());
            inner.seen.push(request.clone());
            drop(inner);
            self.changed.notify_all();
            // A client that has left ends the connection like any other end.
            if !self.answer(stream, &request, plan).unwrap_or(false) {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Tells whether the connection goes on.
    fn answer(
        &self,
        mut out: &TcpStream,
        request: &Seen,
        plan: Option<Plan>,
    ) -> std::io::Result<bool> {
        let size = size_of(&request.path);
        let more = match &plan {
            Some(Plan::With(lines)) => lines,
            Some(Plan::Say(status, lines, body)) => {
                let length = body.len();
                write!(
                    out,
                    "HTTP/1.1 {status} S\r\nContent-Length: {length}\r\n{lines}\r\n"
                )?;
                if request.method != "HEAD" {
                    out.write_all(body)?;
                }
                return Ok(true);
            }
            _ => "",
        };
        let Some(size) = size else {
            out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nnot here\n")?;
            return Ok(true);
        };
        let chunked = matches!(plan, Some(Plan::Chunked));
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {size}")
        };
        let hold_at = match plan {
            Some(Plan::Hold(at)) => at,
            _ => usize::MAX,
        };
        if hold_at == 0 {
            self.await_gates();
        }
        write!(
            out,
            "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n{framing}\r\n{more}\r\n"
        )?;
        if request.method == "HEAD" {
            return Ok(true);
        }
        let last = match plan {
            Some(Plan::Cut(at)) => at,
            _ => size,
        };
        let mut random = Random::of(&request.path);
        let mut sent = 0;
        while sent < last {
            if sent >= hold_at {
                self.await_gates();
            }
            let piece = random.next_piece((last - sent).min(64 * 1024));
            if chunked {
                write!(out, "{:x}\r\n", piece.len())?;
            }
            out.write_all(piece)?;
            if chunked {
                out.write_all(b"\r\n")?;
            }
            sent += piece.len();
        }
        if chunked {
            out.write_all(b"0\r\n\r\n")?;
        }
        Ok(last == size)
    }

    fn await_gates(&self) {
        let mut inner = self.inner.lock().expect("no thread panics");
        while !inner.gates_open {
            inner = self.changed.wait(inner).expect("no thread panics");
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut first = line.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Some(Seen {
                method,
                path,
                headers,
            });
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}
