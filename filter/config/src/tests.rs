//! What a configuration becomes, and that none is accepted by mistake.

use std::time::Duration;

use super::*;
use crate::testing::test;

const COMPLETE: &str = include_str!("../examples/config/valid/complete.json");
const MINIMAL: &str = include_str!("../examples/config/valid/minimal.json");

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
        max_fails: 5,
        fail_timeout: Duration::from_secs(20),
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
        (sumdb.upstream.max_fails, sumdb.upstream.fail_timeout),
        (0, Duration::from_secs(1))
    );
    let gcs = RedirectHost {
        host: "storage.googleapis.com".into(),
        target: "gcs".into(),
    };
    let redirects = Redirects {
        hosts: vec![gcs],
        unlisted: Unlisted::Refuse,
    };
    assert_eq!(config.redirects, redirects);
    assert_eq!(
        config.memory,
        Memory {
            size: 64 << 20,
            max_object: 512 << 10
        }
    );
    assert_eq!(config.shared.size, 64 << 20);
    assert_eq!(config.invalidate[0].before, 1_795_305_600_000);
    let redis = config.redis.unwrap();
    let (token, key) = (
        redis.token.clone().unwrap(),
        redis.signing_key.clone().unwrap(),
    );
    assert_eq!(
        (token.as_str(), key.as_str()),
        ("REDIS_TOKEN", "REDIS_SIGNING_KEY")
    );
    let expected = Redis {
        gateway: RedisGateway::Upstash,
        target: "redis_http".into(),
        authority: "redis.corp.example:8080".into(),
        path: "/team-a".into(),
        token: Some(token),
        timeout: Duration::from_millis(80),
        max_fails: 5,
        fail_timeout: Duration::from_secs(3),
        prefix: "team-a".into(),
        ttl: Duration::from_secs(7 * 24 * 60 * 60),
        max_value: 512 << 10,
        signing_key: Some(key),
        queue: 8 << 20,
    };
    assert_eq!(redis, expected);
    let disk = Disk {
        target: "archives".into(),
        max_fails: 2,
        fail_timeout: Duration::from_secs(10),
    };
    assert_eq!(config.disk, Some(disk));
    assert!(config.admin.admits("10.20.0.1:1") && !config.admin.admits("10.21.0.1:1"));
    assert!(config.admin.admits("[fd00:20::1]:1") && !config.admin.admits("127.0.0.1:1"));
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = read(MINIMAL);
    assert_eq!(config.namespace, "plugin");
    assert_eq!(config.host, None);
    assert_eq!(config.log_level, LogLevel::Info);
    assert!(config.serve.accepts_host(b"any.example"));
    assert_eq!(config.serve.strip(b"/a"), Some(&b"/a"[..]));
    assert_eq!(config.upstreams[0].path, "");
    assert_eq!(config.upstreams[0].timeout, Duration::from_secs(120));
    assert!(config.sumdb.is_empty() && config.invalidate.is_empty());
    assert_eq!(config.disk, None);
    let disk = read(&with(r#""cache": {"disk": {"target": "a"}}"#)).disk;
    let disk = disk.map(|disk| (disk.max_fails, disk.fail_timeout));
    assert_eq!(disk, Some((1, Duration::from_secs(8))));
    for (address, may) in [
        ("127.0.0.1:1", true),
        ("[::1]:1", true),
        ("10.1.2.3:1", true),
        ("172.31.0.1:1", true),
        ("192.168.9.9:1", true),
        ("100.127.0.1:1", true),
        ("[fd12::1]:1", true),
        ("172.32.0.1:1", false),
        ("203.0.113.9:1", false),
        ("[2001:db8::1]:1", false),
    ] {
        assert_eq!(config.admin.admits(address), may, "{address}");
    }
    let sumdb = r#""sumdb": [{"name": "sum.golang.org", "target": "sumdb"}]"#;
    for upstream in [&config.upstreams[0], &read(&with(sumdb)).sumdb[0].upstream] {
        let health = (upstream.max_fails, upstream.fail_timeout);
        assert_eq!(health, (3, Duration::from_secs(8)), "{}", upstream.name);
    }
    let nowhere = Redirects {
        hosts: Vec::new(),
        unlisted: Unlisted::Pass,
    };
    assert_eq!(config.redirects, nowhere);
    assert_eq!(
        config.memory,
        Memory {
            size: 32 << 20,
            max_object: 256 << 10
        }
    );
    assert_eq!(config.shared.size, 32 << 20);
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let minute = Duration::from_secs(60);
    let freshness = Freshness {
        immutable: year,
        mutable: minute,
        negative: minute,
        stale_while_revalidate: 5 * minute,
        stale_if_error: Duration::from_secs(24 * 60 * 60),
    };
    assert_eq!(config.freshness, freshness);
    assert_eq!(config.routes[0].freshness, freshness);
    assert_eq!(config.redis, None);
    let redis = r#""cache": {"redis": {"gateway": "webdis", "target": "redis_http"}}"#;
    let expected = Redis {
        gateway: RedisGateway::Webdis,
        target: "redis_http".into(),
        authority: "redis_http".into(),
        path: String::new(),
        token: None,
        timeout: Duration::from_millis(100),
        max_fails: 3,
        fail_timeout: Duration::from_secs(2),
        prefix: "gomod".into(),
        ttl: Duration::from_secs(30 * 24 * 60 * 60),
        max_value: 256 << 10,
        signing_key: None,
        queue: 4 << 20,
    };
    assert_eq!(read(&with(redis)).redis, Some(expected));
}

#[test]
fn a_small_queue_makes_values_small() {
    let redis = r#""cache": {"redis": {"gateway": "webdis", "target": "r", "queue": "64KiB"}}"#;
    assert_eq!(read(&with(redis)).redis.unwrap().max_value, 64 << 10);
}

#[test]
fn redis_in_a_mesh_is_asked_for_by_the_host_of_its_target() {
    let redis =
        r#""cache": {"redis": {"gateway": "webdis", "target": "outbound|7379||webdis.cache.svc"}}"#;
    assert_eq!(
        read(&with(redis)).redis.unwrap().authority,
        "webdis.cache.svc"
    );
}

#[test]
fn a_secret_in_the_place_of_its_name_is_not_repeated() {
    for secret in [
        "s3cret",
        "env:s3cret!",
        "env:",
        "ENV:s3cret",
        " env:S3cret",
        "s3cret@host?s3cret",
    ] {
        for field in ["token", "signing_key"] {
            let redis = r#""cache": {"redis": {"gateway": "upstash", "target": "r", "token": "env:token", "signing_key": "env:signing_key"}}"#;
            let redis = redis.replace(&format!("\"env:{field}\""), &format!("\"{secret}\""));
            let told = refusal(with(&redis).as_bytes());
            assert!(
                told.starts_with(&format!("cache.redis.{field}: expected \"env:\" and")),
                "{told}"
            );
            assert!(!told.to_lowercase().contains("s3cret"), "{told}");
        }
    }
}

#[test]
fn a_route_overrides_the_freshness_it_names_and_no_other() {
    let config = read(COMPLETE);
    let base = Freshness {
        immutable: Duration::from_secs(30 * 24 * 60 * 60),
        mutable: Duration::from_secs(90),
        negative: Duration::from_millis(500),
        stale_while_revalidate: Duration::from_secs(30),
        stale_if_error: Duration::ZERO,
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

/// The minimal configuration with one more field at the top.
fn with(field: &str) -> String {
    MINIMAL.replacen('{', &format!("{{{field},"), 1)
}

#[test]
fn a_host_is_served_as_its_rule_says() {
    let (exact, port) = (r#"["go.corp.example"]"#, r#"["go.corp.example:8080"]"#);
    let (below, six) = (r#"["*.corp.example"]"#, r#"["[::1]", "[::2]:80"]"#);
    for (hosts, authority, served) in [
        (r#"["*"]"#, "anything", true),
        (r#"["*"]"#, "", true),
        (exact, "go.corp.example", true),
        (exact, "GO.Corp.Example:8080", true),
        (exact, "go.corp.example.evil", false),
        (exact, "xgo.corp.example", false),
        (exact, "", false),
        (port, "go.corp.example:8080", true),
        (port, "go.corp.example", false),
        (port, "go.corp.example:80800", false),
        (below, "go.corp.example", true),
        (below, "a.b.CORP.example:1", true),
        (below, "corp.example", false),
        (below, ".corp.example", false),
        (below, "corp.example.evil", false),
        (six, "[::1]", true),
        (six, "[::1]:8080", true),
        (six, "[::2]:80", true),
        (six, "[::2]:81", false),
        (six, "::1", false),
    ] {
        let config = read(&with(&format!(r#""serve": {{"hosts": {hosts}}}"#)));
        assert_eq!(
            config.serve.accepts_host(authority.as_bytes()),
            served,
            "{hosts} {authority}"
        );
    }
    let config = read(&with(r#""serve": {"hosts": ["go.corp.example"]}"#));
    assert!(
        !config.serve.accepts_host(b"go.corp.example\xff"),
        "no UTF-8"
    );
    assert!(!config.serve.accepts_host(b"any.example"));
}

#[test]
fn a_redirect_goes_to_the_target_of_its_host() {
    let hosts = r#"[{"host": "GCS.example", "target": "gcs"}, {"host": "gcs.example:8443", "target": "other"},
        {"host": "port.example:443", "target": "port"}, {"host": "both.example", "target": "any"},
        {"host": "both.example:80", "target": "plain"}, {"host": "[::1]", "target": "six"}]"#;
    let array = read(&with(&format!(r#""redirects": {hosts}"#))).redirects;
    let object = read(&with(&format!(r#""redirects": {{"hosts": {hosts}}}"#))).redirects;
    assert_eq!(array, object);
    for (authority, target) in [
        ("gcs.example", Some("gcs")),
        ("Gcs.Example:443", Some("gcs")),
        ("gcs.example:80", Some("gcs")),
        ("gcs.example:8080", None),
        ("gcs.example:8443", Some("other")),
        ("gcs.example:", None),
        ("gcs.example:443:443", None),
        ("gcs.example:8443:443", None),
        ("user@gcs.example", None),
        ("a.gcs.example", None),
        ("gcs.example.evil", None),
        ("port.example:443", Some("port")),
        ("port.example", None),
        ("port.example:80", None),
        ("both.example:80", Some("plain")),
        ("both.example:443", Some("any")),
        ("[::1]:443", Some("six")),
        ("[::1]", Some("six")),
        ("", None),
    ] {
        assert_eq!(array.target_of(authority), target, "{authority}");
    }
}

#[test]
fn the_base_path_is_stripped_and_nothing_else_is_ours() {
    for (base, path, below) in [
        ("/", "/", Some("/")),
        ("/", "/a/@v/list?x=1", Some("/a/@v/list?x=1")),
        ("/", "//a", Some("//a")),
        ("/", "*", None),
        ("/", "", None),
        ("/", "?x", None),
        ("/go", "/go", Some("/")),
        ("/go", "/go/", Some("/")),
        ("/go", "/go?x=1", Some("/")),
        ("/go", "/go/a/@v/list", Some("/a/@v/list")),
        ("/go/", "/go/a", Some("/a")),
        ("/go", "/golang.org/x/mod/@v/list", None),
        ("/go", "/GO/a", None),
        ("/go", "/", None),
        ("/go", "", None),
        ("/a/b", "/a", None),
        ("/a/b", "/a/b/c", Some("/c")),
    ] {
        let config = read(&with(&format!(r#""serve": {{"base_path": "{base}"}}"#)));
        let got = config.serve.strip(path.as_bytes());
        assert_eq!(got, below.map(str::as_bytes), "{base} {path}");
    }
}

#[test]
fn a_moment_is_read_to_the_millisecond() {
    for (text, ms) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.0009Z", 0),
        ("1970-01-01T01:00:00.5+01:00", 500),
        ("1969-12-31T23:00:00-01:00", 0),
        ("2000-02-29T12:34:56Z", 951_827_696_000),
        ("2024-02-29T23:59:60Z", 1_709_251_200_000),
        ("2026-11-22T00:00:00.123456Z", 1_795_305_600_123),
        ("2100-03-01T00:00:00z", 4_107_542_400_000),
        ("9999-12-31t23:59:59Z", 253_402_300_799_000),
    ] {
        // A year before 1970 is refused as such, even where the zone would bring it to 1970.
        let json = with(&format!(
            r#""cache": {{"invalidate": [{{"modules": ["a.example"], "before": "{text}"}}]}}"#
        ));
        match Config::from_json(json.as_bytes(), "plugin") {
            Ok(config) => assert_eq!(config.invalidate[0].before, ms, "{text}"),
            Err(_) => assert!(text.starts_with("1969"), "{text}"),
        }
    }
}

#[test]
fn a_duration_is_the_sum_of_its_parts() {
    for (text, ms) in [
        ("1ms", 1),
        ("8s", 8000),
        ("1m30s", 90_000),
        ("59m59s1000ms", 3_600_000),
        ("001s", 1000),
    ] {
        let json = MINIMAL.replacen(r#""name""#, &format!(r#""timeout": "{text}", "name""#), 1);
        assert_eq!(
            read(&json).upstreams[0].timeout,
            Duration::from_millis(ms),
            "{text}"
        );
    }
}

#[test]
fn the_memory_cache_may_be_off_or_smaller_than_the_default_object() {
    let off = read(&with(r#""cache": {"memory": {"size": "0B"}}"#)).memory;
    assert_eq!(
        off,
        Memory {
            size: 0,
            max_object: 0
        }
    );
    let small = read(&with(r#""cache": {"memory": {"size": "64KiB"}}"#)).memory;
    assert_eq!(
        small,
        Memory {
            size: 64 << 10,
            max_object: 64 << 10
        }
    );
}

#[test]
fn the_plugin_s_name_becomes_a_namespace_that_nobody_can_configure() {
    for (plugin, namespace) in [
        ("", Some("default")),
        ("istio-system.goproxy", Some("istio-system.goproxy")),
        (
            "extensions.istio.io/wasmplugin/team-a.goproxy",
            Some("extensions.istio.io:wasmplugin:team-a.goproxy"),
        ),
        ("team:a", None),
        ("team a", None),
        ("team\r\na", None),
    ] {
        let config = Config::from_json(MINIMAL.as_bytes(), plugin);
        assert_eq!(
            config.ok().map(|config| config.namespace).as_deref(),
            namespace,
            "{plugin:?}"
        );
    }
    let error = Config::from_json(MINIMAL.as_bytes(), "team a")
        .expect_err("refused")
        .to_string();
    assert_eq!(
        error,
        r#"namespace: required, since the plugin's name cannot serve as one: "team a""#
    );
    assert_eq!(read(&with(r#""namespace": "own""#)).namespace, "own");
}

#[test]
fn what_is_no_json_is_refused_without_being_repeated() {
    for (bytes, message) in [
        (
            &b""[..],
            "expected a JSON object with at least upstreams and routes, got nothing",
        ),
        (
            b" \t\r\n",
            "expected a JSON object with at least upstreams and routes, got nothing",
        ),
        (
            b"\xef\xbb\xbf{}",
            "expected JSON, got something else at line 1 column 1",
        ),
        (
            b"{\"a\": \"secret\xff\"}",
            "expected JSON, got something else at line 1 column 16",
        ),
        (
            b"{\"secret\": nil}",
            "expected JSON, got something else at line 1 column 15",
        ),
        (b"\"secret\"", "expected an object, got \"secret\""),
    ] {
        assert_eq!(refusal(bytes), message, "{bytes:?}");
    }
}

#[test]
fn what_is_too_much_is_refused_before_it_takes_its_time() {
    let large = " ".repeat(MAX_BYTES) + "x";
    assert_eq!(
        refusal(large.as_bytes()),
        "expected a configuration of at most 1 MiB, got 1048577 bytes"
    );
    let deep = "[".repeat(100_000);
    assert_eq!(
        refusal(deep.as_bytes()),
        "expected JSON, got something else at line 1 column 129"
    );
    let fields: Vec<String> = (0..65).map(|index| format!(r#""f{index}": 1"#)).collect();
    let wide = format!("{{{}}}", fields.join(","));
    assert_eq!(
        refusal(wide.as_bytes()),
        "expected at most 64 fields, got 65"
    );
    let route = |patterns: usize| {
        let names: Vec<String> = (0..patterns)
            .map(|index| format!(r#""a{index}.example""#))
            .collect();
        format!(
            r#"{{"modules": [{}], "chain": ["public"]}}"#,
            names.join(",")
        )
    };
    let one_route = MINIMAL.replace(r#"{"modules": ["*"], "chain": ["public"]}"#, &route(1025));
    assert_eq!(
        refusal(one_route.as_bytes()),
        "routes[0].modules: expected at most 1024 elements, got 1025"
    );
    let all = [route(1024), route(1024), route(1024), route(1024), route(1)].join(",");
    let routes = MINIMAL.replace(r#"{"modules": ["*"], "chain": ["public"]}"#, &all);
    assert_eq!(
        refusal(routes.as_bytes()),
        "routes: expected at most 4096 patterns in all, got 4097"
    );
}

#[test]
fn a_message_is_bounded_printable_and_tells_no_secret() {
    let long = "x".repeat(10_000);
    for value in [
        long.as_str(),
        "https://user:hunter2@host",
        "/x?token=hunter2",
        "a\\u0000b\\u001b[31m",
        "é\u{2028}",
    ] {
        for field in ["name", "target", "authority", "path", "timeout"] {
            let json = format!(
                r#"{{"upstreams": [{{"{field}": "{value}"}}], "routes": [{{"modules": ["*"], "chain": ["{value}"]}}]}}"#
            );
            for line in refusal(json.as_bytes()).lines() {
                assert!(line.len() < 400, "{} bytes", line.len());
                assert!(
                    line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                    "{line:?}"
                );
                assert!(!line.contains("hunter2"), "{line}");
            }
        }
    }
}

#[test]
fn a_field_without_a_name_is_named_all_the_same() {
    let error = Config::from_json(br#"{"": 1, "cache": {"": 1}}"#, "plugin").expect_err("refused");
    let paths: Vec<&str> = error.problems().iter().map(Problem::path).collect();
    for path in [r#""""#, r#"cache."""#] {
        assert!(paths.contains(&path), "{paths:?}");
    }
}

#[test]
fn every_problem_is_listed_up_to_a_bound() {
    let error = Config::from_json(br#"{"a": 1, "routes": []}"#, "plugin").expect_err("refused");
    let paths: Vec<&str> = error.problems().iter().map(Problem::path).collect();
    assert_eq!(paths, ["a", "upstreams", "routes"]);
    assert_eq!(error.left_out(), 0);
    assert_eq!(
        error.problems()[2].message(),
        "expected at least 1 element, got 0"
    );
}

/// Random damage to a good configuration: what is still accepted keeps every promise of the types.
#[cfg(not(target_arch = "wasm32"))]
mod damaged {
    use proptest::prelude::*;

    use super::*;

    /// What damage is made of: the document's own words, so that it often stays JSON.
    const WORDS: [&str; 18] = [
        "\"",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "0",
        "s",
        "\\",
        "null",
        "\"public\"",
        "\"mirror\"",
        "\"*\"",
        "/",
        "..",
        "-",
        "é",
    ];

    fn holds(config: &Config) -> bool {
        let links = |route: &Route| {
            route
                .chain
                .iter()
                .all(|link| link.upstream < config.upstreams.len())
        };
        let whole =
            |route: &Route| !route.chain.is_empty() && !route.modules.is_empty() && links(route);
        let path = |upstream: &Upstream| upstream.path.is_empty() || upstream.path.starts_with('/');
        let base = |upstream: &Upstream| {
            path(upstream)
                && !upstream.path.ends_with('/')
                && !upstream.timeout.is_zero()
                && upstream.max_fails <= 100
                && !upstream.fail_timeout.is_zero()
        };
        let redis = |redis: &Redis| {
            redis.token.is_some() == matches!(redis.gateway, RedisGateway::Upstash)
                && redis.max_value <= redis.queue
                && redis.ttl >= Duration::from_secs(1)
                && !redis.timeout.is_zero()
                && !redis.prefix.is_empty()
        };
        !config.routes.is_empty()
            && config.routes.iter().all(whole)
            && config.upstreams.iter().all(base)
            && config.memory.max_object <= config.memory.size
            && config.redis.as_ref().is_none_or(redis)
    }

    proptest! {
        #[test]
        fn a_damaged_configuration_is_refused_or_sound(
            damage in prop::collection::vec((0..COMPLETE.len(), 0..8_usize, prop::sample::select(&WORDS[..])), 1..4)
        ) {
            let mut bytes = COMPLETE.as_bytes().to_vec();
            for (at, length, word) in damage {
                let end = (at + length).min(bytes.len());
                bytes.splice(at.min(end)..end, word.bytes());
            }
            match Config::from_json(&bytes, "plugin") {
                Ok(config) => prop_assert!(holds(&config)),
                Err(error) => prop_assert!(!error.problems().is_empty()),
            }
        }

        #[test]
        fn any_bytes_are_refused_or_sound(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Config::from_json(&bytes, "plugin").is_err());
        }
    }
}
