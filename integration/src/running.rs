//! A gateway that runs: what it can be asked, and how its plugin gets a new configuration.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::archives::Nginx;
use crate::bootstrap::BootstrapError;
use crate::children::Child;
use crate::gateway::{MAIN, Ready};
use crate::http::{self, Answer, NoAnswer};
use crate::plugin_config::Served;
use crate::plugin_file::{Plugin, complaints};

/// Between two looks at something that sends no event: Envoy's files and pages.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// An Envoy that serves. Dropped, it is killed and its folder removed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    nginx: Option<Nginx>,
    folder: TempDir,
    plugins: Vec<Plugin>,
    listeners: BTreeMap<String, SocketAddr>,
    admin: SocketAddr,
    door: Door,
    took: Duration,
}

/// How clients come in.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) scheme: &'static str,
    pub(crate) served: Served,
    /// A socket of the file system with the same filter, to ask for readiness where the listener wants TLS.
    pub(crate) probe: Option<PathBuf>,
}

/// Envoy was started, and does not serve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It ended.
    #[error("Envoy ended before it served ({exit}); its log ends with\n{log}")]
    Ended {
        /// How.
        exit: ExitStatus,
        /// The last lines.
        log: String,
    },
    /// The filter refused its configuration, or could not be loaded.
    #[error("the filter or its configuration was refused:\n{log}")]
    Refused {
        /// The lines that say why.
        log: String,
    },
    /// Too slow.
    #[error("not ready after {after:?}: {why}; Envoy's log ends with\n{log}")]
    TooLate {
        /// The limit.
        after: Duration,
        /// The last answer.
        why: String,
        /// The last lines.
        log: String,
    },
}

/// A new configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReconfigureError {
    /// By Envoy or by the filter: the old one is in force.
    #[error("the configuration was refused, the old one stays:\n{0}")]
    Refused(String),
    /// It could not be handed over.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// Its file could not be written.
    #[error("cannot write the plugin's file: {0}")]
    Write(#[from] std::io::Error),
    /// Envoy does not answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// Envoy did not look.
    #[error("Envoy did not take up the new file within 10 s")]
    NotNoticed,
}

impl Running {
    /// Waits until it serves.
    pub(crate) fn wait(
        child: Child,
        folder: TempDir,
        plugins: Vec<Plugin>,
        door: Door,
        nginx: Option<Nginx>,
        ready: &Ready,
        patience: Duration,
    ) -> Result<Self, StartError> {
        let unset = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let mut running = Self {
            child,
            nginx,
            folder,
            plugins,
            listeners: BTreeMap::new(),
            admin: unset,
            door,
            took: Duration::ZERO,
        };
        let began = Instant::now();
        loop {
            let why = match running.look(ready) {
                Ok(()) => {
                    running.took = began.elapsed();
                    return Ok(running);
                }
                Err(why) => why,
            };
            if let Some(exit) = running.child.exit() {
                return Err(StartError::Ended {
                    exit,
                    log: running.log_tail(),
                });
            }
            if running.refusals(MAIN) > 0 {
                return Err(StartError::Refused {
                    log: running.complaints(0),
                });
            }
            if began.elapsed() > patience {
                return Err(StartError::TooLate {
                    after: patience,
                    why,
                    log: running.log_tail(),
                });
            }
            let _ = running.child.wait_at_most(LOOK_AGAIN);
        }
    }

    /// Asks for readiness through a listener that has the filter; the status of the answer.
    ///
    /// # Errors
    /// No answer came.
    pub fn probe(&self) -> Result<u16, NoAnswer> {
        self.ask(&format!("{}/-/readyz", self.door.served.base_path))
    }

    fn ask(&self, path: &str) -> Result<u16, NoAnswer> {
        let host = self.door.served.host.as_deref().unwrap_or("localhost");
        match &self.door.probe {
            None => http::get_with(self.local_addr(), path, &[("host", host)])
                .map(|answer| answer.status),
            Some(socket) => http::status_from_socket(socket, host, path),
        }
    }

    /// One look at how far it has come.
    fn look(&mut self, ready: &Ready) -> Result<(), String> {
        if self.admin.port() == 0 {
            let address =
                std::fs::read_to_string(self.folder.path().join("admin")).unwrap_or_default();
            self.admin = address
                .trim()
                .parse()
                .map_err(|_| "Envoy has not said where its admin pages are".to_owned())?;
        }
        if self.listeners.is_empty() {
            let listeners = listeners(self.admin).map_err(|error| error.to_string())?;
            if !listeners.contains_key(MAIN) {
                return Err("Envoy does not listen yet".to_owned());
            }
            self.listeners = listeners;
        }
        let (what, status) = match ready {
            Ready::Probe => ("readiness", self.probe()),
            Ready::Answers => ("/", self.ask("/")),
        };
        let status = status.map_err(|error| error.to_string())?;
        let serves = match ready {
            Ready::Probe => status == 200,
            Ready::Answers => status != 500,
        };
        if serves {
            Ok(())
        } else {
            Err(format!("a GET for {what} is answered {status}"))
        }
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.listener(MAIN)
    }

