//! The configuration: what the host's bytes say, checked once and turned into plain types.
//!
//! Two steps. *Read*: the bytes become a [`json::Node`] tree, and the tree the types of [`document`], which
//! mirror the JSON exactly and refuse every field and value they do not know. *Compile*: what no single field
//! can tell (names that dangle, routes that are never reached) is checked, names become indices, and every
//! default is filled in. The result needs no serde and is never checked again.
//!
//! All problems of a step are reported at once, each as `path: expected .., got ..`.
//!
//! A crate of its own since it runs once for each configuration: in the plugin it is built for its size.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        reason = "a test that overflows or slices badly fails, which is what it is for"
    )
)]

mod admin;
mod authority;
mod compile;
mod disk;
mod document;
mod env;
mod error;
mod events;
mod json;
mod read;
mod redirects;
mod redis;
#[cfg(feature = "schema")]
mod schema;
mod serve;
mod span;
#[cfg(test)]
mod testing;
mod text;

use std::time::Duration;

pub use admin::Admin;
pub use disk::Disk;
pub use env::EnvName;
pub use error::{ConfigError, Problem};
pub use json::{Node, NotJson};
pub use redirects::{RedirectHost, Redirects, Unlisted};
pub use redis::{Redis, RedisGateway};
#[cfg(feature = "schema")]
pub use schema::json_schema;
pub use serve::Serve;

use error::Problems;
use goproxy_protocol::pattern::Pattern;
use read::{At, Read};
use xxhash_rust::xxh64::xxh64;

/// The largest configuration that is read. Envoy holds one copy for each worker, and a configuration is
/// written by people: 1 MiB is some ten thousand patterns.
pub const MAX_BYTES: usize = 1024 * 1024;

/// One configuration, checked: every name is known, every number within its range.
#[derive(Debug, Clone)]
pub struct Config {
    /// The first part of every cache key: configurations that share it in one VM share what is cached.
    pub namespace: String,
    /// The host, where the configuration says so instead of leaving it to be probed.
    pub host: Option<HostKind>,
    /// Which requests are the gateway's.
    pub serve: Serve,
    /// Where modules come from; [`Link::upstream`] is an index into it.
    pub upstreams: Vec<Upstream>,
    /// Tried in order; the first whose pattern matches the module wins. Never empty.
    pub routes: Vec<Route>,
    /// The checksum databases that are proxied.
    pub sumdb: Vec<Database>,
    /// Where upstreams may redirect to.
    pub redirects: Redirects,
    /// Bounds of the memory cache of one VM.
    pub memory: Memory,
    /// Bounds of the cache that all workers of a process share.
    pub shared: Shared,
    /// The host's disk cache for archives, if there is one.
    pub disk: Option<Disk>,
    /// Redis behind memory, if there is one.
    pub redis: Option<Redis>,
    /// How long answers stay fresh, for what is no route's (the checksum databases).
    pub freshness: Freshness,
    /// What is recorded of downloads; `None`: nothing.
    pub events: Option<goproxy_event::Section>,
    /// Who may see the pages of the gateway.
    pub admin: Admin,
    /// Which stored entries are too old to be served.
    pub invalidate: Vec<Invalidation>,
    /// The least severe level that is logged.
    pub log_level: LogLevel,
    /// A digest of the bytes: two gateways of the same one have the same configuration.
    pub digest: u64,
}

impl Config {
    /// Reads a configuration. A pure function of its arguments, so that every worker comes to the same end.
    ///
    /// `default_namespace` is the plugin's name in the host; it serves where the configuration has no
    /// `namespace`. Empty, it is `default`; a `/` in it becomes `:`, which no configured namespace may hold.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem that was found, in the order of the document.
    pub fn from_json(bytes: &[u8], default_namespace: &str) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let config = Self::read(bytes, default_namespace, &mut problems);
        match (config, problems.into_error()) {
            (Some(mut config), None) => {
                config.digest = xxh64(bytes, 0);
                Ok(config)
            }
            (_, Some(error)) => Err(error),
            (None, None) => Err(ConfigError::unexplained()),
        }
    }

    fn read(bytes: &[u8], default_namespace: &str, problems: &mut Problems) -> Option<Self> {
        let node = json::parse(bytes, problems)?;
        let document = document::Document::read(&node, At::Root, problems)?;
        compile::compile(document, default_namespace, problems)
    }
}

/// A host that the filter runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// Envoy, alone or in Istio.
    Envoy,
}

/// One place that modules come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in chains, metrics, `Cache-Status` and error texts.
    pub name: String,
    /// What the host calls it: on Envoy a cluster's name.
    pub target: String,
    /// The `:authority` of what it is sent.
    pub authority: String,
    /// The base path, without a slash at its end; empty for the root.
    pub path: String,
    /// Until the end of a metadata answer.
    pub timeout: Duration,
    /// So many failures in a row, of different modules, put it aside; 0 is no passive health.
    pub max_fails: u32,
    /// How long it is put aside.
    pub fail_timeout: Duration,
}

/// Which modules go which way.
#[derive(Debug, Clone)]
pub struct Route {
    /// Any of them. Never empty.
    pub modules: Vec<Pattern>,
    /// Asked in order. Never empty, and no upstream is in it twice.
    pub chain: Vec<Link>,
    /// How long answers of this route stay fresh.
    pub freshness: Freshness,
}

/// One upstream in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// An index into [`Config::upstreams`].
    pub upstream: usize,
    /// Which outcome of the upstream before leads here; without meaning on the first link.
    pub on: FallThrough,
}

/// When the next upstream of a chain is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FallThrough {
    /// After 404 and 410 only: the comma in `GOPROXY`.
    NotFound,
    /// After any error: the pipe in `GOPROXY`.
    AnyError,
}

/// A checksum database that is proxied below `/sumdb/<name>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its name in `GOSUMDB`, and in the path.
    pub name: String,
    /// Where it is asked; named as the database is.
    pub upstream: Upstream,
}

/// Bounds of the memory cache, for one VM (one worker of the host).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All entries together, in bytes; 0 is no memory cache.
    pub size: usize,
    /// The largest object that is stored, in bytes; at most `size`.
    pub max_object: usize,
}

/// Bounds of the cache that all workers of the host's process share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// All entries together, in bytes; 0 is no shared cache.
    pub size: usize,
}

/// How long an answer is served without asking again, by the class of its endpoint. Zero is "not stored".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// What never changes: `.info`, `.mod` and `.zip` of a version, checksums, full tiles.
    pub immutable: Duration,
    /// What moves on: lists, `@latest`, branches, partial tiles.
    pub mutable: Duration,
    /// 404 and 410.
    pub negative: Duration,
    /// How long what is no longer fresh is served at once, while it is asked for anew (RFC 5861, section 3).
    pub stale_while_revalidate: Duration,
    /// How long it is served if the upstreams fail (RFC 5861, section 4).
    pub stale_if_error: Duration,
}

/// Entries of some modules that were stored before a moment are not served.
#[derive(Debug, Clone)]
pub struct Invalidation {
    /// Any of them. Never empty.
    pub modules: Vec<Pattern>,
    /// Milliseconds since the Unix epoch; an entry stored at or after it stays.
    pub before: u64,
}

/// How much is logged. Ordered: `Error` is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What needs a person.
    Error,
    /// What will need one.
    Warn,
    /// What happens once: start, a new configuration.
    Info,
    /// What happens to each request.
    Debug,
    /// Every step.
    Trace,
}

#[cfg(test)]
mod tests;
