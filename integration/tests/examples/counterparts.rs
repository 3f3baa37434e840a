//! What stands in a company's network around the gateway: a registry that wants a credential, a proxy, a DNS server.
//! Each serves from a thread of its own until the test process ends, and logs what it is asked.

use std::io::{Read as _, Write as _};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
use std::sync::{Arc, Mutex};
use std::thread;

/// Lines that a counterpart logged.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Before an origin: 401 for requests without the value of `authorization` that it expects at that moment.
pub struct Guard {
    pub addr: SocketAddr,
    expected: Arc<Mutex<String>>,
}

impl Guard {
    pub fn before(origin: SocketAddr, expected: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let expected = Arc::new(Mutex::new(expected.to_owned()));
        let wanted = expected.clone();
        serve(listener, move |client| {
            let wanted = wanted.lock().unwrap().clone();
            guarded(client, origin, &wanted);
        });
        Self { addr, expected }
    }

    pub fn expect(&self, value: &str) {
        value.clone_into(&mut self.expected.lock().unwrap());
    }
}

fn guarded(mut client: TcpStream, origin: SocketAddr, wanted: &str) {
    let Some(head) = head(&mut client) else {
        return;
    };
    let got: Vec<&str> = head
        .lines()
        .filter_map(|line| line.strip_prefix("authorization: "))
        .collect();
    if got != [wanted] {
        let refusal = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\ncontent-length: 9\r\n\
                       content-type: text/plain\r\nconnection: close\r\n\r\nwho dis?\n";
        let _ = client.write_all(refusal.as_bytes());
        return;
    }
    let Ok(mut upstream) = TcpStream::connect(origin) else {
        return;
    };
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let _ = upstream.write_all(head.as_bytes());
    let _ = std::io::copy(&mut upstream, &mut client);
}

/// A corporate proxy: CONNECT to the one name that it knows, and nothing else.
pub struct Proxy {
    pub addr: SocketAddr,
    pub log: Log,
}

impl Proxy {
    /// `name` (with its port) leads to `to`.
    pub fn knows(name: &str, to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let (log, name) = (Log::default(), name.to_owned());
        let logged = log.clone();
        serve(listener, move |client| connect(client, &name, to, &logged));
        Self { addr, log }
    }
}

fn connect(mut client: TcpStream, name: &str, to: SocketAddr, log: &Log) {
    let Some(head) = head(&mut client) else {
        return;
    };
    log.add(head.lines().next().unwrap_or_default());
    if !head.starts_with(&format!("CONNECT {name} HTTP/1.1\r\n")) {
        let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        return;
    }
    let Ok(upstream) = TcpStream::connect(to) else {
        let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
        return;
    };
    let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
    let (mut from_client, mut to_upstream) =
        (client.try_clone().unwrap(), upstream.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_upstream);
        let _ = to_upstream.shutdown(Shutdown::Write);
    });
    let mut upstream = upstream;
    let _ = std::io::copy(&mut upstream, &mut client);
    let _ = client.shutdown(Shutdown::Write);
}

fn serve(listener: TcpListener, one: impl Fn(TcpStream) + Send + Sync + 'static) {
    let one = Arc::new(one);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let one = one.clone();
            thread::spawn(move || one(client));
        }
    });
}

/// A request's head, with the empty line at its end. Requests here have no body.
fn head(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// A DNS server that answers every name with the addresses of the moment, for one second. Without any, it fails.
pub struct Dns {
    pub addr: SocketAddr,
    /// `A` or `AAAA` and the name, for each question.
    pub log: Log,
    addresses: Arc<Mutex<Vec<IpAddr>>>,
}

impl Dns {
    pub fn answers(addresses: &[IpAddr]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = socket.local_addr().unwrap();
        let (log, addresses) = (Log::default(), Arc::new(Mutex::new(addresses.to_vec())));
        let (logged, current) = (log.clone(), addresses.clone());
        thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((size, from)) = socket.recv_from(&mut packet) {
                let addresses = current.lock().unwrap().clone();
                if let Some(answer) = dns_answer(&packet[..size], &addresses, &logged) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self {
            addr,
            log,
            addresses,
        }
    }

    pub fn change(&self, addresses: &[IpAddr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }
}

/// RFC 1035, section 4: the header, the question as it came, and a record for each address of the type that is asked.
fn dns_answer(query: &[u8], addresses: &[IpAddr], log: &Log) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let mut labels = Vec::new();
    let mut at = HEADER;
    loop {
        let size = usize::from(*query.get(at)?);
        at += 1;
        if size == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + size)?).into_owned());
        at += size;
    }
    let question = query.get(HEADER..at + 4)?;
    let kind = u16::from_be_bytes([query[at], query[at + 1]]);
    let name = match kind {
        1 => "A",
        28 => "AAAA",
        _ => "another type",
    };
    log.add(format!("{name} {}", labels.join(".")));
    let records: Vec<Vec<u8>> = addresses
        .iter()
        .filter_map(|address| match (kind, address) {
            (1, IpAddr::V4(address)) => Some(address.octets().to_vec()),
            (28, IpAddr::V6(address)) => Some(address.octets().to_vec()),
            _ => None,
        })
        .collect();
    let mut answer = query.get(..2)?.to_vec();
    // A response, recursion available; SERVFAIL where there is no address of any type; one question.
    let code = if addresses.is_empty() { 2 } else { 0 };
    answer.extend([0x81, 0x80 | code, 0, 1]);
    answer.extend(u16::try_from(records.len()).ok()?.to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(question);
    for record in records {
        // The name of the question; type, class IN, a TTL of 1 s.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 1]);
        answer.extend(u16::try_from(record.len()).ok()?.to_be_bytes());
        answer.extend(record);
    }
    Some(answer)
}

/// Loopback, by IPv6.
pub const LOCALHOST_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
