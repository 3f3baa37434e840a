//! Records as JSON arrays.

use goproxy_core::event::{Format, Sink};

use crate::driver::{Driver, collector, settings};
use crate::world::fluent_bit::FluentBit;

#[test]
fn an_array_of_records_is_taken_whole_or_goes_again() {
    let server = FluentBit::start();
    let mut http = collector(Format::Json);
    http.path = "/goproxy.events".to_owned();
    let mut driver = Driver::new(server.addr(), settings("pod-1", http));
    server.refuse([500, 429]);
    for number in 0..120 {
        driver.missing(&format!("example.com/m{number}"));
    }
    driver.finish();
    let records = server.records();
    assert_eq!(records.len(), 120);
    assert!(records.iter().all(|(tag, _)| tag == "goproxy.events"));
    let first = records
        .iter()
        .map(|(_, record)| record["module"]["name"].as_str().unwrap_or_default())
        .next();
    assert_eq!(first, Some("example.com/m0"), "in their order");
    assert_eq!(driver.journal.tally(Sink::Http).delivered, 120);
    driver.assert_accounted_for();
}
