//! Upstreams that are late, refuse, or break off: who tries again, and what the client reads.

use serde_json::{Value, json};

use crate::world::{World, assert_shown, closed_port, config, h1};

const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
const ZIP: &str = "/example.com/a/@v/v1.0.0.zip";

/// An origin that is given a second, and archives half a second without a byte.
fn impatient() -> World {
    World::with(|gateway, origin| {
        let mut upstream = config(origin, json!({}))["upstreams"][0].clone();
        upstream["timeout"] = "1s".into();
        let config = config(origin, json!({"upstreams": [upstream]}));
        gateway.config_json(config.to_string()).edit(|bootstrap| {
            bootstrap.route(0, "forwarded")?["route"]["idle_timeout"] = "0.5s".into();
            Ok(())
        })
    })
}

struct Case {
    name: &'static str,
    kind: &'static str,
    more: Value,
    /// What the client gets.
    status: u16,
    error: &'static str,
    words: &'static str,
    /// How often the origin is asked.
    requests: usize,
}

fn case(
    name: &'static str,
    (kind, more): (&'static str, Value),
    (status, error, words): (u16, &'static str, &'static str),
    requests: usize,
) -> Case {
    Case {
        name,
        kind,
        more,
        status,
        error,
        words,
        requests,
    }
}

fn play(world: &World, path: &str, cases: Vec<Case>) {
    for case in cases {
        let what = format!("{path}: {}", case.name);
        world.origin.forget().expect("the origin forgets");
        let fault = world.fault(path, case.kind, case.more);
        let answer = h1::exchange(world.addr(), &h1::request("GET", path, &[]))
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer.status, case.status, "{what}: {answer:?}");
        assert_eq!(
            world.asked(path),
            case.requests,
            "{what}: requests of the origin; {answer:?}"
        );
        if case.status != 200 {
            assert_shown(&answer, case.error, "origin", &what);
            assert!(answer.text().contains(case.words), "{what}: {answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
        }
        drop(fault);
        world.assert_unharmed(&what);
    }
}

#[test]
fn metadata_is_asked_again_when_that_may_help_and_else_told_in_words() {
    let world = impatient();
    let text = |status: u16| json!({"status": status, "body": "gone fishing\n"});
    play(
        &world,
        MOD,
        vec![
            case(
                "no answer",
                ("hang", json!({})),
                (504, "timeout", "did not answer in time"),
                1,
            ),
            case(
                "no end of the answer",
                ("delay_body", json!({"delay": "30s"})),
                (504, "timeout", "did not answer in time"),
                1,
            ),
            case(
                "always closed",
                ("close", json!({})),
                (502, "connection", "cannot be reached"),
                3,
            ),
            case(
                "always reset",
                ("reset", json!({})),
                (502, "connection", "cannot be reached"),
                3,
            ),
            case(
                "always cut",
                ("truncate", json!({})),
                (502, "truncated", "broke off"),
                3,
            ),
            case(
                "always reset in the body",
                ("reset_body", json!({})),
                (502, "truncated", "broke off"),
                3,
            ),
            case(
                "always 503",
                ("status", text(503)),
                (502, "upstream_5xx", "gone fishing"),
                3,
            ),
            case(
                "500",
                ("status", text(500)),
                (502, "upstream_5xx", "gone fishing"),
                1,
            ),
            case(
                "501 without words",
                (
                    "status",
                    json!({"status": 501, "headers": {"Content-Type": "text/html"}}),
                ),
                (502, "upstream_5xx", "the upstream answered 501"),
                1,
            ),
            case(
                "401",
                ("status", text(401)),
                (502, "upstream_4xx", "gone fishing"),
                1,
            ),
            case(
                "403",
                ("status", text(403)),
                (403, "policy_denied", "gone fishing"),
                1,
            ),
            case(
                "451",
                ("status", text(451)),
                (451, "policy_denied", "gone fishing"),
                1,
            ),
            case(
                "429",
                ("status", text(429)),
                (429, "upstream_4xx", "gone fishing"),
                1,
            ),
            case(
                "418",
                ("status", text(418)),
                (502, "upstream_4xx", "gone fishing"),
                1,
            ),
            case(
                "206",
                ("partial", json!({})),
                (502, "upstream_5xx", "206"),
                1,
            ),
            case(
                "204",
                ("status", json!({"status": 204})),
                (502, "upstream_5xx", "204"),
                1,
            ),
        ],
    );
    // These end well, so they are last: the answer is kept.
    play(
        &world,
        MOD,
        vec![case(
            "closed twice",
            ("close", json!({"times": 2})),
            (200, "", ""),
            3,
        )],
    );
    let path = "/example.com/a/@v/v1.1.0.mod";
    play(
        &world,
        path,
        vec![case(
            "502 twice",
            ("status", json!({"status": 502, "times": 2})),
            (200, "", ""),
            3,
        )],
    );
    let path = "/example.com/a/@v/v1.2.0.mod";
    play(
        &world,
        path,
        vec![case(
            "cut once",
            ("truncate", json!({"times": 1})),
            (200, "", ""),
            2,
        )],
    );
}

#[test]
fn an_archive_is_asked_again_by_the_host_and_else_told_in_words() {
    let world = impatient();
    let text = |status: u16| json!({"status": status, "body": "gone fishing\n"});
    play(
        &world,
        ZIP,
        vec![
            case(
                "no answer",
                ("hang", json!({})),
                (504, "timeout", "did not answer in time"),
                1,
            ),
            case(
                "always closed",
                ("close", json!({})),
                (502, "connection", "cannot be reached"),
                3,
            ),
            case(
                "always reset",
                ("reset", json!({})),
                (502, "connection", "cannot be reached"),
                3,
            ),
            case(
                "always 503",
                ("status", text(503)),
                (502, "upstream_5xx", "gone fishing"),
                3,
            ),
            case(
                "500",
                ("status", text(500)),
                (502, "upstream_5xx", "gone fishing"),
                1,
            ),
            case(
                "401",
                ("status", text(401)),
                (502, "upstream_4xx", "gone fishing"),
                1,
            ),
            case(
                "403",
                ("status", text(403)),
                (403, "policy_denied", "gone fishing"),
                1,
            ),
            case(
                "451",
                ("status", text(451)),
                (451, "policy_denied", "gone fishing"),
                1,
            ),
            case(
                "429",
                ("status", text(429)),
                (429, "upstream_4xx", "gone fishing"),
                1,
            ),
            case(
                "206",
                ("partial", json!({})),
                (502, "upstream_5xx", "206"),
                1,
            ),
            case(
                "204",
                ("status", json!({"status": 204})),
                (502, "upstream_5xx", "204"),
                1,
            ),
        ],
    );
    play(
        &world,
        ZIP,
        vec![case(
            "closed twice",
            ("close", json!({"times": 2})),
            (200, "", ""),
            3,
        )],
    );
}

/// A gateway whose upstream is `target`, a cluster at `url` if there is one.
fn upstream_at(target: &'static str, url: Option<String>) -> World {
    World::with(move |gateway, origin| {
        let config = json!({
            "upstreams": [{"name": "wrong", "target": target, "authority": "wrong.example"},
                          {"name": "origin", "target": "origin", "authority": origin.addr().to_string()}],
            "routes": [{"modules": ["bench.example"], "chain": ["origin"]}, {"modules": ["*"], "chain": ["wrong"]}],
        });
        let gateway = gateway.config_json(config.to_string());
        match url {
            Some(url) => gateway.cluster(target, &url),
            None => gateway,
        }
    })
}

#[test]
fn an_upstream_that_refuses_connections_is_502() {
    let world = upstream_at(
        "nobody",
        Some(format!("http://127.0.0.1:{}", closed_port())),
    );
    for path in [MOD, ZIP, "/example.com/a/@v/list", "/example.com/a/@latest"] {
        let answer = world.get(path);
        assert_eq!(answer.status, 502, "{path}: {answer:?}");
        assert_shown(&answer, "connection", "wrong", path);
        assert!(
            answer.text().contains("cannot be reached"),
            "{path}: {answer:?}"
        );
    }
    world.assert_unharmed("refused connections");
}

#[test]
fn a_target_that_envoy_does_not_have_is_502_and_named() {
    let world = upstream_at("no_such_cluster", None);
    for path in [MOD, ZIP, "/example.com/a/@v/list"] {
        let answer = world.get(path);
        assert_eq!(answer.status, 502, "{path}: {answer:?}");
        assert_shown(&answer, "connection", "wrong", path);
        assert!(
            answer.text().contains("no_such_cluster"),
            "{path}: {answer:?}"
        );
    }
    world.assert_unharmed("an unknown target");
}
