//! The variables that a person sets (`make run UPSTREAM=..`): parsed once, refused with what was expected.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::events::{EventsHttp, Lines};
use crate::lists::{self, Link, Named};
use crate::redis_http::{self, RedisHttp, Secret};

/// The variables as they were given. An empty one is as good as none.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Variables {
    /// The proxy that hosts the filter: envoy
    #[arg(long, env = "HOST", hide_env_values = true)]
    pub host: Option<String>,
    /// Where the gateway listens [default: 127.0.0.1:8080]
    #[arg(long, env = "LISTEN", hide_env_values = true)]
    pub listen: Option<String>,
    /// Where the host's own admin and metrics pages are [default: 127.0.0.1:9901]
    #[arg(long, env = "ADMIN", hide_env_values = true)]
    pub admin: Option<String>,
    /// A list as in GOPROXY: `,` tries the next on 404 and 410, `|` on any error [default: the one of proxy.golang.org]
    #[arg(long, env = "UPSTREAM", hide_env_values = true)]
    pub upstream: Option<String>,
    /// Checksum databases, space separated name=url [default: sum.golang.org, at its own address]
    #[arg(long, env = "SUMDB", hide_env_values = true)]
    pub sumdb: Option<String>,
    /// A CA file for https upstreams [default: the system's]
    #[arg(long, env = "UPSTREAM_CA", hide_env_values = true)]
    pub upstream_ca: Option<String>,
    /// More targets for a CONFIG of your own, space separated name=url
    #[arg(long, env = "CLUSTERS", hide_env_values = true)]
    pub clusters: Option<String>,
    /// Worker threads, each with its own memory cache [default: the cores]
    #[arg(long, env = "WORKERS", hide_env_values = true)]
    pub workers: Option<String>,
    /// A plugin configuration (JSON) that is used as it is [default: made from the above]
    #[arg(long, env = "CONFIG", hide_env_values = true)]
    pub config: Option<String>,
    /// cert.pem,key.pem[,client-ca.pem]: the listener speaks TLS, or mutual TLS
    #[arg(long, env = "TLS", hide_env_values = true)]
    pub tls: Option<String>,
    /// Redis behind HTTP, shared by all gateways: 127.0.0.1:7379, a webdis, or upstash+https://..
    #[arg(long, env = "REDIS_HTTP", hide_env_values = true)]
    pub redis_http: Option<String>,
    /// The token of an upstash+ gateway; handed to the filter in Envoy's environment
    #[arg(long, env = "REDIS_TOKEN", hide_env_values = true)]
    pub redis_token: Option<String>,
    /// With it what is written to Redis is signed, and what is read must be; handed on as the token is
    #[arg(long, env = "REDIS_SIGNING_KEY", hide_env_values = true)]
    pub redis_signing_key: Option<String>,
    /// A folder: archives are cached there on disk, by an nginx behind Envoy
    #[arg(long, env = "ARCHIVES", hide_env_values = true)]
    pub archives: Option<String>,
    /// Where records of failed downloads go as JSON lines: - is standard output, else a file [default: -]
    #[arg(long, env = "EVENTS", hide_env_values = true)]
    pub events: Option<String>,
    /// A collector for them: elasticsearch+http://127.0.0.1:9200, or http://127.0.0.1:9880/path, which takes a JSON array
    #[arg(long, env = "EVENTS_HTTP", hide_env_values = true)]
    pub events_http: Option<String>,
    #[command(flatten)]
    later: Later,
}

/// What DESIGN names and this release does not have. Asked for, it is refused, never ignored.
#[derive(Debug, Clone, Default, clap::Args)]
struct Later {
    #[arg(long, env = "NGINX_WASM", hide = true)]
    nginx_wasm: Option<String>,
}

