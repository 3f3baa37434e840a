//! Two upstreams, one after the other.

use goproxy_integration::origin::Origin;
use serde_json::{Value, json};

use crate::world::{World, assert_shown, h1};

/// `example.com` goes from `origin` to `second` by the comma, `bench.example` by the pipe.
struct Pair {
    world: World,
    second: Origin,
}

fn pair() -> Pair {
    let second = Origin::start(&[]).expect("a second origin starts");
    let world = World::with(|gateway, origin| {
        let upstream = |name: &str, of: &Origin| json!({"name": name, "target": name, "authority": of.addr().to_string(), "max_fails": 0, "timeout": "1s"});
        let config = json!({
            "upstreams": [upstream("origin", origin), upstream("second", &second)],
            "routes": [
                {"modules": ["bench.example"], "chain": ["origin", {"to": "second", "on": "any_error"}]},
                {"modules": ["*"], "chain": ["origin", "second"]},
            ],
        });
        gateway
            .cluster("second", &second.url())
            .config_json(config.to_string())
    });
    Pair { world, second }
}

impl Pair {
    /// How often each was asked for a path.
    fn asked(&self, path: &str) -> (usize, usize) {
        (
            self.world.asked(path),
            self.second
                .await_seen(path, 0)
                .expect("the origin answers")
                .len(),
        )
    }

    fn second_fault(&self, path: &str, kind: &str, more: Value) {
        let mut order = json!({"path": path, "kind": kind});
        crate::world::merge(&mut order, more);
        self.second.fault(&order).expect("a fault");
    }
}

#[test]
fn the_comma_falls_through_on_absence_and_the_pipe_on_any_error() {
    let pair = pair();
    let comma = |version: &str| format!("/example.com/a/@v/{version}.mod");
    let pipe = |number: usize| format!("/bench.example/n{number}/@v/v1.0.0.mod");
    let status = |status: u16| json!({"status": status, "body": "the first says no\n"});
    for (path, kind, more, expected, error, asked) in [
        (comma("v1.0.0"), "status", status(404), 200, "", (1, 1)),
        (comma("v1.1.0"), "status", status(410), 200, "", (1, 1)),
        (
            comma("v1.2.0"),
            "status",
            status(503),
            502,
            "upstream_5xx",
            (3, 0),
        ),
        (
            comma("v1.2.1"),
            "status",
            status(403),
            403,
            "policy_denied",
            (1, 0),
        ),
        (
            comma("v1.3.0-beta.1"),
            "hang",
            json!({}),
            504,
            "timeout",
            (1, 0),
        ),
        (pipe(1), "status", status(404), 200, "", (1, 1)),
        (pipe(2), "status", status(503), 200, "", (3, 1)),
        (pipe(3), "status", status(403), 200, "", (1, 1)),
        (pipe(4), "hang", json!({}), 200, "", (1, 1)),
        (pipe(5), "reset", json!({}), 200, "", (3, 1)),
        (pipe(6), "html", json!({}), 200, "", (1, 1)),
        (pipe(7), "truncate", json!({}), 200, "", (3, 1)),
    ] {
        let what = format!("{path}: {kind} {more}");
        let fault = pair.world.fault(&path, kind, more);
        let answer = pair.world.get(&path);
        assert_eq!(answer.status, expected, "{what}: {answer:?}");
        assert_eq!(pair.asked(&path), asked, "{what}: {answer:?}");
        drop(fault);
        if expected == 200 {
            assert_eq!(pair.world.get(&path).status, 200);
            assert_eq!(
                pair.asked(&path),
                asked,
                "{what}: the second's answer is kept"
            );
        } else {
            assert_shown(&answer, error, "origin", &what);
        }
    }
    pair.world.assert_unharmed("chains");
}

