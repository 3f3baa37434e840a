//! Configurations: one that is accepted works, one that is refused says where and why.

use std::collections::HashSet;
use std::rc::Rc;

use goproxy_core::config::{Config, ConfigError, MAX_BYTES, RedisGateway};
use goproxy_core::{Gateway, HostCapabilities, RequestHead, Step, Store, StreamId, Timestamp};

/// So many problems are told at most.
const MAX_PROBLEMS: usize = 20;

/// Input: a configuration's bytes.
pub fn check(data: &[u8]) {
    match Config::from_json(data, "fuzz") {
        Ok(config) => accepted(&config),
        Err(error) => refused(&error),
    }
    assert!(data.len() <= MAX_BYTES || Config::from_json(data, "").is_err());
}

fn accepted(config: &Config) {
    assert!(
        !config.namespace.is_empty() && !config.routes.is_empty() && !config.upstreams.is_empty()
    );
    assert!(config.memory.max_object <= config.memory.size);
    for upstream in config
        .upstreams
        .iter()
        .chain(config.sumdb.iter().map(|database| &database.upstream))
    {
        assert!(!upstream.timeout.is_zero(), "{upstream:?}");
        for text in [&upstream.name, &upstream.target, &upstream.authority] {
            assert!(!text.is_empty() && super::is_printable(text), "{text:?}");
        }
        assert!(
            upstream.path.is_empty()
                || upstream.path.starts_with('/') && !upstream.path.ends_with('/')
        );
        assert!(
            upstream.path.bytes().all(|byte| byte.is_ascii_graphic()),
            "{:?}",
            upstream.path
        );
    }
    if let Some(redis) = &config.redis {
        for text in [&redis.target, &redis.authority, &redis.prefix] {
            assert!(!text.is_empty() && super::is_printable(text), "{text:?}");
        }
        let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        assert!(redis.prefix.bytes().all(is_plain), "{}", redis.prefix);
        assert!(!redis.timeout.is_zero() && redis.ttl.as_secs() >= 1);
        assert!(redis.max_value <= redis.queue && redis.queue > 0);
        assert_eq!(
            redis.token.is_some(),
            redis.gateway == RedisGateway::Upstash
        );
    }
    for route in &config.routes {
        assert!(!route.modules.is_empty() && !route.chain.is_empty());
        let places: HashSet<usize> = route.chain.iter().map(|link| link.upstream).collect();
        assert_eq!(
            places.len(),
            route.chain.len(),
            "no upstream is in a chain twice"
        );
        assert!(places.iter().all(|place| *place < config.upstreams.len()));
    }
    let mut gateway = Gateway::new(
        config,
        &Rc::<std::cell::RefCell<Store>>::default(),
        // Whatever variable is named, it holds what serves as a token and as a key.
        &HostCapabilities {
            environment: Rc::new(|_| Some("sixteen-bytes-xx".to_owned())),
            ..HostCapabilities::none()
        },
    )
    .expect("the host gives what is asked");
    for (number, path) in [
        "/example.com/a/@v/list",
        "/example.com/a/@v/v1.0.0.zip",
        "/-/healthz",
    ]
    .into_iter()
    .enumerate()
    {
        let fields = [
            (&b":method"[..], &b"GET"[..]),
            (b":path", path.as_bytes()),
            (b":authority", b"gw"),
        ];
        let head = RequestHead {
            fields: &fields,
            end_of_stream: true,
        };
        let id = StreamId(u32::try_from(number).unwrap());
        let step = gateway.begin(id, &head, Timestamp::from_millis(0));
        assert_eq!(
            matches!(step, Step::Wait),
            gateway.has_work(),
            "{path}: {step:?}"
        );
        while let Some(callout) = gateway.next_callout(Timestamp::from_millis(0)) {
            assert!(!callout.timeout.is_zero() && callout.path.starts_with('/'));
        }
    }
}

fn refused(error: &ConfigError) {
    assert!(!error.problems().is_empty() && error.problems().len() <= MAX_PROBLEMS);
    for problem in error.problems() {
        // What is wrong with the document as a whole has no path: it is no JSON, too large, or no object.
        let names_a_field = !problem.path().is_empty();
        assert!(
            names_a_field || problem.message().starts_with("expected "),
            "{problem}"
        );
        assert!(!problem.message().is_empty(), "{problem}");
        // A line of a log: one line, of bounded length.
        assert!(super::is_printable(&problem.to_string()), "{problem:?}");
        assert!(
            problem.to_string().len() <= 2048,
            "{} bytes: {problem}",
            problem.to_string().len()
        );
    }
}
