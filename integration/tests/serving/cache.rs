//! The memory cache, as clients and upstreams see it.

use serde_json::json;

use crate::world::{World, assert_shown, config, eventually, h1, prometheus};

const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
const LIST: &str = "/example.com/a/@v/list";
const BIG: &str = "/example.com/bigmod/@v/v1.0.0.mod";

fn with_cache(cache: serde_json::Value) -> World {
    World::with(|gateway, origin| {
        gateway.config_json(config(origin, json!({"cache": cache})).to_string())
    })
}

#[test]
fn who_asks_the_caches_only_gets_what_they_have() {
    let world = World::start();
    let only = |path: &str| format!("/cached-only{path}");
    let disabled = [("Disable-Module-Fetch", "true")];
    for path in [MOD, LIST, "/example.com/a/@v/v1.0.0.zip"] {
        for answer in [
            world.get(&only(path)),
            h1::get_with(world.addr(), path, &disabled),
        ] {
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
            assert_shown(&answer, "not_found", "none", path);
        }
        assert_eq!(world.asked("*"), 0, "{path}");
        assert_eq!(world.get(path).status, 200);
        for answer in [
            world.get(&only(path)),
            h1::get_with(world.addr(), path, &disabled),
        ] {
            assert_eq!(
                (answer.status, answer.whole),
                (200, true),
                "{path}: {answer:?}"
            );
        }
        assert_eq!(world.asked(path), 1, "{path}");
        world.origin.forget().expect("the origin forgets");
    }
    world.assert_unharmed("cached-only");
}

#[test]
fn a_new_configuration_makes_entries_stale() {
    let world = World::start();
    let other = "/bench.example/n1/@v/v1.0.0.mod";
    for path in [MOD, LIST, other] {
        assert_eq!(world.get(path).status, 200);
        assert!(world.get(path).header("age").is_some(), "{path}");
    }
    let invalidate = |before: &str| json!({"cache": {"invalidate": [{"modules": ["example.com"], "before": before}]}});
    let reconfigure = |before: &str| {
        let config = config(&world.origin, invalidate(before)).to_string();
        world
            .gateway
            .reconfigure(&config)
            .unwrap_or_else(|error| panic!("{error}"));
    };
    reconfigure("2020-01-01T00:00:00Z");
    assert!(
        world.get(MOD).header("age").is_some(),
        "it is younger than that"
    );
    reconfigure("2100-01-01T00:00:00Z");
    assert_eq!(world.get(MOD).header("age"), None);
    assert_eq!(world.get(LIST).header("age"), None);
    assert!(world.get(other).header("age").is_some(), "another module's");
    assert_eq!(
        (world.asked(MOD), world.asked(LIST), world.asked(other)),
        (2, 2, 1)
    );
    world.assert_unharmed("invalidation");
}

#[test]
fn entries_get_old_by_their_class() {
    let world = with_cache(
        json!({"freshness": {"mutable": "1s", "negative": "1s", "immutable": "30d",
            "stale_while_revalidate": "0s"}}),
    );
    let missing = "/example.com/nothing/@v/list";
    for path in [MOD, LIST, missing] {
        let _ = world.get(path);
        let hit = world.get(path);
        assert!(hit.header("age").is_some(), "{path}: {hit:?}");
    }
    for path in [LIST, missing] {
        eventually("it is asked again", || {
            world.get(path).header("age").is_none()
        });
        assert!((2..=3).contains(&world.asked(path)), "{path}");
    }
    assert_eq!(world.asked(MOD), 1);
    world.assert_unharmed("old entries");
}

#[test]
fn an_upstream_that_forbids_it_is_not_cached() {
    let world = World::start();
    for (number, (value, kept)) in [
        ("no-store", false),
        ("private, max-age=60", false),
        ("no-cache", true),
        ("max-age=0", true),
    ]
    .into_iter()
    .enumerate()
    {
        for file in ["v1.0.0.mod", "list", "v1.0.0.zip"] {
            let path = format!("/bench.example/n{number}/@v/{file}");
            let _fault = world.fault(
                &path,
                "headers",
                json!({"headers": {"Cache-Control": value}}),
            );
            let first = world.get(&path);
            let _ = world.get(&path);
            assert_eq!(
                world.asked(&path),
                if kept { 1 } else { 2 },
                "{value} on {path}: {first:?}"
            );
            assert_eq!(
                first.header("cache-control") == Some("no-store"),
                !kept,
                "{value} on {path}: {first:?}"
            );
        }
    }
    world.assert_unharmed("cache-control");
}

