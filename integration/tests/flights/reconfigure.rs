//! A new configuration while clients wait.

use serde_json::json;

use crate::world::{World, assert_alive, config, h1};

const WARM: &str = "/example.com/a/@v/v1.0.0.mod";
const COLD: &str = "/example.com/a/@v/v1.1.0.mod";

fn other(world: &World, seconds: usize) -> String {
    let cache = json!({"cache": {"freshness": {"mutable": format!("{seconds}s")}}});
    config(&world.origin, cache).to_string()
}

#[test]
fn clients_of_the_old_configuration_are_answered_and_memory_is_kept() {
    let world = World::start();
    assert_eq!(world.get(WARM).status, 200);
    let held = world.fault(COLD, "hold", json!({}));
    let mut clients: Vec<_> = (0..200)
        .map(|_| {
            let mut client = h1::Connection::open(world.addr());
            client.ask(COLD, &[]);
            client
        })
        .collect();
    world.await_active(200);
    world
        .gateway
        .reconfigure(&other(&world, 7))
        .unwrap_or_else(|error| panic!("{error}"));

    let list = world.get("/example.com/a/@v/list");
    assert_eq!(
        list.header("cache-control"),
        Some("public, max-age=7"),
        "the new configuration is in force: {list:?}"
    );
    let hit = world.get(WARM);
    assert!(
        hit.header("cache-status")
            .is_some_and(|status| status.contains("; hit;")),
        "{hit:?}"
    );
    let mut newcomer = h1::Connection::open(world.addr());
    newcomer.ask(COLD, &[]);
    world.await_active(201);
    held.release();
    for client in clients.iter_mut().chain([&mut newcomer]) {
        let answer = client.answer(false).expect("an answer");
        assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
    }
    assert!(
        (1..=2).contains(&world.asked(COLD)),
        "one flight for each configuration at most, got {}",
        world.asked(COLD)
    );
    assert_eq!(world.asked(WARM), 1);
    world.assert_unharmed("a new configuration");
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let world = World::start();
    let held = world.fault(COLD, "hold", json!({}));
    let mut waiting = h1::Connection::open(world.addr());
    waiting.ask(COLD, &[]);
    world.await_asked(COLD, 1);
    for (bad, words) in [
        (r#"{"upstreams": []}"#, "routes"),
        (r#"{"upstreams": [], "routes": [], "colour": 1}"#, "colour"),
        ("{", "expected"),
        ("", "expected"),
    ] {
        let refused = world
            .gateway
            .reconfigure(bad)
            .expect_err("a refusal")
            .to_string();
        assert!(refused.contains(words), "{bad}: {refused}");
        assert_eq!(world.get(WARM).status, 200, "after {bad}");
    }
    held.release();
    assert_eq!(waiting.answer(false).expect("an answer").status, 200);
    assert_eq!(world.asked(WARM), 1, "memory is kept");
    // Envoy logs each refusal as trouble of its own, so the log is not looked at.
    assert_alive(&world.gateway, "refused configurations");
    // And a good one is taken up after them.
    world
        .gateway
        .reconfigure(&other(&world, 9))
        .unwrap_or_else(|error| panic!("{error}"));
    let list = world.get("/example.com/a/@v/list");
    assert_eq!(list.header("cache-control"), Some("public, max-age=9"));
}

#[test]
fn many_new_configurations_under_load_fail_no_request() {
    let world = World::start();
    let address = world.addr();
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let load = scope.spawn(move || {
            let mut count = 0_usize;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                count += 1;
                // Every third object is cold.
                let path = format!("/bench.example/n{}/@v/v1.0.0.mod", count / 3);
                let answer = h1::get(address, &path);
                assert_eq!(
                    (answer.status, answer.body.len(), answer.whole),
                    (200, 2048, true),
                    "request {count}: {answer:?}"
                );
            }
            count
        });
        for round in 1..=20 {
            world
                .gateway
                .reconfigure(&other(&world, round))
                .unwrap_or_else(|error| panic!("{round}: {error}"));
        }
        drop(stop);
        let count = load.join().expect("no request failed");
        assert!(count >= 20, "only {count} requests were made meanwhile");
    });
    world.assert_unharmed("20 new configurations");
}
