//! Very many failures at once, while the collector is down, then refuses, then answers nonsense, and the configuration changes
//! in the middle: every failure is accounted for, at each sink.
//!
//! 10,000 failures of 1,000 modules; with `EVENTS_BURST=full` in the environment 100,000 of 10,000.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::folding::failures;
use crate::station::{A_WINDOW, Station, assert_valid, await_records, events};
use crate::sums::{Sums, await_settled};
use crate::world::elasticsearch::{Elasticsearch, Order, Setup};
use crate::world::{PATIENCE, assert_unharmed, config, h1};

/// Clients at once.
const CLIENTS: usize = 8;
/// How often each module fails.
const TIMES: usize = 10;

fn modules() -> usize {
    match std::env::var("EVENTS_BURST").as_deref() {
        Ok("full") => 10_000,
        _ => 1_000,
    }
}

fn section(address: SocketAddr, max_batch: u32) -> Value {
    json!({"http": {
        "format": "elasticsearch", "target": "collector", "authority": address.to_string(),
        "index": "cce-logpilot-failures-%Y.%m", "max_batch": max_batch, "max_age": "200ms", "timeout": "1s",
        "queue": "64MiB",
    }})
}

/// Each client asks for its share of the modules, again and again.
fn burst(station: &Station, modules: usize, asked: &AtomicUsize) {
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let mut connection = h1::Connection::open(station.world.addr());
                for _ in 0..TIMES {
                    for module in (client..modules).step_by(CLIENTS) {
                        let path = format!("/burst.example/m{module}/@v/v1.0.0.mod");
                        connection.ask(&path, &[]);
                        let answer = connection.answer(false).expect("an answer");
                        assert_eq!(answer.status, 404, "{path}");
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

pub fn a_burst_of_failures_is_accounted_for_at_each_sink() {
    let server = Elasticsearch::start(Setup::default());
    let address = server.addr();
    let station = Station::with(section(address, 500), json!({}), |gateway, _| {
        gateway.cluster("collector", &format!("http://{address}"))
    });
    let gateway = &station.world.gateway;
    server.order([
        Order::Answer(503, ""),
        Order::Hang,
        Order::Answer(401, "{}"),
        Order::StoreAndSay(200, "<html>please log in</html>"),
        Order::Items(429, (0..250).collect()),
        Order::StoreAndCut,
        Order::StoreAndSay(200, r#"{"errors":true}"#),
    ]);
    let (modules, asked) = (modules(), AtomicUsize::new(0));
    let total = modules * TIMES;
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| burst(&station, modules, &asked));
        while asked.load(Ordering::Relaxed) < total / 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let other = json!({"events": events(section(address, 400))});
        let other = config(&station.world.origin, other).to_string();
        gateway
            .reconfigure(&other)
            .unwrap_or_else(|error| panic!("{error}"));
    });
    let took = began.elapsed();

    let total = u64::try_from(total).expect("a number");
    let patience = A_WINDOW * 2;
    let stdout = await_settled(gateway, "stdout", total, patience);
    let http = await_settled(gateway, "http", total, patience);
    println!("{total} failures in {took:?}; {stdout:?}; {http:?}");

    let all = |records: &[Value]| records.len() as u64 >= stdout.delivered;
    let records = await_records(gateway, PATIENCE, "all are written", all);
    assert_eq!(records.len() as u64, stdout.delivered, "{stdout:?}");
    assert_eq!((stdout.dropped, http.dropped), (0, 0));
    assert_eq!(failures(&records), total);
    // A failure that was forgotten, since too many others came, has a second record of the same name: some of 10,000 have.
    let ids: BTreeSet<&str> = records
        .iter()
        .filter_map(|record| record["event_id"].as_str())
        .collect();
    let twice = records.len() - ids.len();
    assert!(
        twice <= modules / 2 && (twice == 0 || modules > 1_000),
        "{twice} of {}",
        records.len()
    );
    // What is at the collector is what is on standard output, each name once.
    let documents = server.documents();
    documents.values().for_each(assert_valid);
    let stored: BTreeSet<&str> = documents.keys().map(|(_, id)| id.as_str()).collect();
    assert_eq!(stored, ids);
    assert_eq!(http.delivered, stdout.delivered);
    if twice == 0 {
        assert_eq!(server.sent_again(), []);
    }
    assert_unharmed(gateway, "a burst of failures");
}

pub fn two_workers_account_for_their_failures_together() {
    let server = Elasticsearch::start(Setup::default());
    let address = server.addr();
    let station = Station::with(section(address, 100), json!({}), |gateway, _| {
        gateway
            .cluster("collector", &format!("http://{address}"))
            .workers(2)
    });
    let asked = AtomicUsize::new(0);
    burst(&station, 200, &asked);
    let total = (200 * TIMES) as u64;
    let gateway = &station.world.gateway;
    for sink in ["stdout", "http"] {
        let sums: Sums = await_settled(gateway, sink, total, A_WINDOW * 2);
        assert_eq!((sums.dropped, sums.refused), (0, 0), "{sink}: {sums:?}");
        assert_eq!(sums.delivered + sums.suppressed, total, "{sink}: {sums:?}");
    }
    let all = |records: &[Value]| failures(records) >= total;
    let records = await_records(gateway, PATIENCE, "all are written", all);
    assert_eq!(failures(&records), total);
    let documents: Vec<Value> = server.documents().into_values().collect();
    assert_eq!(failures(&documents), total);
    assert_eq!(server.sent_again(), []);
}
