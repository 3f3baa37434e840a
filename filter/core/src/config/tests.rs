//! What a configuration becomes, and that none is accepted by mistake.

use std::time::Duration;

use super::*;
use crate::testing::test;

const COMPLETE: &str = include_str!("../../examples/config/valid/complete.json");
const MINIMAL: &str = include_str!("../../examples/config/valid/minimal.json");

fn read(json: &str) -> Config {
    match Config::from_json(json.as_bytes(), "plugin") {
        Ok(config) => config,
        Err(error) => panic!("{error}"),
    }
}

fn refusal(json: &[u8]) -> String {
    Config::from_json(json, "plugin")
        .expect_err("refused")
        .to_string()
}

#[test]
fn what_is_written_is_what_is_configured() {
    let config = read(COMPLETE);
    assert_eq!(config.namespace, "team-a");
    assert_eq!(config.host, Some(HostKind::Envoy));
    assert_eq!(config.log_level, LogLevel::Warn);
    assert_eq!(config.serve.base_path(), "/goproxy");
    let mirror = Upstream {
        name: "mirror".into(),
        target: "outbound|443||artifacts.corp.example".into(),
        authority: "artifacts.corp.example:8443".into(),
        path: "/artifactory/api/go/go".into(),
        timeout: Duration::from_secs(90),
    };
    assert_eq!(config.upstreams[1], mirror);
    let chain = [
        Link {
            upstream: 0,
            on: FallThrough::NotFound,
        },
        Link {
            upstream: 1,
            on: FallThrough::AnyError,
        },
        Link {
            upstream: 2,
            on: FallThrough::NotFound,
        },
    ];
    assert_eq!(config.routes[1].chain, chain);
    assert!(config.routes[0].modules[1].matches("a.git.corp.example/team"));
    let sumdb = &config.sumdb[0];
    assert_eq!(
        (sumdb.name.as_str(), sumdb.upstream.name.as_str()),
        ("sum.golang.org", "sum.golang.org")
    );
    assert_eq!(
        config.memory,
        Memory {
            size: 64 << 20,
            max_object: 512 << 10
        }
    );
    assert_eq!(config.invalidate[0].before, 1_795_305_600_000);
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = read(MINIMAL);
    assert_eq!(config.namespace, "plugin");
    assert_eq!(config.host, None);
    assert_eq!(config.log_level, LogLevel::Info);
    assert!(config.serve.hosts_all());
    assert_eq!(config.serve.strip(b"/a"), Some(&b"/a"[..]));
    assert_eq!(config.upstreams[0].path, "");
    assert_eq!(config.upstreams[0].timeout, Duration::from_secs(120));
    assert!(config.sumdb.is_empty() && config.invalidate.is_empty());
    assert_eq!(
        config.memory,
        Memory {
            size: 32 << 20,
            max_object: 256 << 10
        }
    );
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let minute = Duration::from_secs(60);
    let freshness = Freshness {
        immutable: year,
        mutable: minute,
        negative: minute,
    };
    assert_eq!(config.freshness, freshness);
    assert_eq!(config.routes[0].freshness, freshness);
}

#[test]
fn a_route_overrides_the_freshness_it_names_and_no_other() {
    let config = read(COMPLETE);
    let base = Freshness {
        immutable: Duration::from_secs(30 * 24 * 60 * 60),
        mutable: Duration::from_secs(90),
        negative: Duration::from_millis(500),
    };
    assert_eq!(config.freshness, base);
    assert_eq!(config.routes[1].freshness, base);
    let own = Freshness {
        mutable: Duration::ZERO,
        negative: Duration::from_secs(5),
        ..base
    };
    assert_eq!(config.routes[0].freshness, own);
}
