//! Clients that wait for one cold object.

use serde_json::json;

use crate::world::{World, assert_shown, h1, h2};

const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
const BODY: &str = "module example.com/a\n\ngo 1.21\n";

/// Clients on HTTP/1.1 that have asked and wait.
fn wait_for(world: &World, path: &str, count: usize) -> Vec<h1::Connection> {
    let clients: Vec<_> = (0..count)
        .map(|_| {
            let mut client = h1::Connection::open(world.addr());
            client.ask(path, &[]);
            client
        })
        .collect();
    world.await_active(count as u64);
    clients
}

fn herd(count: usize) {
    let world = World::start();
    let held = world.fault(MOD, "hold", json!({}));
    let clients = wait_for(&world, MOD, count);
    held.release();
    for (number, mut client) in clients.into_iter().enumerate() {
        let answer = client
            .answer(false)
            .unwrap_or_else(|error| panic!("client {number} of {count}: {error}"));
        assert_eq!(
            (answer.status, answer.text().as_str(), answer.whole),
            (200, BODY, true),
            "client {number} of {count}: {answer:?}"
        );
    }
    assert_eq!(world.asked(MOD), 1, "upstream requests for {count} clients");
    world.assert_unharmed(&format!("{count} waiting clients"));
}

#[test]
fn four_hundred_clients_of_a_cold_object_cost_one_request() {
    herd(400);
}

#[test]
fn a_thousand_clients_of_a_cold_object_cost_one_request() {
    herd(1_000);
}

#[test]
fn a_thousand_streams_of_one_http2_connection_are_all_answered() {
    let world = World::start();
    let held = world.fault(MOD, "hold", json!({}));
    let client = h2::Connection::open(world.addr());
    let streams: Vec<_> = (0..1_000).map(|_| client.get(MOD)).collect();
    world.await_active(1_000);
    held.release();
    for (number, stream) in streams.into_iter().enumerate() {
        let answer = client
            .finish(stream)
            .unwrap_or_else(|error| panic!("stream {number}: {error}"));
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, BODY.as_bytes()),
            "stream {number}"
        );
    }
    assert_eq!(world.asked(MOD), 1);
    world.assert_unharmed("1,000 waiting streams");
}

#[test]
fn four_hundred_objects_at_once_are_each_asked_once() {
    let world = World::start();
    let held = world.fault("/bench.example/*", "hold", json!({}));
    let client = h2::Connection::open(world.addr());
    let path = |number: usize| format!("/bench.example/n{}/@v/v1.0.0.mod", number % 400);
    let streams: Vec<_> = (0..800).map(|number| client.get(&path(number))).collect();
    world.await_active(800);
    held.release();
    for (number, stream) in streams.into_iter().enumerate() {
        let answer = client
            .finish(stream)
            .unwrap_or_else(|error| panic!("stream {number}: {error}"));
        let module = format!("module bench.example/n{}\n", number % 400);
        assert!(
            answer.status == 200 && answer.body.starts_with(module.as_bytes()),
            "stream {number}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    assert_eq!(world.asked("/bench.example/*"), 400);
    world.assert_unharmed("400 flights");
}

#[test]
fn a_failure_reaches_all_who_wait_and_is_not_kept() {
    let world = World::start();
    let order = json!({"status": 500, "body": "out of disk\n", "delay": "1s"});
    let failing = world.fault(MOD, "status", order);
    for mut client in wait_for(&world, MOD, 100) {
        let answer = client.answer(false).expect("an answer");
        assert_eq!(answer.status, 502, "{answer:?}");
        assert_shown(&answer, "upstream_5xx", "origin", "100 clients");
        assert!(answer.text().starts_with("out of disk\n"), "{answer:?}");
    }
    assert_eq!(world.asked(MOD), 1);
    drop(failing);
    assert_eq!(world.get(MOD).text(), BODY);
    assert_eq!(world.asked(MOD), 2);
    world.assert_unharmed("a failure for 100 clients");
}

#[test]
fn the_first_client_leaves_and_the_others_are_answered() {
    let world = World::start();
    let held = world.fault(MOD, "hold", json!({}));
    let mut first = h1::Connection::open(world.addr());
    first.ask(MOD, &[]);
    world.await_asked(MOD, 1);
    let mut others: Vec<_> = (0..50)
        .map(|_| {
            let mut client = h1::Connection::open(world.addr());
            client.ask(MOD, &[]);
            client
        })
        .collect();
    world.await_active(51);
    drop(first);
    world.await_active(50);
    held.release();
    for client in &mut others {
        let answer = client.answer(false).expect("an answer");
        assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
    }
    assert_eq!(
        world.asked(MOD),
        1,
        "the flight goes on without its first client"
    );
    world.assert_unharmed("the first client left");
}

#[test]
fn all_clients_leave_and_the_answer_is_kept_for_the_next() {
    let world = World::start();
    let held = world.fault(MOD, "hold", json!({}));
    let clients = wait_for(&world, MOD, 20);
    drop(clients);
    world.await_active(0);
    held.release();
    let answer = world.get(MOD);
    assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
    assert_eq!(world.asked(MOD), 1, "{answer:?}");
    world.assert_unharmed("all clients left");
}
