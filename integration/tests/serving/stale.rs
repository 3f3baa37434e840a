//! Stale answers, in a real Envoy: served while they are asked for anew, and while the upstream is down.

use serde_json::{Value, json};

use crate::world::h1::{self, Answer};
use crate::world::{World, config, eventually};

const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
const LIST: &str = "/example.com/a/@v/list";

/// Lists are fresh for a second; how long they are served after that is for the test to say.
fn world(freshness: Value) -> World {
    let mut cache = json!({"cache": {"freshness": {"mutable": "1s", "negative": "1s"}}});
    for (name, value) in freshness.as_object().expect("an object") {
        cache["cache"]["freshness"][name] = value.clone();
    }
    World::with(|gateway, origin| gateway.config_json(config(origin, cache).to_string()))
}

fn told(answer: &Answer) -> String {
    answer.header("cache-status").unwrap_or_default().to_owned()
}

/// Asks the caches only, which fetches nothing, until what they hold is past its time.
fn await_stale(world: &World, path: &str) {
    eventually("it is no longer fresh", || {
        told(&world.get(&format!("/cached-only{path}"))).contains("ttl=-")
    });
}

#[test]
fn an_aging_list_is_served_at_once_and_refreshed_once() {
    let world = world(json!({}));
    assert_eq!(world.get(LIST).status, 200);
    await_stale(&world, LIST);
    let held = world.fault(LIST, "hold", json!({"times": 1}));
    for _ in 0..20 {
        let answer = world.get(LIST);
        assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
        let told = told(&answer);
        assert!(told.starts_with("goproxy-wasm; hit; ttl=-") && told.ends_with("detail=memory"));
        let age: u64 = answer
            .header("age")
            .and_then(|age| age.parse().ok())
            .expect("an age");
        assert!(age >= 1, "{answer:?}");
    }
    world.await_asked(LIST, 2);
    assert_eq!(world.asked(LIST), 2, "one refresh, however many asked");
    held.release();
    eventually("the refreshed one is served", || {
        told(&world.get(LIST)).contains("ttl=0")
    });
    world.assert_unharmed("refreshes");
}

#[test]
fn an_outage_is_bridged_until_its_time_is_over() {
    for (kind, more, told_of) in [
        ("status", json!({"status": 500}), "; fwd-status=500"),
        ("reset", json!({}), ""),
        ("hang", json!({}), ""),
    ] {
        let world = world(json!({"stale_while_revalidate": "0s"}));
        let first = world.get(LIST);
        assert_eq!(world.get(MOD).status, 200);
        await_stale(&world, LIST);
        let outage = world.fault("*", kind, more);
        let old = world.get(LIST);
        assert_eq!((old.status, old.whole), (200, true), "{kind}: {old:?}");
        assert_eq!(old.body, first.body, "{kind}");
        assert_eq!(
            told(&old),
            format!("goproxy-wasm; fwd=stale{told_of}; detail=stale-if-error"),
            "{kind}"
        );
        assert!(old.header("age").is_some(), "{kind}: {old:?}");
        // The next clients do not wait for an upstream that just failed.
        let asked = world.asked(LIST);
        for _ in 0..5 {
            let next = world.get(LIST);
            assert_eq!((next.status, &next.body), (200, &first.body), "{kind}");
        }
        assert_eq!(world.asked(LIST), asked, "{kind}");
        assert_eq!(world.get(MOD).status, 200, "{kind}");
        drop(outage);
        world.assert_unharmed(kind);
    }
}

#[test]
fn a_refusal_and_an_absence_are_not_bridged() {
    for status in [403, 404, 410, 429] {
        let world = world(json!({"stale_while_revalidate": "0s"}));
        assert_eq!(world.get(LIST).status, 200);
        await_stale(&world, LIST);
        let _refusal = world.fault(LIST, "status", json!({"status": status}));
        assert_eq!(world.get(LIST).status, status);
    }
}

#[test]
fn without_leave_an_outage_is_an_outage() {
    let world = world(json!({"stale_while_revalidate": "0s", "stale_if_error": "0s"}));
    assert_eq!(world.get(LIST).status, 200);
    eventually("it is forgotten", || {
        world.get(&format!("/cached-only{LIST}")).status == 404
    });
    let _outage = world.fault("*", "status", json!({"status": 503}));
    assert_eq!(world.get(LIST).status, 502);
}

#[test]
fn an_absence_is_never_stale() {
    let world = world(json!({}));
    let missing = "/example.com/nothing/@v/list";
    assert_eq!(world.get(missing).status, 404);
    let _outage = world.fault("*", "status", json!({"status": 500}));
    eventually("the absence is forgotten", || {
        world.get(missing).status == 502
    });
}

#[test]
fn many_clients_of_an_old_list_wait_for_one_failure() {
    let world = world(json!({"stale_while_revalidate": "0s"}));
    let first = world.get(LIST);
    await_stale(&world, LIST);
    let held = world.fault(LIST, "hold", json!({"times": 1}));
    let mut clients: Vec<_> = (0..50)
        .map(|_| {
            let mut client = h1::Connection::open(world.addr());
            client.ask(LIST, &[]);
            client
        })
        .collect();
    world.await_active(50);
    let _outage = world.fault(LIST, "status", json!({"status": 500}));
    assert_eq!(world.asked(LIST), 2);
    held.release();
    for client in &mut clients {
        let answer = client.answer(false).expect("an answer");
        assert_eq!(
            (answer.status, &answer.body),
            (200, &first.body),
            "{answer:?}"
        );
    }
    world.assert_unharmed("50 old answers");
}
