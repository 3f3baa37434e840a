//! A gateway to start: Envoy from the files under `envoy/`, with what differs in this run.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::archives::{self, Folder, NginxError};
use crate::bootstrap::{Bootstrap, BootstrapError, PluginFile};
use crate::children;
use crate::events::{self, EventsHttp, Lines};
use crate::lists;
use crate::places::{self, Missing};
use crate::plugin_config;
use crate::plugin_file::Plugin;
use crate::redis_http::{self, RedisHttp, Secret};
use crate::running::{Door, Running, StartError};
use crate::settings::{Settings, Tls, WrongValue};

/// The name of the shipped listener, and of its filter.
pub const MAIN: &str = "goproxy";

/// The listener that readiness is asked at where the main one speaks TLS, and its socket's name.
const PROBE: &str = "probe";

/// Envoy keeps the lines of its access logs so long before it writes them; 10 s unless it is told otherwise.
const FLUSH_MILLIS: &str = "250";

type Edit = Box<dyn FnOnce(&mut Bootstrap) -> Result<(), BootstrapError>>;

/// What a gateway is made of; [`Gateway::start`] starts it.
///
/// Without more it listens on free ports of 127.0.0.1, with one worker, and has no upstream at all.
pub struct Gateway {
    settings: Settings,
    wasm: Wasm,
    extra: Vec<(String, String)>,
    edits: Vec<Edit>,
    ready: Ready,
    access_log: bool,
    inherit_stdout: bool,
    arguments: Vec<String>,
    patience: Duration,
}

/// The program that the plugin runs.
enum Wasm {
    /// The one that is built.
    Release,
    /// Another.
    File(PathBuf),
    /// No filter: Envoy alone.
    Absent,
}

/// What tells that a gateway serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// A GET of the gateway's `/-/readyz` through the listener is answered 200.
    Probe,
    /// A GET of `/` through the listener is answered, and not with 500, which is what Envoy says while it has no filter.
    Answers,
}

