//! The origin of demo, tests and benchmarks (`integration/origin`): started here, and told how to misbehave.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::children::{self, Child};
use crate::http::{self, NoAnswer};
use crate::places::{self, Missing};

/// A running origin. Dropped, it is killed.
#[derive(Debug)]
pub struct Origin {
    child: Child,
    addr: SocketAddr,
    tls_addr: Option<SocketAddr>,
    sumdb: String,
    sumdb_key: String,
}

/// One request that the origin got.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `GET`
    pub method: String,
    /// Decoded.
    pub path: String,
    /// As it stood on the wire.
    pub raw: String,
    /// The status of the answer.
    pub status: u64,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Everything that the origin's README lists, headers among it.
    pub all: Value,
}

/// The origin cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// Not built.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Not started.
    #[error("dist/origin: {0}")]
    Start(#[from] std::io::Error),
    /// It said something else than where it serves.
    #[error("dist/origin: expected a line of JSON that says where it serves, got {0:?}")]
    NotReady(String),
    /// It ended.
    #[error("dist/origin ended with {0}")]
    Ended(std::process::ExitStatus),
    /// It does not answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// It refused what it was told.
    #[error("the origin answered {status} to {what}: {text}")]
    Refused {
        /// What it was told.
        what: String,
        /// Not 200.
        status: u16,
        /// Why.
        text: String,
    },
}

type Result<T> = std::result::Result<T, OriginError>;

impl Origin {
    /// Starts it on free ports of 127.0.0.1, with these flags, and waits until it serves.
    ///
    /// # Errors
    /// It is missing or does not start.
    pub fn start(flags: &[&str]) -> Result<Self> {
        let mut command = Command::new(places::origin()?);
        command
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = children::start("origin", command)?;
        let mut line = String::new();
        if let Some(stdout) = child.pipes.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = |name: &str| said[name].as_str().and_then(|text| text.parse().ok());
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let Some(addr) = address("addr") else {
            return Err(OriginError::NotReady(line));
        };
        let tls_addr = address("tls_addr");
        Ok(Self {
            child,
            addr,
            tls_addr,
            sumdb: text("sumdb"),
            sumdb_key: text("sumdb_key"),
        })
    }

    /// Writes the program that needs the whole family, and no `go.sum`.
    ///
    /// # Errors
    /// It is missing or fails.
    pub fn write_program(folder: &Path) -> Result<()> {
        let mut command = Command::new(places::origin()?);
        command
            .arg("-write-program")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let exit = children::start("origin", command)?.wait();
        if exit.success() {
            Ok(())
        } else {
            Err(OriginError::Ended(exit))
        }
    }

    /// Where it serves http.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it serves https, if `-tls-cert` was among the flags.
    #[must_use]
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_addr
    }

    /// UPSTREAM
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The name of its checksum database.
    #[must_use]
    pub fn sumdb(&self) -> &str {
        &self.sumdb
    }

    /// The URL of its checksum database.
    #[must_use]
    pub fn sumdb_url(&self) -> String {
        format!("http://{}/sumdb/{}", self.addr, self.sumdb)
    }

    /// What GOSUMDB is set to.
    #[must_use]
    pub fn sumdb_key(&self) -> &str {
        &self.sumdb_key
    }

    /// The process.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// One request to its control API; `path` begins with `/__`.
    ///
    /// # Errors
    /// It does not answer 200.
    pub fn control(&self, method: &'static str, path: &str, body: &str) -> Result<Value> {
        let answer = http::send(method, self.addr, path, body)?;
        if answer.status != 200 {
            let what = format!("{method} {path} {body}");
            return Err(OriginError::Refused {
                what,
                status: answer.status,
                text: answer.text(),
            });
        }
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// Orders a fault; tells its id.
    ///
    /// # Errors
    /// It is refused.
    pub fn fault(&self, order: &Value) -> Result<u64> {
        let answer = self.control("PUT", "/__fault", &order.to_string())?;
        Ok(answer["id"].as_u64().unwrap_or_default())
    }

    /// Takes back every fault.
    ///
    /// # Errors
    /// It does not answer.
    pub fn clear_faults(&self) -> Result<()> {
        self.control("DELETE", "/__fault", "").map(drop)
    }

    /// What it was asked since it was started or [`Origin::forget`] was called.
    ///
    /// # Errors
    /// It does not answer.
    pub fn seen(&self) -> Result<Vec<Seen>> {
        Ok(seen(&self.control("GET", "/__requests", "")?))
    }

    /// The same for a glob of paths, once there are `count` of them, or 10 s are over.
    ///
    /// # Errors
    /// It does not answer.
    pub fn await_seen(&self, glob: &str, count: usize) -> Result<Vec<Seen>> {
        Ok(seen(&self.control(
            "GET",
            &format!("/__requests?path={glob}&min={count}"),
            "",
        )?))
    }

    /// Empties its log.
    ///
    /// # Errors
    /// It does not answer.
    pub fn forget(&self) -> Result<()> {
        self.control("DELETE", "/__requests", "").map(drop)
    }
}

fn seen(log: &Value) -> Vec<Seen> {
    let one = |entry: &Value| Seen {
        method: entry["method"].as_str().unwrap_or_default().to_owned(),
        path: entry["path"].as_str().unwrap_or_default().to_owned(),
        raw: entry["raw"].as_str().unwrap_or_default().to_owned(),
        status: entry["status"].as_u64().unwrap_or_default(),
        bytes: entry["bytes"].as_u64().unwrap_or_default(),
        all: entry.clone(),
    };
    log.as_array().into_iter().flatten().map(one).collect()
}
