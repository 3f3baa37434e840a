//! `cache.redis`: the HTTP gateway before Redis, and what is kept there.

use std::time::Duration;

use super::authority::Authority;
use super::env::EnvName;
use super::error::{Echo, Problems};
use super::read::{At, Text, Why, object};
use super::span::{FailTimeout, ImmutableAge, MaxFails, ObjectSize, QueueSize, Timeout};
use super::text::{BasePath, Target};

/// A prefix stands in every key in Redis.
const MAX_PREFIX: usize = 32;

/// The largest value, where the configuration does not say: a webdis has few connections to Redis, and one that is busy with
/// a large value lets all others wait.
const MAX_VALUE: usize = 256 * 1024;

/// Redis, behind the HTTP gateway by which a filter reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// What the gateway speaks.
    pub gateway: RedisGateway,
    /// What the host calls it: on Envoy a cluster's name.
    pub target: String,
    /// The `:authority` of what it is sent.
    pub authority: String,
    /// The base path, without a slash at its end; empty for the root.
    pub path: String,
    /// The variable with the bearer token: there for [`RedisGateway::Upstash`], and only there.
    pub token: Option<EnvName>,
    /// Until the end of an answer.
    pub timeout: Duration,
    /// So many failures in a row put it aside; 0 never does.
    pub max_fails: u32,
    /// How long it is put aside.
    pub fail_timeout: Duration,
    /// What every key begins with: `[a-z0-9-]`, 1 to 32 characters.
    pub prefix: String,
    /// When Redis drops a value; at least a second.
    pub ttl: Duration,
    /// The largest value that is sent, in bytes; at most `queue`.
    pub max_value: usize,
    /// The variable with the key that values are signed with.
    pub signing_key: Option<EnvName>,
    /// How many bytes of values may wait to be written, in each worker.
    pub queue: usize,
}

/// An HTTP gateway before Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisGateway {
    /// <https://github.com/nicolasff/webdis>
    Webdis,
    /// Upstash's REST API, or serverless-redis-http.
    Upstash,
}

object! {
    /// A Redis that all workers and replicas share, behind an HTTP gateway: a filter cannot open a socket.
    struct RedisDocument {
        /// What it is reached through: `webdis`, or `upstash` for the REST API of Upstash and of serverless-redis-http.
        gateway: RedisGateway,
        /// What the host calls the gateway: on Envoy a cluster's name.
        target: Target,
        /// The host name (and port) it is asked for. Default: the target, or its last part in Istio's form.
        authority: Option<Authority>,
        /// The path below which it is asked.
        path: BasePath = "/",
        /// The bearer token of an `upstash`, from the environment.
        token: Option<EnvName>,
        /// Until the end of an answer; what takes longer is a miss.
        timeout: Timeout = "100ms",
        /// So many failures in a row put it aside; 0 never does.
        max_fails: MaxFails = 3,
        /// How long it is put aside; then one request tries it.
        fail_timeout: FailTimeout = "2s",
        /// What every key begins with. Gateways of different kinds store different bytes: each kind needs its own.
        prefix: Prefix = "gomod",
        /// When Redis drops a value; a hit in the second half of it writes the value again.
        ttl: ImmutableAge = "30d",
        /// The largest value that is written. Default: 256KiB, or `queue` where that is less.
        max_value: Option<ObjectSize>,
        /// The key that values are signed with (HMAC-SHA256), from the environment: 16 bytes at least, the same for all that
        /// share the prefix. With it, what is not signed is a miss.
        signing_key: Option<EnvName>,
        /// How many bytes of values may wait to be written, in each worker; what is above it is dropped.
        queue: QueueSize = "4MiB",
    }
    later: []
}

impl Text for RedisGateway {
    const EXPECTED: &'static str = r#""webdis" or "upstash""#;

    fn parse(text: &str) -> Result<Self, Why> {
        match text {
            "webdis" => Ok(Self::Webdis),
            "upstash" => Ok(Self::Upstash),
            "redis" => Err("a filter cannot open a socket; put one of them before it".into()),
            _ => Err("".into()),
        }
    }
}

/// What every key begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix(pub(super) String);

impl Text for Prefix {
    const EXPECTED: &'static str = r#"a prefix of 1 to 32 characters (a-z, 0-9, "-")"#;

    fn parse(text: &str) -> Result<Self, Why> {
        let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if (1..=MAX_PREFIX).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err("".into())
        }
    }
}

/// Checks the section as a whole; `None` once a problem has been noted.
pub(super) fn compile(document: RedisDocument, problems: &mut Problems) -> Option<Redis> {
    let cache = At::Field(&At::Root, "cache");
    let at = At::Field(&cache, "redis");
    check_token(&document, At::Field(&at, "token"), problems);
    let queue = document.queue.0;
    let max_value = document.max_value.map_or(MAX_VALUE.min(queue), |own| own.0);
    if max_value > queue {
        let expected = "expected at most cache.redis.queue";
        let message = format!("{expected} ({queue} bytes), got {max_value} bytes");
        problems.add(At::Field(&at, "max_value"), message);
    }
    let target = document.target.0;
    let authority = document.authority.or_else(|| default_authority(&target));
    if authority.is_none() {
        let message = format!(
            "required, since the target {} is no host name",
            Echo(&target)
        );
        problems.add(At::Field(&at, "authority"), message);
    }
    Some(Redis {
        gateway: document.gateway,
        authority: authority?.0,
        target,
        path: document.path.0,
        token: document.token,
        timeout: document.timeout.0,
        max_fails: document.max_fails.0,
        fail_timeout: document.fail_timeout.0,
        prefix: document.prefix.0,
        ttl: document.ttl.0,
        max_value,
        signing_key: document.signing_key,
        queue,
    })
}

/// A token is what an `upstash` knows its clients by; a webdis has none, and would never be sent it.
fn check_token(document: &RedisDocument, at: At<'_>, problems: &mut Problems) {
    let message = match (document.gateway, &document.token) {
        (RedisGateway::Upstash, None) => {
            r#"required with the gateway "upstash", expected "env:" and the name of an environment variable, got nothing"#
        }
        (RedisGateway::Webdis, Some(_)) => {
            "expected nothing, since a webdis has no token; remove it"
        }
        _ => return,
    };
    problems.add(at, message.to_owned());
}

/// The target where it is a host name; of Istio's `outbound|7379||webdis.cache.svc.cluster.local` the host.
fn default_authority(target: &str) -> Option<Authority> {
    let host = target.rsplit('|').next().unwrap_or(target);
    Authority::parse(host).ok()
}
