//! REDIS_HTTP, REDIS_TOKEN and REDIS_SIGNING_KEY: the HTTP gateway before Redis, its cluster and its part of the plugin's
//! configuration.

use std::fmt;

use serde_json::{Value, json};

use crate::base_url::BaseUrl;
use crate::settings::{Parsed, wrong};

/// The cluster's name, and the target's.
pub const TARGET: &str = "redis_http";
/// The bearer token's environment variable, here and in Envoy.
pub const TOKEN: &str = "REDIS_TOKEN";
/// The signing key's environment variable, here and in Envoy.
pub const SIGNING_KEY: &str = "REDIS_SIGNING_KEY";

/// Where Redis is reached, and what must be known there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisHttp {
    /// What stands there.
    pub gateway: RedisGateway,
    /// Where.
    pub url: BaseUrl,
    /// Whether values are signed; the key itself is Envoy's, in [`SIGNING_KEY`].
    pub signed: bool,
}

/// What speaks HTTP before a Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisGateway {
    /// webdis, by http and at the root.
    Webdis,
    /// Upstash's REST API, or what looks like it.
    Upstash,
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// From a variable.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// For whom it is meant.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl RedisHttp {
    /// `host:port` of a webdis, or the URL of a REST gateway behind `upstash+`, which needs a token.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str, token: bool, signed: bool) -> Parsed<Self> {
        let Some(url) = text.strip_prefix("upstash+") else {
            if token {
                return wrong(
                    TOKEN,
                    "expected it not to be set beside a webdis, which has no token, got a value",
                );
            }
            return Self::webdis(text, signed);
        };
        if !token {
            return wrong(
                TOKEN,
                "expected the token of the gateway that REDIS_HTTP names, got nothing",
            );
        }
        let url = BaseUrl::parse(url).or_else(|why| wrong("REDIS_HTTP", why))?;
        Ok(Self {
            gateway: RedisGateway::Upstash,
            url,
            signed,
        })
    }

    fn webdis(text: &str, signed: bool) -> Parsed<Self> {
        // Without a port it would be 80, where no webdis is.
        let port = text.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let url = BaseUrl::parse(&format!("http://{text}")).ok();
        match url.filter(|url| port && url.path.is_empty()) {
            Some(url) => Ok(Self {
                gateway: RedisGateway::Webdis,
                url,
                signed,
            }),
            None => wrong(
                "REDIS_HTTP",
                format!(
                    "expected 127.0.0.1:7379 (a webdis) or upstash+https://database.upstash.io, got {text:?}"
                ),
            ),
        }
    }

    /// The shipped file with the cluster.
    #[must_use]
    pub fn cluster_file(&self) -> &'static str {
        match self.gateway {
            RedisGateway::Webdis => "redis/webdis-cluster.yaml",
            RedisGateway::Upstash => "redis/upstash-cluster.yaml",
        }
    }

    /// `cache.redis` of the plugin's configuration.
    #[must_use]
    pub fn configuration(&self) -> Value {
        let mut redis = json!({"target": TARGET, "authority": self.url.authority()});
        match self.gateway {
            RedisGateway::Webdis => redis["gateway"] = "webdis".into(),
            RedisGateway::Upstash => {
                redis["gateway"] = "upstash".into();
                redis["token"] = format!("env:{TOKEN}").into();
            }
        }
        if !self.url.path.is_empty() {
            redis["path"] = self.url.path.as_str().into();
        }
        if self.signed {
            redis["signing_key"] = format!("env:{SIGNING_KEY}").into();
        }
        redis
    }
}

impl fmt::Display for RedisHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gateway = match self.gateway {
            RedisGateway::Webdis => "webdis",
            RedisGateway::Upstash => "a REST service",
        };
        let signed = if self.signed { ", signed" } else { "" };
        write!(f, "{gateway} at {}{signed}", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_understood_with_its_part_of_the_configuration() {
        for (text, token, signed, part) in [
            (
                "127.0.0.1:7379",
                false,
                false,
                json!({"gateway": "webdis", "target": "redis_http", "authority": "127.0.0.1:7379"}),
            ),
            (
                "[::1]:7379",
                false,
                true,
                json!({"gateway": "webdis", "target": "redis_http", "authority": "[::1]:7379",
                       "signing_key": "env:REDIS_SIGNING_KEY"}),
            ),
            (
                "webdis.cache:7379",
                false,
                false,
                json!({"gateway": "webdis", "target": "redis_http", "authority": "webdis.cache:7379"}),
            ),
            (
                "upstash+https://eu1.upstash.example/base",
                true,
                false,
                json!({"gateway": "upstash", "target": "redis_http", "authority": "eu1.upstash.example", "path": "/base",
                       "token": "env:REDIS_TOKEN"}),
            ),
        ] {
            let redis = RedisHttp::parse(text, token, signed).unwrap();
            assert_eq!(redis.configuration(), part, "{text}");
        }
    }

    #[test]
    fn what_is_no_gateway_is_refused_with_what_was_expected() {
        for (text, token, variable, says) in [
            (
                "7379",
                false,
                "REDIS_HTTP",
                "expected 127.0.0.1:7379 (a webdis) or upstash+https://",
            ),
            ("127.0.0.1", false, "REDIS_HTTP", "got \"127.0.0.1\""),
            ("[::1]", false, "REDIS_HTTP", "got \"[::1]\""),
            ("::1:7379", false, "REDIS_HTTP", "got \"::1:7379\""),
            ("webdis:0", false, "REDIS_HTTP", "got \"webdis:0\""),
            (
                "webdis:7379/x",
                false,
                "REDIS_HTTP",
                "got \"webdis:7379/x\"",
            ),
            (
                "redis://127.0.0.1:6379",
                false,
                "REDIS_HTTP",
                "got \"redis://127.0.0.1:6379\"",
            ),
            ("http://127.0.0.1:7379", false, "REDIS_HTTP", "a webdis"),
            ("127.0.0.1:7379", true, "REDIS_TOKEN", "has no token"),
            (
                "upstash+http://127.0.0.1:8080",
                false,
                "REDIS_TOKEN",
                "got nothing",
            ),
            (
                "upstash+127.0.0.1:8080",
                true,
                "REDIS_HTTP",
                "expected a URL such as",
            ),
            (
                "upstash+https://:secret@a.example",
                true,
                "REDIS_HTTP",
                "without user and password",
            ),
        ] {
            let refusal = RedisHttp::parse(text, token, false).expect_err(text);
            assert_eq!(refusal.variable, variable, "{text}: {refusal}");
            assert!(refusal.why.contains(says), "{text}: {refusal}");
            assert!(!refusal.why.contains("secret"), "{refusal}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret");
    }
}
