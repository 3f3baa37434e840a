//! Many failures of one kind are a record for each minute, and no failure is lost in it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::station::{A_WINDOW, Station, await_records};
use crate::sums::await_settled;

/// How many failures some records stand for.
pub fn failures(records: &[Value]) -> u64 {
    let of = |record: &Value| 1 + record["suppressed"].as_u64().expect("a number");
    records.iter().map(of).sum()
}

pub fn a_flood_is_told_at_once_and_then_once_a_minute_and_the_sum_is_right() {
    let station = Station::start(json!({}));
    for _ in 0..50 {
        assert_eq!(station.get("/example.com/flood/@v/v1.0.0.zip").status, 404);
    }
    let first = station.await_module("example.com/flood");
    assert_eq!(first["suppressed"], 0, "{first}");
    // Another version, kind or code is another failure.
    station.get("/example.com/flood/@v/v1.0.1.zip");
    station.get("/example.com/flood/@v/v1.0.0.mod");
    let gateway = &station.world.gateway;
    let records = await_records(gateway, A_WINDOW, "52 failures", |records| {
        failures(records) == 52
    });
    // The minute may have ended in the middle of the flood.
    assert!((4..=5).contains(&records.len()), "{records:#?}");
    let ids: BTreeSet<&str> = records
        .iter()
        .filter_map(|record| record["event_id"].as_str())
        .collect();
    assert_eq!(ids.len(), records.len(), "each record has its own name");
    let sums = await_settled(gateway, "stdout", 52, A_WINDOW);
    assert_eq!(
        (sums.delivered, sums.suppressed),
        (records.len() as u64, 52 - records.len() as u64),
        "{sums:?}"
    );
}
