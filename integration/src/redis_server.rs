//! A Redis and a webdis of demo, tests and benchmarks: real ones, from the shipped files with addresses replaced.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::children::{self, Child};
use crate::places::{self, Missing};

/// The password of webdis in the shipped `redis.conf`.
pub const PASSWORD: &str = "change-me";
/// That of the shipped user `admin`.
pub const ADMIN_PASSWORD: &str = "change-me-too";

/// Between two looks at a log.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(20);
/// Neither of the two can be told to take any free port, so one is chosen, and may be gone by then.
const TRIES: usize = 5;

/// Redis or webdis cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// Not fetched, or a shipped file.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A file of this run, or a port.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The shipped file has another form.
    #[error("envoy/redis/{file}: expected {what:?} in it")]
    Shipped {
        /// Which.
        file: &'static str,
        /// What is replaced.
        what: String,
    },
    /// It does not serve.
    #[error("{name} does not serve; it said\n{said}")]
    NotReady {
        /// Which.
        name: &'static str,
        /// Its log.
        said: String,
    },
}

/// What is asked for, or why it cannot be had.
pub type Result<T> = std::result::Result<T, RedisError>;

/// A process that listens on a port of 127.0.0.1 and says in its log when it does. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Server {
    /// On the port that is given, or on a free one. `ready` is in the log once it listens: so it is this process that
    /// listens there, and no other.
    ///
    /// # Errors
    /// It does not come to say so.
    pub fn start(
        name: &'static str,
        port: Option<u16>,
        folder: &Path,
        ready: &str,
        command: impl Fn(u16) -> Result<Command>,
    ) -> Result<Self> {
        let log = folder.join("log");
        for _ in 0..TRIES {
            let port = match port {
                Some(port) => port,
                None => free_port()?,
            };
            let output = std::fs::File::create(&log)?;
            let mut command = command(port)?;
            command
                .current_dir(folder)
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output);
            let child = children::start(name, command)?;
            let until = Instant::now() + PATIENCE;
            while child.exit().is_none() && Instant::now() < until {
                if read(&log).contains(ready) {
                    return Ok(Self { child, port, log });
                }
                let _ = child.wait_at_most(LOOK_AGAIN);
            }
        }
        Err(RedisError::NotReady {
            name,
            said: read(&log),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port)
    }
}

/// A running Redis. Dropped, it is killed.
#[derive(Debug)]
pub struct RedisServer {
    server: Server,
    folder: TempDir,
    arguments: Vec<String>,
}

impl RedisServer {
    /// As shipped, on a free port.
    ///
    /// # Errors
    /// It is missing or does not start.
    pub fn start() -> Result<Self> {
        Self::with(&[], str::to_owned)
    }

    /// The same with these arguments more, and its file changed.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub fn with(arguments: &[&str], change: impl FnOnce(&str) -> String) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("redis-").tempdir()?;
        let shipped = std::fs::read_to_string(places::envoy_file("redis/redis.conf")?)?;
        std::fs::write(folder.path().join("redis.conf"), change(&shipped))?;
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let server = Self::serve(None, folder.path(), &arguments)?;
        Ok(Self {
            server,
            folder,
            arguments,
        })
    }

    fn serve(port: Option<u16>, folder: &Path, arguments: &[String]) -> Result<Server> {
        let redis = places::redis_server()?;
        let ready = "Ready to accept connections";
        let server = Server::start("redis-server", port, folder, ready, |port| {
            let mut command = Command::new(&redis);
            command
                .arg("redis.conf")
                .args(["--port", &port.to_string()])
                .args(arguments);
            Ok(command)
        })?;
        let until = Instant::now() + PATIENCE;
        while !pings(server.addr()).unwrap_or(false) {
            if server.child.exit().is_some() || Instant::now() > until {
                return Err(RedisError::NotReady {
                    name: "redis-server",
                    said: read(&server.log),
                });
            }
            let _ = server.child.wait_at_most(LOOK_AGAIN);
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The process, to stop it or send it signals.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.server.child
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(&self) {
        kill(&self.server.child);
    }

    /// A new one on the same port: empty, since the shipped one keeps nothing on disk.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let port = Some(self.server.port);
        self.server = Self::serve(port, self.folder.path(), &self.arguments)?;
        Ok(())
    }
}

/// A running webdis. Dropped, it is killed.
#[derive(Debug)]
pub struct Webdis {
    server: Server,
    folder: TempDir,
}

impl Webdis {
    /// As shipped, on a free port, before the Redis at this address.
    ///
    /// # Errors
    /// It is missing or does not start.
    pub fn start(redis: SocketAddr) -> Result<Self> {
        Self::with(redis, str::to_owned)
    }

