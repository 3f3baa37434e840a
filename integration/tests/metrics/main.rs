//! What is counted, on Envoy's own Prometheus page: every family of the list with its labels, and the numbers of both workers
//! of an Envoy.

#[path = "../shared/pair.rs"]
#[allow(dead_code, reason = "this program uses a part of it")]
mod pair;
#[path = "../world/mod.rs"]
mod world;

mod page;

use goproxy_pages::metrics::FAMILIES;
use serde_json::json;

use page::Page;
use pair::{MOD, ask, connect, status, two_workers_with};
use world::{World, config, eventually, h1, prometheus};

/// Dots, and what looks like another label.
const UPSTREAM: &str = "proxy.code.example";
/// What is there only with Redis.
const OF_REDIS: [&str; 2] = ["redis_aside", "redis_queue_bytes"];

fn start() -> World {
    two_workers_with(json!({}), |gateway, origin| {
        let more = json!({
            "upstreams": [{"name": UPSTREAM, "target": "origin", "authority": origin.addr().to_string()}],
            "routes": [{"modules": ["*"], "chain": [UPSTREAM]}],
        });
        gateway.config_json(config(origin, more).to_string())
    })
}

fn page(world: &World) -> Page {
    Page::read(&prometheus(&world.gateway))
}

/// Waits until Envoy says this.
fn await_value(world: &World, name: &str, labels: &[(&str, &str)], value: u64) {
    eventually(&format!("{name} {labels:?} is {value}"), || {
        page(world).value(name, labels) == Some(value)
    });
}