    /// Where a listener of that name listens; port 0 of no address where there is none.
    #[must_use]
    pub fn listener(&self, name: &str) -> SocketAddr {
        self.listeners
            .get(name)
            .copied()
            .unwrap_or(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0))
    }

    /// An address of this machine at which it is reached: a listener on every address is reached on loopback.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let address = self.addr();
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, address.port())
    }

    /// What GOPROXY is set to.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "{}://{}{}",
            self.door.scheme,
            self.local_addr(),
            self.door.served.base_path
        )
    }

    /// Where the admin pages are.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Envoy's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// From the start of the process until it served.
    #[must_use]
    pub fn started_in(&self) -> Duration {
        self.took
    }

    /// The process, to send it signals or wait for its end.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// The disk cache for archives, if there is one.
    #[must_use]
    pub fn nginx(&self) -> Option<&Nginx> {
        self.nginx.as_ref()
    }

    /// GET through the listener.
    ///
    /// # Errors
    /// No answer came.
    pub fn get(&self, path: &str) -> Result<Answer, NoAnswer> {
        http::get(self.local_addr(), path)
    }

    /// The value of one of Envoy's counters or gauges; none where it has not been counted yet.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub fn stat(&self, name: &str) -> Result<Option<u64>, NoAnswer> {
        let page = http::get(self.admin, "/stats")?.text();
        Ok(page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok()))
    }

    /// Every counter and gauge whose name contains `part`.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub fn stats(&self, part: &str) -> Result<BTreeMap<String, u64>, NoAnswer> {
        let page = http::get(self.admin, "/stats")?.text();
        let values = page.lines().filter_map(|line| line.rsplit_once(": "));
        let wanted = values.filter(|(name, _)| name.contains(part));
        Ok(wanted
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// What Envoy has logged so far, the filter's lines among it.
    #[must_use]
    pub fn log(&self) -> String {
        read_lossy(&self.folder.path().join("envoy.log"))
    }

    /// What it has written to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read_lossy(&self.folder.path().join("stdout"))
    }

    /// The folder of this run: configuration, log, plugins.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the main listener's plugin another configuration, and waits until Envoy has taken it.
    ///
    /// # Errors
    /// It is refused; or it cannot be handed over.
    pub fn reconfigure(&self, json: &str) -> Result<(), ReconfigureError> {
        self.reconfigure_plugin(MAIN, json)
    }

    /// The same for another listener's.
    ///
    /// # Errors
    /// As [`Running::reconfigure`].
    pub fn reconfigure_plugin(&self, name: &str, json: &str) -> Result<(), ReconfigureError> {
        let Some(plugin) = self.plugins.iter().find(|plugin| plugin.name() == name) else {
            return Err(ReconfigureError::Bootstrap(BootstrapError::Nothing(
                format!("the plugin {name}"),
            )));
        };
        // Envoy does not count what changes nothing.
        let old = plugin.configuration();
        if old == json {
            return Ok(());
        }
        let before = (self.taken(name)?, self.refusals(name));
        let logged = self.log().len();
        plugin.write(json).map_err(ReconfigureError::from)?;
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if self.refusals(name) > before.1 {
                plugin.set_configuration(&old);
                return Err(ReconfigureError::Refused(self.complaints(logged)));
            }
            if self.taken(name)? > before.0 {
                return Ok(());
            }
            if self.child.wait_at_most(LOOK_AGAIN).is_some() {
                break;
            }
        }
        Err(ReconfigureError::NotNoticed)
    }

    fn taken(&self, name: &str) -> Result<u64, NoAnswer> {
        Ok(self
            .stat(&format!(
                "extension_config_discovery.http_filter.{name}.config_reload"
            ))?
            .unwrap_or(0))
    }

    fn refusals(&self, name: &str) -> u64 {
        let counter = format!("extension_config_discovery.http_filter.{name}.config_fail");
        self.stat(&counter).ok().flatten().unwrap_or(0)
    }

    /// The last lines of the log: all that is said about a failure must fit a screen.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// What the log says against the plugin after its first `from` bytes: the filter's own words, else Envoy's.
    fn complaints(&self, from: usize) -> String {
        let log = self.log();
        let said = complaints(log.get(from..).unwrap_or(&log));
        if said.is_empty() {
            self.log_tail()
        } else {
            said
        }
    }

    /// Asks Envoy to end (SIGTERM) and waits for it.
    #[must_use]
    pub fn stop(self) -> ExitStatus {
        self.child.signal(Signal::SIGTERM);
        let exit = self.child_ends();
        if let Some(nginx) = &self.nginx {
            nginx.stop();
        }
        exit
    }

    fn child_ends(&self) -> ExitStatus {
        match self.child.wait_at_most(Duration::from_secs(5)) {
            Some(status) => status,
            None => {
                self.child.signal(Signal::SIGKILL);
                self.child.wait()
            }
        }
    }
}

/// The addresses that Envoy's listeners have got, by name.
fn listeners(admin: SocketAddr) -> Result<BTreeMap<String, SocketAddr>, NoAnswer> {
    let page = http::get(admin, "/listeners?format=json")?;
    let page: serde_json::Value = serde_json::from_slice(&page.body).unwrap_or_default();
    let statuses = page["listener_statuses"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let known = statuses.iter().filter_map(|status| {
        let socket = &status["local_address"]["socket_address"];
        let ip: IpAddr = socket["address"].as_str()?.parse().ok()?;
        let port = u16::try_from(socket["port_value"].as_u64()?)
            .ok()
            .filter(|port| *port != 0)?;
        Some((
            status["name"].as_str()?.to_owned(),
            SocketAddr::new(ip, port),
        ))
    });
    Ok(known.collect())
}

fn read_lossy(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned()
}
