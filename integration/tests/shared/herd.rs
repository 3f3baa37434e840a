//! Crowds at both workers at once.

use serde_json::json;

use crate::pair::{
    BODY, MOD, ask, await_counted, connect, counted, status, two_workers, two_workers_with,
};
use crate::world::{World, assert_shown, h1};

const CLIENTS: usize = 200;

fn path(round: usize) -> String {
    format!("/bench.example/n{round}/@v/v1.0.0.mod")
}

/// All ask at once for an object that its upstream gives 300 ms later.
fn crowd(world: &World, clients: &mut [h1::Connection], path: &str) -> Vec<h1::Answer> {
    let _slow = world.fault(path, "delay", json!({"delay": "300ms"}));
    for client in clients.iter_mut() {
        client.ask(path, &[]);
    }
    let answers = clients.iter_mut().enumerate().map(|(number, client)| {
        client
            .answer(false)
            .unwrap_or_else(|error| panic!("client {number} of {path}: {error}"))
    });
    answers.collect()
}

#[test]
fn two_hundred_clients_of_two_workers_cost_one_request_in_every_round() {
    const ROUNDS: usize = 20;
    let world = two_workers(json!({}));
    let mut clients = connect(&world, CLIENTS);
    for round in 0..ROUNDS {
        let path = path(round);
        for (number, answer) in crowd(&world, &mut clients, &path).iter().enumerate() {
            assert_eq!(
                (answer.status, answer.body.len(), answer.whole),
                (200, 2048, true),
                "round {round}, client {number}: {answer:?}"
            );
        }
        assert_eq!(world.asked(&path), 1, "round {round}");
    }
    await_counted(&world, "leases_total.result.taken", ROUNDS as u64);
    await_counted(&world, "leases_total.result.followed", ROUNDS as u64);
    // All but the first of each round have waited for somebody else's request.
    await_counted(&world, "coalesced_total", (ROUNDS * (CLIENTS - 1)) as u64);
    assert_eq!(counted(&world, "leases_total.result.taken_over"), 0);
    world.assert_unharmed("crowds at two workers");
}

#[test]
fn a_crowd_for_what_is_not_there_costs_one_request() {
    let world = two_workers(json!({}));
    let mut clients = connect(&world, CLIENTS);
    for round in 0..5 {
        let path = format!("/example.com/missing{round}/@v/list");
        for answer in crowd(&world, &mut clients, &path) {
            assert_eq!((answer.status, answer.whole), (404, true), "{answer:?}");
            assert_shown(&answer, "not_found", "origin", &path);
        }
        assert_eq!(world.asked(&path), 1, "round {round}");
        // Remembered by both, and by nobody for longer than it is fresh.
        for client in &mut clients[..2] {
            assert!(status(&ask(client, &path)).contains("; hit;"));
        }
        assert_eq!(world.asked(&path), 1, "round {round}");
    }
    world.assert_unharmed("crowds for what is not there");
}

#[test]
fn a_crowd_for_what_nobody_may_keep_costs_one_request_for_each_worker() {
    let world = two_workers(json!({}));
    let mut clients = connect(&world, CLIENTS);
    let headers = json!({"headers": {"Cache-Control": "no-store"}, "status": 200, "body": BODY});
    let _private = world.fault(MOD, "status", headers);
    for client in &mut clients {
        client.ask(MOD, &[]);
    }
    for client in &mut clients {
        let answer = client.answer(false).expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, BODY));
    }
    // Who is served before the last has asked is not waited for: so there may be some more.
    let asked = world.asked(MOD);
    assert!((2..=40).contains(&asked), "{asked}");
    world.assert_unharmed("a crowd for what nobody may keep");
}

#[test]
fn what_one_worker_fetched_is_a_hit_in_the_other() {
    let world = two_workers(json!({}));
    let mut clients = connect(&world, 2);
    let [one, other] = &mut clients[..] else {
        panic!("two clients")
    };
    for path in [
        MOD,
        "/example.com/a/@v/list",
        "/example.com/a/@latest",
        "/example.com/a/@v/v1.0.0.info",
        "/example.com/none/@v/list",
    ] {
        let fetched = ask(one, path);
        assert!(status(&fetched).contains("; fwd=uri-miss"), "{fetched:?}");
        let shared = ask(other, path);
        assert!(status(&shared).ends_with("; detail=shared"), "{shared:?}");
        assert_eq!(
            (shared.status, shared.text().lines().next()),
            (fetched.status, fetched.text().lines().next()),
            "{path}"
        );
        for client in [&mut *one, &mut *other] {
            let hit = ask(client, path);
            assert!(status(&hit).ends_with("; detail=memory"), "{hit:?}");
        }
        assert_eq!(world.asked(path), 1, "{path}");
    }
    await_counted(&world, "cache_operations_total.tier.shared.result.hit", 5);
    world.assert_unharmed("hits in the other worker");
}

#[test]
fn a_small_archive_that_one_worker_streamed_is_a_hit_in_the_other() {
    const ZIP: &str = "/example.com/a/@v/v1.0.0.zip";
    let world = two_workers(json!({}));
    let mut clients = connect(&world, 2);
    let streamed = ask(&mut clients[0], ZIP);
    let shared = ask(&mut clients[1], ZIP);
    assert!(status(&shared).ends_with("; detail=shared"), "{shared:?}");
    assert!(streamed.body == shared.body && shared.body.starts_with(b"PK"));
    assert_eq!(world.asked(ZIP), 1);
    world.assert_unharmed("an archive in the other worker");
}

#[test]
fn without_a_size_each_worker_is_alone() {
    let world = two_workers_with(
        json!({"cache": {"shared": {"size": "0B"}}}),
        |gateway, _| gateway,
    );
    let mut clients = connect(&world, CLIENTS);
    for answer in crowd(&world, &mut clients, MOD) {
        assert_eq!(answer.text(), BODY);
    }
    assert_eq!(world.asked(MOD), 2, "one for each worker");
    world.assert_unharmed("workers that share nothing");
}