#[test]
fn every_family_is_there_with_its_labels_and_nothing_else_is() {
    let world = start();
    let mut clients = connect(&world, 2);
    for client in &mut clients {
        assert_eq!(ask(client, MOD).status, 200);
        assert_eq!(ask(client, "/-/healthz").status, 200);
    }
    await_value(&world, "workers", &[], 2);
    let page = page(&world);
    for family in FAMILIES {
        let of_family = page.of(family);
        assert!(
            !of_family.is_empty() || OF_REDIS.contains(&family.name),
            "{} is not there",
            family.name
        );
    }
    page.assert_listed();
    assert_eq!(
        page.value("build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
        Some(1)
    );
    assert_eq!(
        page.value("upstream_aside", &[("upstream", UPSTREAM)]),
        Some(0)
    );
    let asked = [("upstream", UPSTREAM), ("code", "2xx")];
    assert_eq!(page.value("upstream_requests_total", &asked), Some(1));
    let failures = [("endpoint", "zip"), ("result", "error")];
    assert_eq!(
        page.value("requests_total", &failures),
        Some(0),
        "so that the first one can be seen to come"
    );
    world.assert_unharmed("metrics");
}

#[test]
fn requests_are_counted_by_what_was_asked_for_and_what_became_of_it() {
    let world = start();
    let mut clients = connect(&world, 2);
    let [one, other] = clients.as_mut_slice() else {
        panic!("two clients")
    };
    let before = |endpoint: &str, result: &str| {
        let labels = [("endpoint", endpoint), ("result", result)];
        page(&world)
            .value("requests_total", &labels)
            .unwrap_or_default()
    };
    assert_eq!((before("mod", "miss"), before("mod", "hit")), (0, 0));
    // Both workers have a hit of it, the second one from what is shared.
    assert!(status(&ask(one, MOD)).contains("fwd=uri-miss"));
    assert!(status(&ask(one, MOD)).contains("; hit;"));
    assert!(status(&ask(other, MOD)).ends_with("; detail=shared"));
    assert!(status(&ask(other, MOD)).ends_with("; detail=memory"));
    let missing = "/example.com/none/@v/list";
    assert_eq!(ask(one, missing).status, 404);
    assert_eq!(ask(other, missing).status, 404);
    assert_eq!(ask(one, "/example.com/Upper/@v/list").status, 404);
    // On a connection of its own: Envoy closes it.
    assert_eq!(world.get("/example.com/a/@v/%zz").status, 400);
    let archive = ask(other, "/example.com/large/@v/v1.0.0.zip");
    assert_eq!(archive.status, 200);
    let broken = "/example.com/broken/@v/v1.0.0.info";
    let fault = world.fault(broken, "status", json!({"status": 500}));
    assert_eq!(ask(one, broken).status, 502);
    fault.release();
    let denied = "/example.com/denied/@latest";
    let fault = world.fault(denied, "status", json!({"status": 403}));
    assert_eq!(ask(other, denied).status, 403);
    fault.release();
    let supported = format!("/sumdb/{}/supported", world.origin.sumdb());
    assert_eq!(ask(one, &supported).status, 200);
    for (endpoint, result, count) in [
        ("mod", "miss", 1),
        ("mod", "hit", 3),
        ("list", "not_found", 2),
        ("other", "not_found", 1),
        ("other", "bad_request", 1),
        ("zip", "miss", 1),
        ("info", "error", 1),
        ("latest", "denied", 1),
        ("sumdb", "hit", 1),
    ] {
        let labels = [("endpoint", endpoint), ("result", result)];
        await_value(&world, "requests_total", &labels, count);
    }
    let page = page(&world);
    let value = |name: &str, labels: &[(&str, &str)]| page.value(name, labels);
    for (code, count) in [("2xx", 2), ("4xx", 2), ("5xx", 1), ("timeout", 0)] {
        let labels = [("upstream", UPSTREAM), ("code", code)];
        let asked = value("upstream_requests_total", &labels);
        assert_eq!(asked, Some(count), "{code}");
    }
    let failed = [("reason", "upstream_5xx")];
    assert_eq!(value("failures_total", &failed), Some(1));
    for (tier, result, count) in [("memory", "hit", 2), ("shared", "hit", 2)] {
        let labels = [("tier", tier), ("result", result)];
        let hits = value("cache_operations_total", &labels);
        assert_eq!(hits, Some(count), "{tier} {result}");
    }
    let name = "request_duration_seconds";
    let of_mod = [("endpoint", "mod")];
    let count = value(&[name, "_count"].concat(), &of_mod);
    assert_eq!(count, Some(4));
    let bucket = |bound: &str| {
        let labels = [("endpoint", "mod"), ("le", bound)];
        page.value(&[name, "_bucket"].concat(), &labels)
    };
    assert_eq!(bucket("+Inf"), count);
    assert!(bucket("0.001") <= bucket("60") && bucket("0.001") >= Some(3));
    assert!(
        !page.text().contains("example.com"),
        "no metric names a module"
    );
    world.assert_unharmed("requests of all kinds");
}

#[test]
fn the_gateways_own_page_says_the_same_as_envoys() {
    let world = start();
    let mut clients = connect(&world, 2);
    for (path, status) in [
        (MOD, 200),
        (MOD, 200),
        ("/example.com/none/@v/v1.0.0.mod", 404),
        ("/example.com/large/@v/v1.0.0.zip", 200),
    ] {
        for client in &mut clients {
            assert_eq!(ask(client, path).status, status, "{path}");
        }
    }
    await_value(&world, "workers", &[], 2);
    for client in &mut clients {
        eventually("both pages say the same", || {
            let answer = ask(client, "/-/metrics");
            assert_eq!(answer.status, 200);
            let own = Page::read(&answer.text());
            own.assert_listed();
            // To look at the page is a request too.
            own.without("endpoint", "page") == page(&world).without("endpoint", "page")
        });
    }
    let text = ask(&mut clients[0], "/-/metrics").text();
    for family in FAMILIES {
        let is_there = text.contains(&format!("# TYPE goproxy_{} ", family.name));
        assert!(
            is_there || OF_REDIS.contains(&family.name),
            "{}",
            family.name
        );
    }
    assert!(text.contains("# TYPE goproxy_request_duration_seconds histogram\n"));
    assert!(!text.contains("example.com"), "no metric names a module");
}

#[test]
fn a_client_that_leaves_is_gone_and_no_error() {
    let world = start();
    let held = world.fault(MOD, "hold", json!({}));
    let mut client = h1::Connection::open(world.addr());
    client.ask(MOD, &[]);
    world.await_asked(MOD, 1);
    drop(client);
    let labels = [("endpoint", "mod"), ("result", "gone")];
    await_value(&world, "requests_total", &labels, 1);
    held.release();
    let labels = [("endpoint", "mod"), ("result", "error")];
    assert_eq!(page(&world).value("requests_total", &labels), Some(0));
}