#[test]
fn what_nobody_has_is_404_and_remembered_and_what_nobody_knows_is_not() {
    let pair = pair();
    let path = "/example.com/nothing/@v/v1.0.0.info";
    for _ in 0..2 {
        let answer = pair.world.get(path);
        assert_eq!(answer.status, 404, "{answer:?}");
        assert_shown(&answer, "not_found", "second", path);
        assert_eq!(pair.asked(path), (1, 1), "the absence is remembered");
    }
    // One is out of order, the other has it not: nobody knows.
    let path = "/bench.example/n1/@v/v9.0.0.info";
    let broken = pair.world.fault(
        path,
        "status",
        json!({"status": 500, "body": "out of order\n"}),
    );
    for round in 1..=2 {
        let answer = pair.world.get(path);
        assert_eq!(answer.status, 502, "{answer:?}");
        assert_shown(&answer, "upstream_5xx", "origin", path);
        assert_eq!(
            pair.asked(path),
            (round, round),
            "an outage is not remembered"
        );
    }
    drop(broken);
    // 410 by the last of the chain stays 410.
    let path = "/example.com/gone/@v/v1.0.0.mod";
    pair.second_fault(
        path,
        "status",
        json!({"status": 410, "body": "gone for good\n"}),
    );
    let answer = pair.world.get(path);
    assert_eq!(answer.status, 410, "{answer:?}");
    assert!(answer.text().starts_with("gone for good\n"));
    pair.world.assert_unharmed("absences");
}

#[test]
fn an_archive_goes_where_its_info_was_found() {
    let pair = pair();
    for (module, from_second) in [("example.com/a", true), ("example.com/tenk", false)] {
        let (info, zip) = (
            format!("/{module}/@v/v1.0.0.info"),
            format!("/{module}/@v/v1.0.0.zip"),
        );
        let absent = from_second.then(|| pair.world.fault(&info, "status", json!({"status": 404})));
        assert_eq!(pair.world.get(&info).status, 200);
        let answer = pair.world.get(&zip);
        assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
        let (first, second) = pair.asked(&zip);
        assert_eq!(
            (first > 0, second > 0),
            (!from_second, from_second),
            "{module}: {answer:?}"
        );
        drop(absent);
    }
    pair.world.assert_unharmed("archives in a chain");
}

#[test]
fn an_archive_that_only_the_second_has_is_found_without_its_info() {
    let pair = pair();
    let zip = "/example.com/tenk/@v/v1.0.0.zip";
    let _absent = pair
        .world
        .fault("/example.com/tenk/*", "status", json!({"status": 404}));
    let answer = pair.world.get(zip);
    assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
    assert!(answer.body.starts_with(b"PK"));
    pair.world.assert_unharmed("an archive without its info");
}

#[test]
fn base_paths_of_both_sides_are_put_on_and_taken_off() {
    let world = World::with(|gateway, origin| {
        let config = json!({
            "upstreams": [{"name": "deep", "target": "origin", "authority": "artifacts.example", "path": "/__signed"},
                          {"name": "origin", "target": "origin", "authority": origin.addr().to_string()}],
            "routes": [{"modules": ["bench.example"], "chain": ["origin"]}, {"modules": ["*"], "chain": ["deep"]}],
            "serve": {"base_path": "/api/go"},
        });
        gateway.config_json(config.to_string())
    });
    for (path, sent) in [
        (
            "/example.com/a/@v/v1.0.0.mod",
            "/__signed/example.com/a/@v/v1.0.0.mod",
        ),
        (
            "/example.com/a/@v/v1.0.0.zip",
            "/__signed/example.com/a/@v/v1.0.0.zip",
        ),
        (
            "/example.com/%21upper/%21case/@v/list",
            "/__signed/example.com/!upper/!case/@v/list",
        ),
    ] {
        // Without a signature this place is closed; what counts is what was asked of it.
        let answer = h1::get(world.addr(), &format!("/api/go{path}"));
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
        let seen = world
            .origin
            .await_seen(sent, 1)
            .expect("the origin answers");
        assert_eq!(seen.len(), 1, "{path}: {:?}", world.origin.seen());
        assert_eq!(seen[0].all["host"], "artifacts.example", "{path}");
    }
    assert_eq!(
        h1::get(world.addr(), "/api/go/bench.example/n1/@v/v1.0.0.mod").status,
        200
    );
    assert_eq!(
        h1::get(world.addr(), "/example.com/a/@v/v1.0.0.mod").text(),
        "not a path of this gateway\n"
    );
    crate::world::assert_unharmed(&world.gateway, "base paths");
}
