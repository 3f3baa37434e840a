//! Clients that leave about when their answer comes.

use serde_json::json;

use crate::world::{World, h1, h2};

const CLIENTS: usize = 200;

fn path(round: usize) -> String {
    format!("/bench.example/n{round}/@v/v1.0.0.mod")
}

/// Half of the clients leave: some before the answer is let go, the rest at once after it. Where that is moves with the
/// round, since what is sought happens within microseconds.
fn leave_around(
    round: usize,
    rounds: usize,
    leave: &mut Vec<impl FnOnce()>,
    release: impl FnOnce(),
) {
    let before = leave.len() * round / rounds;
    let after = leave.split_off(before);
    for one in leave.drain(..) {
        one();
    }
    release();
    for one in after {
        one();
    }
}

#[test]
fn half_of_two_hundred_connections_break_around_the_answer() {
    const ROUNDS: usize = 24;
    let world = World::start();
    for round in 0..ROUNDS {
        let path = path(round);
        let held = world.fault(&path, "hold", json!({}));
        let (mut stay, mut leave) = (Vec::new(), Vec::new());
        for number in 0..CLIENTS {
            let mut client = h1::Connection::open(world.addr());
            client.ask(&path, &[]);
            if number % 2 == 0 {
                stay.push(client);
            } else {
                leave.push(move || drop(client));
            }
        }
        world.await_active(CLIENTS as u64);
        leave_around(round, ROUNDS, &mut leave, || held.release());
        for mut client in stay {
            let answer = client
                .answer(false)
                .unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert_eq!(
                (answer.status, answer.body.len(), answer.whole),
                (200, 2048, true),
                "round {round}: {answer:?}"
            );
        }
        assert_eq!(world.asked(&path), 1, "round {round}");
    }
    world.await_active(0);
    world.assert_unharmed("an abort storm");
}

#[test]
fn half_of_two_hundred_http2_streams_are_reset_around_the_answer() {
    const ROUNDS: usize = 24;
    let world = World::start();
    for round in 0..ROUNDS {
        // Envoy ends a connection after some 500 streams that were reset early, so each round has its own.
        let client = h2::Connection::open(world.addr());
        let path = path(1_000 + round);
        let held = world.fault(&path, "hold", json!({}));
        let (mut stay, mut leave) = (Vec::new(), Vec::new());
        for number in 0..CLIENTS {
            let stream = client.get(&path);
            if number % 2 == 0 {
                stay.push(stream);
            } else {
                leave.push(move || stream.abort());
            }
        }
        world.await_active(CLIENTS as u64);
        leave_around(round, ROUNDS, &mut leave, || held.release());
        for stream in stay {
            let answer = client
                .finish(stream)
                .unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert_eq!(
                (answer.status, answer.body.len()),
                (200, 2048),
                "round {round}"
            );
        }
        assert_eq!(world.asked(&path), 1, "round {round}");
    }
    world.await_active(0);
    world.assert_unharmed("a storm of resets");
}

#[test]
fn a_connection_with_five_hundred_waiting_streams_breaks() {
    let world = World::start();
    for round in 0..5 {
        let path = path(2_000 + round);
        let held = world.fault(&path, "hold", json!({}));
        let client = h2::Connection::open(world.addr());
        let _streams: Vec<_> = (0..500).map(|_| client.get(&path)).collect();
        world.await_active(500);
        if round % 2 == 0 {
            drop(client);
            held.release();
        } else {
            held.release();
            drop(client);
        }
        world.await_active(0);
        assert_eq!(world.get(&path).status, 200);
        assert_eq!(world.asked(&path), 1, "round {round}");
    }
    world.assert_unharmed("broken connections");
}

#[test]
fn the_host_ends_a_stream_and_the_late_answer_finds_nobody() {
    let world = World::with(|gateway, _| {
        gateway.edit(|bootstrap| {
            bootstrap.connection_manager(0)?["stream_idle_timeout"] = "0.5s".into();
            Ok(())
        })
    });
    let path = path(3_000);
    let held = world.fault(&path, "hold", json!({}));
    let mut clients: Vec<_> = (0..100)
        .map(|_| {
            let mut client = h1::Connection::open(world.addr());
            client.ask(&path, &[]);
            client
        })
        .collect();
    for client in &mut clients {
        let answer = client.answer(false).expect("an answer");
        assert_eq!((answer.status, answer.whole), (504, true), "{answer:?}");
        assert_eq!(answer.text(), "stream timeout", "the host's own words");
    }
    held.release();
    let answer = world.get(&path);
    assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
    assert_eq!(world.asked(&path), 1, "the late answer was kept");
    world.assert_unharmed("streams that the host ended");
}

#[test]
fn the_host_ends_streams_while_their_answers_are_on_their_way() {
    // The answer comes when the streams time out, give or take: whoever is first answers, and never both.
    let world = World::with(|gateway, _| {
        gateway.edit(|bootstrap| {
            bootstrap.connection_manager(0)?["stream_idle_timeout"] = "0.3s".into();
            Ok(())
        })
    });
    for round in 0..12 {
        let path = path(4_000 + round);
        let delay = format!("{}ms", 270 + 5 * round);
        let _late = world.fault(&path, "delay", json!({"delay": delay}));
        let mut clients: Vec<_> = (0..100)
            .map(|_| {
                let mut client = h1::Connection::open(world.addr());
                client.ask(&path, &[]);
                client
            })
            .collect();
        for client in &mut clients {
            let answer = client.answer(false).expect("an answer");
            assert!(
                answer.whole && [200, 504].contains(&answer.status),
                "round {round}: {answer:?}"
            );
        }
        assert_eq!(world.asked(&path), 1, "round {round}");
    }
    world.assert_unharmed("streams that end as their answers come");
}