/// The same, understood.
#[derive(Debug, Clone)]
pub struct Settings {
    /// LISTEN
    pub listen: SocketAddr,
    /// ADMIN
    pub admin: SocketAddr,
    /// UPSTREAM, in order
    pub upstreams: Vec<Link>,
    /// SUMDB
    pub sumdb: Vec<Named>,
    /// UPSTREAM_CA
    pub upstream_ca: Option<PathBuf>,
    /// CLUSTERS
    pub clusters: Vec<Named>,
    /// WORKERS; none: the cores
    pub workers: Option<u16>,
    /// What CONFIG's file holds
    pub config: Option<String>,
    /// TLS
    pub tls: Option<Tls>,
    /// REDIS_HTTP
    pub redis: Option<RedisHttp>,
    /// ARCHIVES, absolute
    pub archives: Option<PathBuf>,
    /// EVENTS
    pub events: Lines,
    /// EVENTS_HTTP
    pub events_http: Option<EventsHttp>,
    /// What Envoy has in its environment, and the filter in its own: REDIS_TOKEN, REDIS_SIGNING_KEY
    pub secrets: Vec<(&'static str, Secret)>,
}

/// The certificate that the listener shows, and whose clients it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM, leaf first.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
    /// With it, only clients with a certificate from it are served.
    pub client_ca: Option<PathBuf>,
}

/// A variable with a value that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable}: {why}")]
pub struct WrongValue {
    /// Which.
    pub variable: &'static str,
    /// What was expected and what came.
    pub why: String,
}

pub(crate) type Parsed<T> = Result<T, WrongValue>;

impl Variables {
    /// Understands all of them, with the defaults for those that are not set.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn parse(&self) -> Parsed<Settings> {
        self.refuse_what_is_not_built()?;
        Ok(Settings {
            listen: address("LISTEN", given(&self.listen).unwrap_or("127.0.0.1:8080"))?,
            admin: address("ADMIN", given(&self.admin).unwrap_or("127.0.0.1:9901"))?,
            upstreams: lists::chain(given(&self.upstream).unwrap_or("https://proxy.golang.org"))?,
            sumdb: lists::sumdb(
                given(&self.sumdb).unwrap_or("sum.golang.org=https://sum.golang.org"),
            )?,
            upstream_ca: given(&self.upstream_ca)
                .map(|path| file("UPSTREAM_CA", "a file of CA certificates", path))
                .transpose()?,
            clusters: given(&self.clusters).map_or_else(|| Ok(Vec::new()), lists::clusters)?,
            workers: given(&self.workers).map(workers).transpose()?,
            config: given(&self.config).map(config).transpose()?,
            tls: given(&self.tls).map(tls).transpose()?,
            redis: self.redis()?,
            archives: given(&self.archives).map(archives).transpose()?,
            events: Lines::parse(given(&self.events).unwrap_or("-"))?,
            events_http: given(&self.events_http)
                .map(EventsHttp::parse)
                .transpose()?,
            secrets: self
                .secrets()
                .into_iter()
                .filter_map(|(name, value)| Some((name, Secret::new(value?))))
                .collect(),
        })
    }

    fn secrets(&self) -> [(&'static str, Option<&str>); 2] {
        [
            (redis_http::TOKEN, given(&self.redis_token)),
            (redis_http::SIGNING_KEY, given(&self.redis_signing_key)),
        ]
    }

    fn redis(&self) -> Parsed<Option<RedisHttp>> {
        let [token, key] = self.secrets().map(|(_, value)| value.is_some());
        if let Some(text) = given(&self.redis_http) {
            return RedisHttp::parse(text, token, key).map(Some);
        }
        // A configuration of one's own may name them.
        let unused = self
            .secrets()
            .into_iter()
            .find(|(_, value)| value.is_some());
        match unused {
            Some((variable, _)) if given(&self.config).is_none() => wrong(
                variable,
                "expected REDIS_HTTP beside it, got a value without",
            ),
            _ => Ok(None),
        }
    }

    fn refuse_what_is_not_built(&self) -> Parsed<()> {
        match given(&self.host) {
            None | Some("envoy") => {}
            Some("nginx") => {
                return wrong(
                    "HOST",
                    "nginx is not supported yet, expected envoy, got \"nginx\"",
                );
            }
            Some(other) => return wrong("HOST", format!("expected envoy, got {other:?}")),
        }
        match given(&self.later.nginx_wasm) {
            None => Ok(()),
            Some(_) => wrong(
                "NGINX_WASM",
                "nginx as a host is not supported yet, expected it not to be set, got a value",
            ),
        }
    }
}