#[test]
fn the_cache_has_a_budget_and_the_least_used_goes_first() {
    for workers in [1, 2] {
        let world = World::with(|gateway, origin| {
            let cache = json!({"cache": {"memory": {"size": "64KiB", "max_object": "16KiB"}, "shared": {"size": "0B"}}});
            gateway
                .workers(workers)
                .config_json(config(origin, cache).to_string())
        });
        let path = |number: usize| format!("/bench.example/n{number}/@v/v1.0.0.mod");
        // Connections are spread over the workers, so one of them keeps to one worker.
        let mut client = h1::Connection::open(world.addr());
        let mut ask = |path: &str| {
            client.ask(path, &[]);
            client.answer(false).expect("an answer")
        };
        for number in 0..200 {
            assert_eq!(ask(&path(number)).body.len(), 2048);
        }
        assert!(ask(&path(199)).header("age").is_some(), "the last is there");
        assert_eq!(ask(&path(0)).header("age"), None, "the first is gone");
        let kept = (0..200).filter(|number| {
            let only = format!("/cached-only{}", path(*number));
            ask(&only).status == 200
        });
        let kept = kept.count();
        assert!(
            (15..=31).contains(&kept),
            "{kept} entries of 2 KiB in 64 KiB"
        );
        // An archive of 10 KiB fits, one of 1 MiB does not.
        assert_eq!(ask("/example.com/tenk/@v/v1.0.0.zip").status, 200);
        assert!(
            ask("/example.com/tenk/@v/v1.0.0.zip")
                .header("age")
                .is_some()
        );
        assert_eq!(ask("/example.com/large/@v/v1.0.0.zip").status, 200);
        assert_eq!(ask("/example.com/large/@v/v1.0.0.zip").header("age"), None);
        world.assert_unharmed("a full cache");
    }
}

#[test]
fn a_mod_file_above_a_mebibyte_is_streamed() {
    let world = World::start();
    let first = world.get(BIG);
    assert_eq!((first.status, first.whole), (200, true), "{first:?}");
    assert!(first.body.len() > 1 << 20 && first.body.starts_with(b"module example.com/bigmod\n"));
    assert_eq!(
        first.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        world.asked(BIG),
        2,
        "a callout that brought too much, then the stream"
    );
    let second = world.get(BIG);
    assert!(second.body == first.body);
    assert_eq!(world.asked(BIG), 3, "it is known to be large");

    // Many wait for one that turns out to be large: each is streamed.
    let world = World::start();
    let held = world.fault(BIG, "hold", json!({"times": 1}));
    let mut clients: Vec<_> = (0..50)
        .map(|_| {
            let mut client = h1::Connection::open(world.addr());
            client.ask(BIG, &[]);
            client
        })
        .collect();
    world.await_active(50);
    held.release();
    for client in &mut clients {
        let answer = client.answer(false).expect("an answer");
        assert!(answer.whole && answer.body == first.body, "{answer:?}");
    }
    world.assert_unharmed("50 streams of a large .mod");
}

#[test]
fn what_is_counted_is_on_envoys_prometheus_page() {
    let world = World::start();
    assert_eq!(world.get("/-/readyz").status, 200);
    for _ in 0..3 {
        assert_eq!(world.get(MOD).status, 200);
    }
    assert_eq!(world.get("/example.com/large/@v/v1.0.0.zip").status, 200);
    let broken = world.fault(LIST, "status", json!({"status": 500}));
    assert_eq!(world.get(LIST).status, 502);
    drop(broken);
    let expected = [
        (
            r#"goproxy_cache_operations_total{tier="memory",result="hit"}"#,
            2,
        ),
        (
            r#"goproxy_cache_operations_total{tier="memory",result="miss"}"#,
            3,
        ),
        (
            r#"goproxy_cache_operations_total{tier="memory",result="stored"}"#,
            1,
        ),
        ("goproxy_callouts_total{}", 2),
        ("goproxy_forwarded_total{}", 1),
        ("goproxy_flight_failures_total{}", 1),
    ];
    let mut page = String::new();
    eventually(&format!("{expected:?}"), || {
        page = prometheus(&world.gateway);
        expected.iter().all(|(name, count)| {
            let value = page.lines().find_map(|line| line.strip_prefix(name));
            value.and_then(|value| value.trim().parse().ok()) == Some(*count)
        })
    });
    assert!(!page.contains("example.com"), "no metric names a module");
}