/// Why no gateway could be made of what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A variable, or the argument of the same meaning.
    #[error(transparent)]
    WrongValue(#[from] WrongValue),
    /// A shipped file.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// A file that is built.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The shipped configuration of the plugin.
    #[error("envoy/plugin/goproxy.yaml: {0}")]
    Configuration(#[from] serde_json::Error),
    /// A file of this run.
    #[error("cannot write Envoy's configuration: {0}")]
    Write(#[from] std::io::Error),
    /// Another process has the port.
    #[error(
        "{variable}: cannot listen on {address}: {error}; give another address, such as {variable}=127.0.0.1:{other}"
    )]
    InUse {
        /// LISTEN or ADMIN.
        variable: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
        /// A port that may be free.
        other: u16,
    },
    /// nginx did not come to serve.
    #[error(transparent)]
    Nginx(#[from] NginxError),
    /// Envoy started, and did not come to serve.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Default for Gateway {
    fn default() -> Self {
        let anywhere = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        Self::of(Settings {
            listen: anywhere,
            admin: anywhere,
            upstreams: Vec::new(),
            sumdb: Vec::new(),
            upstream_ca: None,
            clusters: Vec::new(),
            workers: Some(1),
            config: None,
            tls: None,
            redis: None,
            archives: None,
            events: Lines::Stdout,
            events_http: None,
            secrets: Vec::new(),
        })
    }
}

impl Gateway {
    /// For a test or a benchmark.
    #[must_use]
    pub fn builder() -> Self {
        Self::default()
    }

    /// As a person's variables say.
    #[must_use]
    pub fn of(settings: Settings) -> Self {
        Self {
            settings,
            wasm: Wasm::Release,
            extra: Vec::new(),
            edits: Vec::new(),
            ready: Ready::Probe,
            access_log: false,
            inherit_stdout: false,
            arguments: Vec::new(),
            patience: Duration::from_secs(30),
        }
    }

    /// Where it listens. Port 0, the default: where Envoy finds a free port.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.settings.listen = address;
        self
    }

    /// UPSTREAM: a list in GOPROXY's syntax.
    ///
    /// # Panics
    /// The list is none: a mistake in a test.
    #[must_use]
    pub fn upstream(mut self, list: &str) -> Self {
        self.settings.upstreams = lists::chain(list).unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// One more checksum database.
    ///
    /// # Panics
    /// Name or URL is none: a mistake in a test.
    #[must_use]
    pub fn sumdb(mut self, name: &str, url: &str) -> Self {
        let named =
            lists::sumdb(&format!("{name}={url}")).unwrap_or_else(|error| panic!("{error}"));
        self.settings.sumdb.extend(named);
        self
    }

    /// One more cluster, for a configuration of its own or for the targets of an edit.
    ///
    /// # Panics
    /// Name or URL is none: a mistake in a test.
    #[must_use]
    pub fn cluster(mut self, name: &str, url: &str) -> Self {
        let named =
            lists::clusters(&format!("{name}={url}")).unwrap_or_else(|error| panic!("{error}"));
        self.settings.clusters.extend(named);
        self
    }

    /// The CA of https upstreams.
    #[must_use]
    pub fn upstream_ca(mut self, file: &Path) -> Self {
        self.settings.upstream_ca = Some(file.to_owned());
        self
    }

    /// Worker threads.
    #[must_use]
    pub fn workers(mut self, count: u16) -> Self {
        self.settings.workers = Some(count);
        self
    }

    /// The plugin's configuration, as it is.
    #[must_use]
    pub fn config_json(mut self, json: impl Into<String>) -> Self {
        self.settings.config = Some(json.into());
        self
    }

    /// The listener speaks TLS.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// REDIS_HTTP: a webdis, or the upstash+ gateway that [`Gateway::secret`] gave the token for. Beside a configuration of
    /// its own it makes the cluster `redis_http`.
    ///
    /// # Panics
    /// It is none: a mistake in a test.
    #[must_use]
    pub fn redis_http(mut self, text: &str) -> Self {
        let given = |wanted| {
            self.settings
                .secrets
                .iter()
                .any(|(name, _)| *name == wanted)
        };
        let (token, key) = (given(redis_http::TOKEN), given(redis_http::SIGNING_KEY));
        let redis = RedisHttp::parse(text, token, key).unwrap_or_else(|error| panic!("{error}"));
        self.settings.redis = Some(redis);
        self
    }

    /// What [`Gateway::redis_http`] made.
    #[must_use]
    pub fn redis(&self) -> Option<&RedisHttp> {
        self.settings.redis.as_ref()
    }

    /// An environment variable of Envoy's, for a configuration that names it. Those that [`Gateway::redis_http`] knows come
    /// before it.
    #[must_use]
    pub fn secret(mut self, name: &'static str, value: &str) -> Self {
        self.settings.secrets.push((name, Secret::new(value)));
        self
    }

    /// ARCHIVES: a folder, and an nginx that keeps archives there. Beside a configuration of its own it makes the cluster
    /// `archives`.
    #[must_use]
    pub fn archives(mut self, folder: &Path) -> Self {
        self.settings.archives = Some(folder.to_owned());
        self
    }

    /// EVENTS_HTTP: a collector. Beside a configuration of its own it makes the cluster `events_http`.
    ///
    /// # Panics
    /// It is none: a mistake in a test.
    #[must_use]
    pub fn events_http(mut self, text: &str) -> Self {
        let collector = EventsHttp::parse(text).unwrap_or_else(|error| panic!("{error}"));
        self.settings.events_http = Some(collector);
        self
    }

    /// Another program than the one that is released.
    #[must_use]
    pub fn wasm(mut self, file: &Path) -> Self {
        self.wasm = Wasm::File(file.to_owned());
        self
    }

    /// Envoy without the filter, to compare with.
    #[must_use]
    pub fn without_filter(mut self) -> Self {
        self.wasm = Wasm::Absent;
        self.ready = Ready::Answers;
        self
    }

    /// A second listener in the same Envoy, a copy of the first on a port of its own, whose filter is called `name`
    /// and has this configuration.
    #[must_use]
    pub fn extra_listener(mut self, name: &str, config_json: &str) -> Self {
        self.extra.push((name.to_owned(), config_json.to_owned()));
        self
    }

    /// Changes Envoy's configuration last of all, before the listener is copied.
    #[must_use]
    pub fn edit(
        mut self,
        edit: impl FnOnce(&mut Bootstrap) -> Result<(), BootstrapError> + 'static,
    ) -> Self {
        self.edits.push(Box::new(edit));
        self
    }

    /// What tells that it serves.
    #[must_use]
    pub fn ready_when(mut self, ready: Ready) -> Self {
        self.ready = ready;
        self
    }

    /// Keeps the shipped access log of requests; its lines come to [`Running::log`].
    #[must_use]
    pub fn access_log(mut self) -> Self {
        self.access_log = true;
        self
    }

    /// What the host writes to standard output goes to ours, and not to [`Running::stdout`].
    #[must_use]
    pub fn inherit_stdout(mut self) -> Self {
        self.inherit_stdout = true;
        self
    }

    /// One more argument for Envoy.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// How long to wait until it serves; 30 s if not said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts Envoy and waits until it serves.
    ///
    /// # Errors
    /// What was asked cannot be made, or Envoy does not come to serve; its log is in the error then.
    pub fn start(mut self) -> Result<Running, GatewayError> {
        let envoy = places::envoy()?;
        free("LISTEN", self.settings.listen)?;
        free("ADMIN", self.settings.admin)?;
        let folder = tempfile::Builder::new().prefix("goproxy-").tempdir()?;
        let archives = self.settings.archives.as_deref();
        let archives = archives.map(Folder::open).transpose()?;
        let (bootstrap, plugins) = self.write(folder.path())?;
        let file = folder.path().join("envoy.yaml");
        std::fs::write(&file, bootstrap.to_yaml())?;

        let tls = self.settings.tls.is_some();
        let door = Door {
            scheme: if tls { "https" } else { "http" },
            served: plugin_config::served(
                &plugins
                    .first()
                    .map(Plugin::configuration)
                    .unwrap_or_default(),
            ),
            probe: tls.then(|| folder.path().join(PROBE)),
        };
        let nginx = archives.map(|archives| archives.start(folder.path()));
        let nginx = nginx.transpose()?;
        let child = children::start("envoy", self.command(envoy, folder.path(), &file)?)?;
        Ok(Running::wait(
            child,
            folder,
            plugins,
            door,
            nginx,
            &self.ready,
            self.patience,
        )?)
    }

    fn command(
        &self,
        envoy: PathBuf,
        folder: &Path,
        bootstrap: &Path,
    ) -> Result<Command, GatewayError> {
        let log = std::fs::File::create(folder.join("envoy.log"))?;
        let stdout = match &self.settings.events {
            Lines::File(path) => events::open(path)?.into(),
            Lines::Stdout if self.inherit_stdout => Stdio::inherit(),
            Lines::Stdout => std::fs::File::create(folder.join("stdout"))?.into(),
        };
        let secrets = self.settings.secrets.iter();
        let secrets = secrets.map(|(name, value)| (name, value.reveal()));
        let mut command = Command::new(envoy);
        command
            .arg("--config-path")
            .arg(bootstrap)
            .arg("--disable-hot-restart");
        command.arg("--file-flush-interval-msec").arg(FLUSH_MILLIS);
        command
            .arg("--admin-address-path")
            .arg(folder.join("admin"));
        if let Some(workers) = self.settings.workers {
            command.arg("--concurrency").arg(workers.to_string());
        }
        command
            .args(&self.arguments)
            .envs(secrets)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(log);
        Ok(command)
    }

    /// The bootstrap, and the plugins' files in `folder`.
    fn write(&mut self, folder: &Path) -> Result<(Bootstrap, Vec<Plugin>), GatewayError> {
        let mut bootstrap = Bootstrap::shipped()?;
        let mut file = PluginFile::shipped()?;
        let configuration = self.configuration(&mut bootstrap, &file.configuration()?)?;
        bootstrap.admin(self.settings.admin)?;
        if !self.access_log {
            bootstrap.without_access_log(0)?;
        }
        for edit in self.edits.drain(..) {
            edit(&mut bootstrap)?;
        }

        let wasm = match &self.wasm {
            Wasm::Release => Some(places::filter_wasm()?),
            Wasm::File(file) => Some(std::path::absolute(file)?),
            Wasm::Absent => None,
        };
        let mut plugins = Vec::new();
        let all: Vec<(String, String)> = std::iter::once((MAIN.to_owned(), configuration))
            .chain(self.extra.drain(..))
            .collect();
        let named = all
            .iter()
            .flat_map(|(_, configuration)| plugin_config::environment(configuration));
        let given = self.settings.secrets.iter();
        let given = given.map(|(name, _)| (*name).to_owned());
        let environment: Arc<BTreeSet<String>> = Arc::new(named.chain(given).collect());
        for (position, (name, configuration)) in all.into_iter().enumerate() {
            let index = if position == 0 {
                0
            } else {
                bootstrap.copy_listener(&name)?
            };
            let address = if position == 0 {
                self.settings.listen
            } else {
                SocketAddr::new(self.settings.listen.ip(), 0)
            };
            bootstrap.listen(index, address)?;
            let plugin = Plugin::new(
                folder,
                &name,
                &configuration,
                wasm.as_deref(),
                Arc::clone(&environment),
            );
            if wasm.is_some() {
                std::fs::create_dir(plugin.folder())?;
                plugin.write(&configuration)?;
                bootstrap.plugin(index, &name, plugin.file())?;
            }
            plugins.push(plugin);
        }
        if wasm.is_none() {
            for index in 0..plugins.len() {
                bootstrap.without_plugin(index)?;
            }
        }
        if let Some(tls) = &self.settings.tls {
            // Readiness is asked through a door of our own: the main one may want a client's certificate.
            let probe = bootstrap.copy_listener(PROBE)?;
            bootstrap.listen_in_file(probe, &folder.join(PROBE))?;
            for index in 0..plugins.len() {
                bootstrap.downstream_tls(index, tls)?;
            }
        }
        if self.settings.archives.is_some() {
            bootstrap.archives(folder)?;
        }
        Ok((bootstrap, plugins))
    }

    /// The plugin's configuration; the bootstrap gets the clusters that it names.
    fn configuration(
        &self,
        bootstrap: &mut Bootstrap,
        shipped: &str,
    ) -> Result<String, GatewayError> {
        let settings = &self.settings;
        let configuration = match &settings.config {
            Some(configuration) => configuration.clone(),
            None => plugin_config::make(
                shipped,
                &settings.upstreams,
                &settings.sumdb,
                settings.redis.as_ref(),
                settings.archives.is_some(),
                settings.events_http.as_ref(),
            )?,
        };
        // A cluster that nobody names would only ask DNS for its host.
        let targets = plugin_config::targets(&configuration);
        bootstrap.keep_clusters(|name| targets.contains(name))?;
        let made = plugin_config::clusters(&settings.upstreams, &settings.sumdb);
        let own = settings
            .clusters
            .iter()
            .map(|named| (named.name.clone(), named.url.clone()));
        for (name, url) in made
            .into_iter()
            .filter(|(name, _)| targets.contains(name))
            .chain(own)
        {
            bootstrap.cluster(&name, &url, settings.upstream_ca.as_deref())?;
        }
        if let Some(collector) = &settings.events_http {
            let ca = settings.upstream_ca.as_deref();
            bootstrap.cluster(events::TARGET, collector.url(), ca)?;
        }
        if let Some(redis) = &settings.redis {
            bootstrap.redis(redis, settings.upstream_ca.as_deref())?;
        }
        Ok(configuration)
    }

    /// The targets of the configuration that no cluster has: asked for, they are answered 5xx.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn unknown_targets(&self) -> Result<Vec<String>, GatewayError> {
        let mut bootstrap = Bootstrap::shipped()?;
        let configuration =
            self.configuration(&mut bootstrap, &PluginFile::shipped()?.configuration()?)?;
        let mut known = bootstrap.cluster_names();
        let archives = self.settings.archives.as_ref();
        known.extend(archives.map(|_| archives::TARGET.to_owned()));
        Ok(plugin_config::targets(&configuration)
            .into_iter()
            .filter(|target| !known.contains(target))
            .collect())
    }
}

/// Envoy would share a port with another Envoy of the same user (SO_REUSEPORT), and each would get some of the
/// connections. So it is tried without that first.
fn free(variable: &'static str, address: SocketAddr) -> Result<(), GatewayError> {
    if address.port() == 0 {
        return Ok(());
    }
    let other = address.port().checked_add(1).unwrap_or(8080);
    TcpListener::bind(address)
        .map(drop)
        .map_err(|error| GatewayError::InUse {
            variable,
            address,
            error,
            other,
        })
}
