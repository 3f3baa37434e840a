//! Load, and what it cost: wrk asks, and the processor time of the process that answers is read before and after.

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;
use serde_json::Value;

use super::Result;
use crate::children;
use crate::places;
use crate::running::Running;

const SCRIPT: &str = include_str!("wrk.lua");

/// What the `go` command sends, as far as its length matters.
const GO_FIELDS: [&str; 2] = ["User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"];

/// What wrk asks for, and how.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) connections: u16,
    pub(super) seconds: u16,
    pub(super) ask: Ask,
}

/// The paths of a load.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// One, again and again.
    Path(String),
    /// The `.mod` of each module of the endless series, from this number on, each once.
    EveryModFrom(u64),
    /// The `.mod` of so many of these modules in turn, from the first on, again and again.
    Mods(u64),
    /// The `.mod` of each module of an endless series that no upstream has, from this number on, each once: 404 is expected.
    EveryAbsentModFrom(u64),
    /// The archive, of 10 KiB, of so many of these modules in turn, again and again.
    Zips(u64),
}

/// One second or so of load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) requests: f64,
    pub(super) bytes: f64,
    pub(super) seconds: f64,
    /// Processor time of the whole process, user and system.
    pub(super) cpu_seconds: f64,
}

impl Sample {
    pub(super) fn requests_per_second(&self) -> f64 {
        self.requests / self.seconds
    }

    pub(super) fn megabytes_per_second(&self) -> f64 {
        self.bytes / 1e6 / self.seconds
    }

    pub(super) fn cpu_micros_per_request(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.requests
    }

    pub(super) fn cpu_micros_per_megabyte(&self) -> f64 {
        self.cpu_seconds * 1e6 / (self.bytes / 1e6)
    }
}

/// Loads an Envoy for as long as `load` says.
///
/// # Errors
/// wrk fails, or an answer is an error or none: such a sample would compare errors.
pub(super) fn measure(envoy: &Running, load: &Load) -> Result<Sample> {
    let before = cpu_seconds(envoy)?;
    let said = wrk(envoy.local_addr(), load)?;
    let cpu_seconds = cpu_seconds(envoy)? - before;
    let number = |name: &str| said[name].as_f64().unwrap_or_default();
    let statuses = if matches!(load.ask, Ask::EveryAbsentModFrom(_)) {
        number("requests")
    } else {
        0.0
    };
    let failed: Vec<String> = ["connect", "read", "write", "timeout"]
        .iter()
        .filter(|name| number(name) > 0.0)
        .map(|name| format!("{} {name}", number(name)))
        .collect();
    let as_expected = (number("status") - statuses).abs() < 0.5;
    if !failed.is_empty() || !as_expected {
        let others = failed.join(", ");
        let status = number("status");
        return Err(format!(
            "errors under load: {status} by status, expected {statuses}; {others} ({load:?})"
        )
        .into());
    }
    let sample = Sample {
        requests: number("requests"),
        bytes: number("bytes"),
        seconds: number("micros") / 1e6,
        cpu_seconds,
    };
    if sample.requests < 1.0 {
        return Err(format!("no answer within {} s ({load:?})", load.seconds).into());
    }
    Ok(sample)
}

/// Processor time of the whole process since it began, user and system.
pub(super) fn cpu_seconds(envoy: &Running) -> Result<f64> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(envoy.pid().cast_signed()))?;
    Ok(Duration::from(clock.now()?).as_secs_f64())
}

fn wrk(address: SocketAddr, load: &Load) -> Result<Value> {
    let script = tempfile::Builder::new().suffix(".lua").tempfile()?;
    std::fs::write(script.path(), SCRIPT)?;
    let (path, series) = match &load.ask {
        Ask::Path(path) => (path.as_str(), Vec::new()),
        Ask::EveryModFrom(number) => ("/", vec![number.to_string()]),
        Ask::Mods(count) => ("/", vec!["0".to_owned(), count.to_string()]),
        Ask::EveryAbsentModFrom(number) => (
            "/",
            vec![
                number.to_string(),
                "0".to_owned(),
                "mod".to_owned(),
                "absent.example".to_owned(),
            ],
        ),
        Ask::Zips(count) => (
            "/",
            vec!["0".to_owned(), count.to_string(), "zip".to_owned()],
        ),
    };
    let mut command = Command::new(places::wrk()?);
    command
        .args(["--threads", "1", "--timeout", "30s"])
        .args(["--connections", &load.connections.to_string()])
        .args(["--duration", &format!("{}s", load.seconds)])
        .arg("--script")
        .arg(script.path());
    for field in GO_FIELDS {
        command.args(["--header", field]);
    }
    command
        .arg(format!("http://{address}{path}"))
        .arg("--")
        .args(series)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = children::start("wrk", command)?;
    let mut said = String::new();
    if let Some(mut stdout) = child.pipes.stdout.take() {
        stdout.read_to_string(&mut said)?;
    }
    let exit = child.wait();
    let last = said.lines().rev().find(|line| line.starts_with('{'));
    match last {
        Some(line) if exit.success() => Ok(serde_json::from_str(line)?),
        _ => Err(format!("wrk ended with {exit} and said:\n{said}").into()),
    }
}
