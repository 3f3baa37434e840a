//! The real `go` command, in an environment of its own: nothing of the user's is read or written.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::children;
use crate::places::{self, Missing};

/// A user's home as `go` sees it: a module cache that is empty at first.
#[derive(Debug)]
pub struct GoHome {
    folder: TempDir,
    binary: PathBuf,
    build_cache: PathBuf,
    proxy: String,
    sumdb: String,
}

/// One call.
#[derive(Debug)]
pub struct GoCommand {
    command: Command,
}

/// How it ended.
#[derive(Debug)]
pub struct GoOutput {
    /// Of the process.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained, and what it downloaded.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
}

/// `go` could not be called at all.
#[derive(Debug, thiserror::Error)]
pub enum GoError {
    /// Not fetched.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Not started.
    #[error("go: {0}")]
    Start(#[from] std::io::Error),
}

impl GoHome {
    /// A fresh one. What is compiled is shared by all (`.toolchain/gocache`): it has no part in what is downloaded,
    /// and the standard library is compiled once.
    ///
    /// # Errors
    /// `go` is missing, or no folder can be made.
    pub fn new() -> Result<Self, GoError> {
        let folder = tempfile::Builder::new().prefix("goproxy-go-").tempdir()?;
        // GOTELEMETRY is no variable that `go` reads; without this file it starts a process of its own, which writes
        // into this folder while it is being removed.
        let telemetry = folder.path().join(".config/go/telemetry");
        std::fs::create_dir_all(&telemetry)?;
        std::fs::write(telemetry.join("mode"), "off")?;
        let root = places::root();
        let tools = root.join(".toolchain");
        let build_cache = if tools.is_dir() {
            tools
        } else {
            root.join("target")
        }
        .join("gocache");
        let binary = places::go()?;
        Ok(Self {
            folder,
            binary,
            build_cache,
            proxy: "off".to_owned(),
            sumdb: "off".to_owned(),
        })
    }

    /// GOPROXY
    #[must_use]
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// GOSUMDB
    #[must_use]
    pub fn sumdb(mut self, key: impl Into<String>) -> Self {
        self.sumdb = key.into();
        self
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A call of `go`, in this home's folder unless [`GoCommand::dir`] says otherwise.
    #[must_use]
    pub fn go<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> GoCommand {
        let home = self.folder.path();
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(home).env_clear();
        command
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", home)
            .env("TMPDIR", home);
        command
            .env("GOPATH", home.join("gopath"))
            .env("GOMODCACHE", home.join("modcache"));
        command
            .env("GOCACHE", &self.build_cache)
            .env("GOENV", "off")
            .env("GOWORK", "off");
        // The module cache is made writable, so that it can be removed.
        command
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=mod -modcacherw");
        command
            .env("CGO_ENABLED", "0")
            .env("GOPROXY", &self.proxy)
            .env("GOSUMDB", &self.sumdb);
        GoCommand { command }
    }
}

impl GoCommand {
    /// Where it is called.
    #[must_use]
    pub fn dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// One more variable, or another value for one.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It could not be started; that it failed is no error here.
    pub fn run(mut self) -> Result<GoOutput, GoError> {
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = children::start("go", self.command)?;
        let (stdout, stderr) = (child.pipes.stdout.take(), child.pipes.stderr.take());
        let (stdout, stderr) = thread::scope(|scope| {
            let stderr = scope.spawn(|| read_all(stderr));
            (read_all(stdout), stderr.join().unwrap_or_default())
        });
        let status = child.wait();
        Ok(GoOutput {
            status,
            stdout,
            stderr,
            took: began.elapsed(),
        })
    }
}

fn read_all(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What came before an error is what there is to show.
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