    /// The same with its file changed.
    ///
    /// # Errors
    /// As [`Webdis::start`].
    pub fn with(redis: SocketAddr, change: impl FnOnce(&str) -> String) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("webdis-").tempdir()?;
        let shipped = std::fs::read_to_string(places::envoy_file("redis/webdis.json")?)?;
        let text = change(&shipped);
        let text = replace(&text, "\"redis_port\": 6379", "redis_port", redis.port())?;
        std::fs::write(folder.path().join("shipped"), text)?;
        let server = Self::serve(None, folder.path())?;
        Ok(Self { server, folder })
    }

    fn serve(port: Option<u16>, folder: &Path) -> Result<Server> {
        let webdis = places::webdis()?;
        Server::start("webdis", port, folder, "up and running", |port| {
            let text = std::fs::read_to_string(folder.join("shipped"))?;
            let text = replace(&text, "\"http_port\": 7379", "http_port", port)?;
            std::fs::write(folder.join("webdis.json"), text)?;
            let mut command = Command::new(&webdis);
            command.arg("webdis.json");
            Ok(command)
        })
    }

    /// Where it listens: REDIS_HTTP.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The process, to stop it or send it signals.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.server.child
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(&self) {
        kill(&self.server.child);
    }

    /// A new one on the same port.
    ///
    /// # Errors
    /// As [`Webdis::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.server = Self::serve(Some(self.server.port), self.folder.path())?;
        Ok(())
    }
}

/// A port of 127.0.0.1 at which nobody listens now.
///
/// # Errors
/// There is none.
pub fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn kill(child: &Child) {
    child.signal(nix::sys::signal::Signal::SIGKILL);
    let _ = child.wait();
}

fn read(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
}

/// Whether it answers at all: who has not said a password is refused, and a Redis that loads says so.
fn pings(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 16];
    let got = stream.read(&mut answer)?;
    let answer = answer.get(..got).unwrap_or_default();
    Ok(answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAUTH"))
}

fn replace(text: &str, shipped: &str, name: &str, port: u16) -> Result<String> {
    if !text.contains(shipped) {
        return Err(RedisError::Shipped {
            file: "webdis.json",
            what: shipped.to_owned(),
        });
    }
    Ok(text.replace(shipped, &format!("\"{name}\": {port}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[test]
    fn the_shipped_pair_serves_what_the_filter_asks_and_nothing_else() {
        let redis = RedisServer::start().unwrap();
        let webdis = Webdis::start(redis.addr()).unwrap();
        let ask = |method, path: &str, body: &str| {
            let answer = http::send(method, webdis.addr(), path, body).unwrap();
            (answer.status, answer.text())
        };
        let ok = |text: &str| (200, text.to_owned());
        assert_eq!(ask("GET", "/PING.raw", ""), ok("+PONG\r\n"));
        assert_eq!(ask("GET", "/GET/gomod-v1-0.raw", ""), ok("$-1\r\n"));
        let body = "two\r\nlines";
        assert_eq!(ask("PUT", "/SETEX/gomod-v1-0/60.raw", body), ok("+OK\r\n"));
        assert_eq!(
            ask("GET", "/GET/gomod-v1-0.raw", ""),
            ok("$10\r\ntwo\r\nlines\r\n")
        );
        for (method, path, body) in [
            ("GET", "/FLUSHALL.raw", ""),
            ("GET", "/CONFIG/GET/dir.raw", ""),
            ("GET", "/DEL/gomod-v1-0.raw", ""),
            ("GET", "/EVAL/x/0.raw", ""),
            ("POST", "/", "FLUSHALL"),
        ] {
            assert_eq!(ask(method, path, body).0, 403, "{path} {body}");
        }
        // webdis takes SET for a beginning of SETEX; Redis does not.
        for path in ["/SET/gomod-v1-0/x.raw", "/GET/other.raw"] {
            let (_, said) = ask("GET", path, "");
            assert!(said.starts_with("-NOPERM "), "{path}: {said}");
        }
    }

    #[test]
    fn a_redis_that_is_started_again_is_empty_and_webdis_finds_it() {
        let mut redis = RedisServer::start().unwrap();
        let webdis = Webdis::start(redis.addr()).unwrap();
        let get = || http::get(webdis.addr(), "/GET/gomod-v1-0.raw").unwrap();
        let set = http::send("PUT", webdis.addr(), "/SETEX/gomod-v1-0/60.raw", "x").unwrap();
        assert_eq!(set.text(), "+OK\r\n");
        redis.kill();
        assert_eq!(get().status, 503);
        redis.restart().unwrap();
        let until = Instant::now() + PATIENCE;
        while get().status != 200 {
            assert!(Instant::now() < until, "webdis does not come back");
        }
        assert_eq!(get().text(), "$-1\r\n");
    }
}