fn given(value: &Option<String>) -> Option<&str> {
    value
        .as_deref()
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

pub(crate) fn wrong<T>(variable: &'static str, why: impl Into<String>) -> Parsed<T> {
    Err(WrongValue {
        variable,
        why: why.into(),
    })
}

fn address(variable: &'static str, text: &str) -> Parsed<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some(port) = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok())
    {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    wrong(
        variable,
        format!("expected an address and a port such as 127.0.0.1:8080 or [::]:8080, got {text:?}"),
    )
}

/// Whether it can be one is seen when it is made: [`crate::archives::Folder::open`].
fn archives(text: &str) -> Parsed<PathBuf> {
    // In nginx's configuration it stands as it is.
    if text.contains(['"', '\'', ';', '{', '}', '$', '\\']) || text.contains(char::is_whitespace) {
        return wrong(
            "ARCHIVES",
            format!(
                "expected a folder without spaces, quotes and ; {{ }} $ \\ in its path, got {text:?}"
            ),
        );
    }
    std::path::absolute(text).or_else(|error| wrong("ARCHIVES", format!("got {text:?}: {error}")))
}

fn workers(text: &str) -> Parsed<u16> {
    match text.parse() {
        Ok(count @ 1..=1024) => Ok(count),
        _ => wrong(
            "WORKERS",
            format!("expected a number from 1 to 1024, got {text:?}"),
        ),
    }
}

fn config(path: &str) -> Parsed<String> {
    std::fs::read_to_string(path).or_else(|error| {
        wrong(
            "CONFIG",
            format!("expected a file with the plugin's configuration, got {path:?}: {error}"),
        )
    })
}

fn tls(text: &str) -> Parsed<Tls> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let (certificate, key, client_ca) = match parts[..] {
        [certificate, key] => (certificate, key, None),
        [certificate, key, client_ca] => (certificate, key, Some(client_ca)),
        _ => {
            return wrong(
                "TLS",
                format!(
                    "expected cert.pem,key.pem or cert.pem,key.pem,client-ca.pem, got {text:?}"
                ),
            );
        }
    };
    Ok(Tls {
        certificate: file("TLS", "a certificate file", certificate)?,
        key: file("TLS", "a key file", key)?,
        client_ca: client_ca
            .map(|path| file("TLS", "a file of CA certificates", path))
            .transpose()?,
    })
}

/// An existing file, by its absolute path: the host is started elsewhere.
fn file(variable: &'static str, what: &str, path: &str) -> Parsed<PathBuf> {
    let refuse = |why: String| wrong(variable, format!("expected {what}, got {path:?}: {why}"));
    match std::fs::metadata(Path::new(path)) {
        Ok(metadata) if metadata.is_file() => {
            std::path::absolute(path).or_else(|error| refuse(error.to_string()))
        }
        Ok(_) => refuse("not a file".to_owned()),
        Err(error) => refuse(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        let mut variables = Variables::default();
        for (name, value) in pairs {
            let value = Some((*value).to_owned());
            match *name {
                "HOST" => variables.host = value,
                "LISTEN" => variables.listen = value,
                "ADMIN" => variables.admin = value,
                "UPSTREAM" => variables.upstream = value,
                "SUMDB" => variables.sumdb = value,
                "UPSTREAM_CA" => variables.upstream_ca = value,
                "CLUSTERS" => variables.clusters = value,
                "WORKERS" => variables.workers = value,
                "CONFIG" => variables.config = value,
                "TLS" => variables.tls = value,
                "NGINX_WASM" => variables.later.nginx_wasm = value,
                "ARCHIVES" => variables.archives = value,
                "REDIS_HTTP" => variables.redis_http = value,
                "REDIS_TOKEN" => variables.redis_token = value,
                "REDIS_SIGNING_KEY" => variables.redis_signing_key = value,
                "EVENTS" => variables.events = value,
                "EVENTS_HTTP" => variables.events_http = value,
                other => panic!("no such variable: {other}"),
            }
        }
        variables
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        for unset in [
            variables(&[]),
            variables(&[
                ("LISTEN", ""),
                ("UPSTREAM", " "),
                ("TLS", ""),
                ("EVENTS", "-"),
                ("HOST", "envoy"),
            ]),
        ] {
            let settings = unset.parse().unwrap();
            assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
            assert_eq!(settings.admin.to_string(), "127.0.0.1:9901");
            assert_eq!(
                settings.upstreams,
                lists::chain("https://proxy.golang.org").unwrap()
            );
            assert_eq!(
                settings.sumdb,
                lists::sumdb("sum.golang.org=https://sum.golang.org").unwrap()
            );
            assert_eq!(
                (settings.workers, settings.config, settings.tls),
                (None, None, None)
            );
            assert_eq!(
                (settings.events, settings.events_http),
                (Lines::Stdout, None)
            );
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_the_variable_what_was_expected_and_what_came() {
        for (variable, value, says) in [
            ("HOST", "nginx", "nginx is not supported yet"),
            ("HOST", "apache", "expected envoy, got \"apache\""),
            (
                "LISTEN",
                "8080",
                "expected an address and a port such as 127.0.0.1:8080 or [::]:8080, got \"8080\"",
            ),
            ("LISTEN", "127.0.0.1:99999", "got \"127.0.0.1:99999\""),
            ("ADMIN", "example.com:1", "got \"example.com:1\""),
            ("UPSTREAM", "direct", "cannot clone"),
            ("UPSTREAM", "https://a.example,direct", "cannot clone"),
            ("UPSTREAM", "off", "got \"off\""),
            (
                "UPSTREAM",
                "https://a.example,,https://b.example",
                "between the separators",
            ),
            ("UPSTREAM", "https://a.example|", "between the separators"),
            ("UPSTREAM", "proxy.golang.org", "got \"proxy.golang.org\""),
            (
                "UPSTREAM",
                "https://u:p@a.example",
                "without user and password",
            ),
            (
                "SUMDB",
                "https://sum.golang.org",
                "got \"https://sum.golang.org\"",
            ),
            ("SUMDB", "a/b=https://a.example", "got \"a/b\""),
            (
                "SUMDB",
                "a=https://a.example a=https://b.example",
                "\"a\" twice",
            ),
            ("SUMDB", "a=b", "got \"b\""),
            (
                "UPSTREAM_CA",
                "/nonexistent/ca.pem",
                "got \"/nonexistent/ca.pem\"",
            ),
            ("UPSTREAM_CA", "/", "not a file"),
            (
                "CLUSTERS",
                "mirror",
                "expected space separated name=url, got \"mirror\"",
            ),
            ("CLUSTERS", "m=http://127.0.0.1:1/base", "without a path"),
            (
                "WORKERS",
                "0",
                "expected a number from 1 to 1024, got \"0\"",
            ),
            ("WORKERS", "many", "got \"many\""),
            ("CONFIG", "/nonexistent.json", "got \"/nonexistent.json\""),
            ("TLS", "cert.pem", "expected cert.pem,key.pem"),
            (
                "TLS",
                "/nonexistent/c.pem,/nonexistent/k.pem",
                "expected a certificate file, got \"/nonexistent/c.pem\"",
            ),
            ("NGINX_WASM", "/usr/sbin/nginx", "not supported yet"),
            ("ARCHIVES", "/a b", "expected a folder without spaces"),
            ("REDIS_HTTP", "7379", "expected 127.0.0.1:7379 (a webdis)"),
            ("REDIS_TOKEN", "hunter2", "expected REDIS_HTTP beside it"),
            ("REDIS_SIGNING_KEY", "k", "expected REDIS_HTTP beside it"),
            ("EVENTS", "/", "expected - for standard output, or a file"),
            ("EVENTS", "events/", "got \"events/\": a folder"),
            (
                "EVENTS",
                "/nonexistent/events.jsonl",
                "got \"/nonexistent/events.jsonl\": no such folder",
            ),
            (
                "EVENTS_HTTP",
                "127.0.0.1:9200",
                "expected elasticsearch+http://127.0.0.1:9200 or http://127.0.0.1:9880/path",
            ),
            (
                "EVENTS_HTTP",
                "kafka+http://127.0.0.1:9200",
                "got \"kafka+http://127.0.0.1:9200\"",
            ),
            (
                "EVENTS_HTTP",
                "elasticsearch+https://elastic:hunter2@es.example",
                "without user and password",
            ),
            (
                "EVENTS_HTTP",
                "http://127.0.0.1:9880/x?tag=y",
                "without query or fragment",
            ),
            ("EVENTS_HTTP", "http://127.0.0.1:0", "expected a port"),
        ] {
            let refusal = variables(&[(variable, value)]).parse().expect_err(variable);
            assert_eq!(refusal.variable, variable);
            assert!(refusal.why.contains(says), "{variable}={value}: {refusal}");
            assert!(!refusal.why.contains("hunter2"), "{refusal}");
        }
    }
}
