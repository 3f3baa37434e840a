//! Redis as a tier of the cache: what is asked of it by callout, what its answers mean, and when it is left alone.
//!
//! Redis that is down is a cache miss. Reads are asked by flights and obey a short time limit; writes are made behind the
//! client's back, from a queue that is bounded. After some failures in a row nothing is asked of it, until it answers a
//! probe that no client waits for.

mod breaker;
mod jobs;
mod missed;
mod writes;

use std::rc::Rc;
use std::time::Duration;

use crate::cache::redis::{
    RedisWire, Sealed, SecretError, SigningKey, Upstash, Webdis, WireRequest, open, redis_key, seal,
};
use crate::cache::{Entry, Key};
use crate::callout::{Callout, CalloutId, CalloutOutcome};
use crate::capabilities::Environment;
use crate::config::{self, RedisGateway};
use crate::gateway::SetupError;
use crate::metrics::{Counters, count};
use crate::time::Timestamp;

pub(crate) use breaker::Breaker;
pub(crate) use jobs::Jobs;
pub(crate) use missed::Missed;
pub(crate) use writes::{Write, Writes};

/// An answer without a value.
const SMALL: usize = 4096;

/// How a configuration reaches Redis.
pub(crate) struct Redis {
    wire: Box<dyn RedisWire>,
    target: Rc<str>,
    authority: Rc<str>,
    timeout: Duration,
    max_fails: u32,
    fail_timeout: Duration,
    prefix: Box<str>,
    ttl: Duration,
    max_value: usize,
    signing_key: Option<SigningKey>,
}

/// What a namespace knows of Redis, whatever the configuration.
#[derive(Default)]
pub(crate) struct RedisState {
    pub(crate) breaker: Breaker,
    pub(crate) writes: Writes,
}

/// Redis, as a flight asks it.
pub(crate) struct Asked<'a> {
    pub(crate) redis: &'a Redis,
    pub(crate) state: &'a mut RedisState,
    pub(crate) counters: &'a mut Counters,
}

/// An entry that Redis had.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) entry: Rc<Entry>,
    /// It will be gone soon, and somebody wants it.
    pub(crate) is_late: bool,
}

impl Redis {
    /// # Errors
    /// [`SetupError`], if a secret is not in the host's environment, or cannot serve.
    pub(crate) fn new(
        config: &config::Redis,
        environment: &Environment,
    ) -> Result<Self, SetupError> {
        let secret = |field: &'static str, name: &config::EnvName| {
            let missing = || SetupError {
                field,
                why: format!(
                    "the host hands on no environment variable {}",
                    name.as_str()
                ),
            };
            environment(name.as_str())
                .filter(|value| !value.is_empty())
                .ok_or_else(missing)
        };
        let unusable = |field| {
            move |error: SecretError| SetupError {
                field,
                why: error.to_string(),
            }
        };
        let field = "cache.redis.token";
        let wire: Box<dyn RedisWire> = match (config.gateway, &config.token) {
            (RedisGateway::Upstash, Some(name)) => Box::new(
                Upstash::new(&config.path, &secret(field, name)?).map_err(unusable(field))?,
            ),
            (RedisGateway::Webdis | RedisGateway::Upstash, _) => {
                Box::new(Webdis::new(&config.path))
            }
        };
        let field = "cache.redis.signing_key";
        let signing_key = match &config.signing_key {
            Some(name) => {
                Some(SigningKey::from_secret(&secret(field, name)?).map_err(unusable(field))?)
            }
            None => None,
        };
        Ok(Self {
            wire,
            target: (*config.target).into(),
            authority: (*config.authority).into(),
            timeout: config.timeout,
            max_fails: config.max_fails,
            fail_timeout: config.fail_timeout,
            prefix: (*config.prefix).into(),
            ttl: config.ttl,
            max_value: config.max_value,
            signing_key,
        })
    }

    /// The largest body that is written.
    pub(crate) const fn max_value(&self) -> usize {
        self.max_value
    }

    /// What an object is called there.
    pub(crate) fn key_of(&self, key: &Key) -> String {
        redis_key(&self.prefix, key)
    }

    fn read(&self, id: CalloutId, key: &Key) -> Callout {
        let request = self.wire.get(&self.key_of(key));
        self.callout(id, request, body_limit(self.max_value))
    }

    fn callout(&self, id: CalloutId, request: WireRequest, body_limit: usize) -> Callout {
        Callout {
            id,
            target: self.target.clone(),
            method: request.method,
            authority: self.authority.clone(),
            path: request.path,
            headers: request.headers,
            body: request.body,
            timeout: self.timeout,
            body_limit,
        }
    }

    /// What came of a read.
    fn found(
        &self,
        outcome: CalloutOutcome,
        key: &Key,
        now: Timestamp,
    ) -> Result<Option<Found>, Missed> {
        let (status, body) = missed::answered(outcome)?;
        let Some(value) = self.wire.parse_get(status, &body)? else {
            return Ok(None);
        };
        let Sealed { entry, written_at } = open(&value, key.as_str(), self.signing_key.as_ref())?;
        let half = self.ttl.checked_div(2).unwrap_or_default();
        // What moves on is written again whenever it is fetched anew.
        let is_late = entry.head().stale_until == Timestamp::MAX && now >= written_at.after(half);
        let entry = Rc::new(entry);
        Ok(Some(Found { entry, is_late }))
    }

    fn seal(&self, entry: &Entry, now: Timestamp) -> Vec<u8> {
        seal(entry, now, self.signing_key.as_ref())
    }

    /// For how many seconds an entry is written; `None`: it is not worth it any more.
    fn ttl_of(&self, entry: &Entry, now: Timestamp) -> Option<u64> {
        let left = entry.head().stale_until.seconds_since(now);
        let ttl = left.min(self.ttl.as_secs());
        (ttl > 0).then_some(ttl)
    }
}

impl Asked<'_> {
    /// The callout that reads a key, unless Redis is left alone.
    pub(crate) fn read(&self, id: CalloutId, key: &Key) -> Option<Callout> {
        (!self.state.breaker.is_open()).then(|| self.redis.read(id, key))
    }

    /// What came of it. Whatever is no valid entry is a miss, and counted.
    pub(crate) fn on_read(
        &mut self,
        outcome: CalloutOutcome,
        key: &Key,
        now: Timestamp,
    ) -> Option<Found> {
        let found = self.redis.found(outcome, key, now);
        let told = found.as_ref().err().copied();
        self.state.note(self.redis, told, now);
        match found {
            Ok(Some(found)) => {
                count(&mut self.counters.redis_hits_total);
                Some(found)
            }
            Ok(None) => {
                count(&mut self.counters.redis_misses_total);
                None
            }
            Err(missed) => {
                count(&mut self.counters.redis_misses_total);
                count(&mut self.counters.redis_failures_total);
                self.counters.redis_missed.count(missed);
                None
            }
        }
    }
}

impl RedisState {
    /// What an outcome says of Redis and of the gateway before it.
    fn note(&mut self, redis: &Redis, missed: Option<Missed>, now: Timestamp) {
        match missed {
            Some(Missed::NotSent) => {}
            Some(missed) if missed.is_outage() => {
                let until = now.after(redis.fail_timeout);
                self.breaker.failed(redis.max_fails, until, now);
            }
            _ => self.breaker.worked(now),
        }
    }
}

/// What an answer may have that carries a value of so many bytes: base64, the envelope and its surroundings come on top.
const fn body_limit(max_value: usize) -> usize {
    max_value.saturating_mul(2).saturating_add(SMALL)
}
