//! A Redis that several gateways share, and a look into it.

use goproxy_integration::gateway::Gateway;
use goproxy_integration::origin::Origin;
use goproxy_integration::redis_server::{ADMIN_PASSWORD, RedisServer, Webdis};
use goproxy_integration::running::Running;
use redis::{Connection, ConnectionLike as _, Value as Reply, cmd};
use serde_json::{Value, json};

use crate::world::{self, PATIENCE, eventually, h1, merge};

/// An origin, and a Redis behind webdis.
pub struct Shared {
    pub redis: RedisServer,
    pub webdis: Webdis,
    pub origin: Origin,
}

impl Shared {
    pub fn start() -> Self {
        let redis = RedisServer::start().unwrap();
        let webdis = Webdis::start(redis.addr()).unwrap();
        let origin = Origin::start(&[]).unwrap();
        Self {
            redis,
            webdis,
            origin,
        }
    }

    /// A gateway process of its own.
    pub fn gateway(&self) -> Running {
        self.gateway_with(json!({}))
    }

    /// The same; these fields are added to `cache.redis`.
    pub fn gateway_with(&self, redis: Value) -> Running {
        start(self.gateway_of(&config(&self.origin, redis)))
    }

    /// A gateway with a configuration of its own, not started.
    pub fn gateway_of(&self, config: &Value) -> Gateway {
        of(&self.origin, config).redis_http(&self.webdis.addr().to_string())
    }

    pub fn look(&self) -> Look {
        Look::at(&self.redis)
    }
}

/// With the origin's clusters, and whatever is the Redis of the configuration.
pub fn of(origin: &Origin, config: &Value) -> Gateway {
    Gateway::builder()
        .cluster("origin", &origin.url())
        .cluster("sums", &origin.url())
        .config_json(config.to_string())
}

pub fn start(gateway: Gateway) -> Running {
    gateway.start().unwrap_or_else(|error| panic!("{error}"))
}

/// The origin, its checksum database, and a Redis behind webdis that a busy machine does not make late; `redis` replaces
/// fields of its part.
pub fn config(origin: &Origin, redis: Value) -> Value {
    let mut part = json!({"gateway": "webdis", "target": "redis_http", "timeout": "2s"});
    merge(&mut part, redis);
    world::config(origin, json!({"cache": {"redis": part}}))
}

/// Nothing above Redis keeps anything, so every request asks it.
pub fn forget(config: &mut Value) {
    for tier in ["memory", "shared"] {
        config["cache"][tier] = json!({"size": "0B"});
    }
}

/// GET on a connection of its own, from any gateway.
pub fn get(gateway: &Running, path: &str) -> h1::Answer {
    h1::get(gateway.addr(), path)
}

/// What Envoy's Prometheus page says of one of the filter's counters, for one reason.
pub fn counted(gateway: &Running, name: &str, reason: &str) -> u64 {
    let page = world::prometheus(gateway);
    let label = format!("reason=\"{reason}\"");
    let line = page
        .lines()
        .find(|line| line.starts_with(&format!("goproxy_{name}{{")) && line.contains(&label));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or(0)
}

/// Redis, seen by its administrator.
pub struct Look(Connection);

impl Look {
    pub fn at(redis: &RedisServer) -> Self {
        let url = format!("redis://admin:{ADMIN_PASSWORD}@{}/", redis.addr());
        let client = redis::Client::open(url).unwrap();
        Self(client.get_connection_with_timeout(PATIENCE).unwrap())
    }

    /// Any command.
    pub fn ask<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        command
            .query(&mut self.0)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub fn keys(&mut self) -> Vec<String> {
        let mut keys: Vec<String> = self.ask(&["KEYS", "*"]);
        keys.sort_unstable();
        keys
    }

    /// In seconds; -1 is for ever.
    pub fn ttl(&mut self, key: &str) -> i64 {
        self.ask(&["TTL", key])
    }

    pub fn value(&mut self, key: &str) -> Vec<u8> {
        self.ask(&["GET", key])
    }

    /// Puts other bytes below a key, for an hour.
    pub fn put(&mut self, key: &str, value: &[u8]) {
        let reply = self
            .0
            .req_command(cmd("SETEX").arg(key).arg(3600).arg(value));
        assert_eq!(reply.unwrap(), Reply::Okay);
    }

    /// Waits until there are exactly so many keys, and tells them.
    pub fn await_keys(&mut self, count: usize) -> Vec<String> {
        eventually(&format!("{count} keys in Redis"), || {
            self.ask::<usize>(&["DBSIZE"]) == count
        });
        self.keys()
    }
}
