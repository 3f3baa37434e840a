//! What goes wrong between two workers: one dies, or their configuration is exchanged, while the other waits for it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::mortal;
use crate::pair::{BODY, MOD, ask, await_counted, connect, status, two_workers, two_workers_with};
use crate::world::{World, assert_alive, config, eventually, h1};

/// Both workers wait for the object, and the first one's request is with the upstream.
fn wait_for(world: &World, path: &str) -> [h1::Connection; 2] {
    let mut clients = connect(world, 2);
    clients[0].ask(path, &[]);
    world.await_asked(path, 1);
    clients[1].ask(path, &[]);
    world.await_active(2);
    let second = clients.pop().expect("two clients");
    let first = clients.pop().expect("two clients");
    [first, second]
}

#[test]
fn a_worker_whose_vm_dies_with_the_lease_is_replaced_by_the_other() {
    let wasm = mortal::plugin();
    let world = two_workers_with(json!({}), |gateway, _| gateway.wasm(wasm.path()));
    let held = world.fault(MOD, "hold", json!({}));
    let [leader, mut follower] = wait_for(&world, MOD);
    // The worker with the fewer connections gets the next one; they have one each, so it is told by whom it kills.
    let began = Instant::now();
    let reloads = || {
        let all = world.gateway.stats("vm_reload_success");
        all.expect("Envoy answers").values().sum::<u64>()
    };
    assert_eq!(reloads(), 0);
    drop(leader);
    world.await_active(1);
    let mut killer = connect_to_leader(&world);
    mortal::kill(&mut killer);
    world.await_asked(MOD, 2);
    let after = began.elapsed();
    assert!(
        after > Duration::from_secs(1),
        "it took over after {after:?}"
    );
    held.release();
    let answer = follower.answer(false).expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, BODY));
    await_counted(&world, "leases_total.result.taken_over", 1);
    // The worker comes back, and finds what is shared.
    eventually("the other worker serves again", || {
        let mut client = h1::Connection::open(world.addr());
        ask(&mut client, MOD).status == 200 && reloads() == 1
    });
    assert_eq!(world.asked(MOD), 2);
}

/// The leader's worker has no connection any more, so the next one is its.
fn connect_to_leader(world: &World) -> h1::Connection {
    let client = h1::Connection::open(world.addr());
    eventually("each worker has a connection", || {
        let open = world.gateway.stats("downstream_cx_active");
        let open = open.expect("Envoy answers");
        let mut workers = open
            .iter()
            .filter(|(name, _)| name.starts_with("listener.") && name.contains(".worker_"));
        workers.all(|(_, count)| *count == 1)
    });
    client
}

#[test]
fn a_new_configuration_while_both_wait_costs_no_second_request() {
    let world = two_workers(json!({}));
    let held = world.fault(MOD, "hold", json!({}));
    let clients = wait_for(&world, MOD);
    let other = json!({"cache": {"freshness": {"mutable": "7s"}}});
    world
        .gateway
        .reconfigure(&config(&world.origin, other).to_string())
        .unwrap_or_else(|error| panic!("{error}"));
    let mut newcomers = connect_more(&world);
    for client in &mut newcomers {
        client.ask(MOD, &[]);
    }
    world.await_active(4);
    held.release();
    for mut client in clients.into_iter().chain(newcomers) {
        let answer = client.answer(false).expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, BODY));
    }
    assert_eq!(world.asked(MOD), 1);
    world.assert_unharmed("a new configuration while both wait");
}

fn connect_more(world: &World) -> [h1::Connection; 2] {
    [0, 1].map(|_| h1::Connection::open(world.addr()))
}

#[test]
fn a_leader_s_configuration_that_ends_lets_the_follower_go_on_at_once() {
    let world = two_workers(json!({}));
    let held = world.fault(MOD, "hold", json!({}));
    let [leader, mut follower] = wait_for(&world, MOD);
    let other = json!({"cache": {"freshness": {"mutable": "7s"}}});
    world
        .gateway
        .reconfigure(&config(&world.origin, other).to_string())
        .unwrap_or_else(|error| panic!("{error}"));
    // With its last client the old configuration ends, its request and its lease with it.
    let began = Instant::now();
    drop(leader);
    world.await_asked(MOD, 2);
    let after = began.elapsed();
    assert!(
        after < Duration::from_secs(2),
        "before a lease ends: {after:?}"
    );
    held.release();
    let answer = follower.answer(false).expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, BODY));
    world.assert_unharmed("a configuration that ends with the lease");
}

#[test]
fn what_is_shared_can_be_made_smaller_and_turned_off_and_on_while_envoy_runs() {
    let world = two_workers(json!({"cache": {"memory": {"size": "0B"}}}));
    let size = |size: &str| {
        let cache = json!({"cache": {"memory": {"size": "0B"}, "shared": {"size": size}}});
        let config = config(&world.origin, cache).to_string();
        world
            .gateway
            .reconfigure(&config)
            .unwrap_or_else(|error| panic!("{size}: {error}"));
    };
    let mut clients = connect(&world, 2);
    for (round, (named, is_shared)) in [
        ("64MiB", true),
        ("1MiB", true),
        ("0B", false),
        ("8MiB", true),
    ]
    .into_iter()
    .enumerate()
    {
        size(named);
        let path = format!("/bench.example/n{round}/@v/v1.0.0.mod");
        let fetched = ask(&mut clients[0], &path);
        assert_eq!(fetched.body.len(), 2048, "{named}: {fetched:?}");
        for client in &mut clients {
            let again = ask(client, &path);
            assert_eq!(again.body, fetched.body, "{named}");
            let told = status(&again).ends_with("; detail=shared");
            assert_eq!(told, is_shared, "{named}: {again:?}");
        }
    }
    world.assert_unharmed("sizes");
}

#[test]
fn many_new_configurations_under_load_of_two_workers_fail_no_request() {
    let world = two_workers(json!({}));
    let address = world.addr();
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let load = scope.spawn(move || {
            let mut clients = [0, 1].map(|_| h1::Connection::open(address));
            let mut count = 0_usize;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                count += 1;
                // Both workers at once, for a cold object.
                let path = format!("/bench.example/n{count}/@v/v1.0.0.mod");
                for client in &mut clients {
                    client.ask(&path, &[]);
                }
                for client in &mut clients {
                    let answer = client.answer(false).expect("an answer");
                    assert_eq!(
                        (answer.status, answer.body.len(), answer.whole),
                        (200, 2048, true),
                        "round {count}: {answer:?}"
                    );
                }
            }
            count
        });
        for round in 1..=20 {
            let more = json!({"cache": {"freshness": {"mutable": format!("{round}s")}}});
            world
                .gateway
                .reconfigure(&config(&world.origin, more).to_string())
                .unwrap_or_else(|error| panic!("{round}: {error}"));
        }
        drop(stop);
        let count = load.join().expect("no request failed");
        assert!(count >= 20, "only {count} rounds were made meanwhile");
    });
    assert_alive(&world.gateway, "20 new configurations");
    world.assert_unharmed("20 new configurations");
}
