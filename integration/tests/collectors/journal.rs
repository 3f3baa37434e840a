//! Whatever Elasticsearch answers, every record is there once or accounted for.

use std::path::Path;
use std::time::Duration;

use goproxy_core::event::Sink;
use serde_json::Value;

use crate::driver::{Driver, elasticsearch, settings};
use crate::strict::template;
use crate::world::elasticsearch::{Elasticsearch, Order, Setup};

fn schema() -> jsonschema::Validator {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../filter/core/schema/event.schema.json");
    let schema: Value =
        serde_json::from_slice(&std::fs::read(path).expect("the schema")).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn start(setup: Setup) -> (Elasticsearch, Driver) {
    let server = Elasticsearch::start(Setup {
        template: Some(template()),
        ..setup
    });
    let driver = Driver::new(server.addr(), settings("pod-1", elasticsearch()));
    (server, driver)
}

/// Every document is as the schema says, is named by its event, and was sent no more once it was acknowledged.
fn assert_sound(server: &Elasticsearch) {
    let schema = schema();
    for ((index, id), document) in server.documents() {
        assert_eq!(index, "cce-logpilot-failures-2024.06");
        assert_eq!(document["event_id"], id.as_str());
        if let Err(error) = schema.validate(&document) {
            panic!("{error}: {document}");
        }
        assert!(!document.to_string().contains("secret"), "{document}");
    }
    assert_eq!(server.sent_again(), []);
}

#[test]
fn records_are_documents_of_the_schema_and_the_template() {
    let (server, mut driver) = start(Setup::default());
    for number in 0..120 {
        driver.missing(&format!("example.com/m{number}"));
    }
    driver.finish();
    assert_eq!(server.documents().len(), 120);
    assert_sound(&server);
    driver.assert_accounted_for();
    let counts: Vec<usize> = server
        .requests()
        .iter()
        .map(|request| request.documents)
        .collect();
    assert_eq!(
        counts,
        [50, 50, 20],
        "full batches at once, the rest when it is old enough"
    );
}

#[test]
fn whatever_is_answered_every_record_is_stored_once() {
    for (what, order) in [
        ("429 to all", Order::Answer(429, r#"{"status":429}"#)),
        ("429 with Retry-After", Order::RetryAfter(3)),
        ("503 to all", Order::Answer(503, "")),
        ("401", Order::Answer(401, "{}")),
        (
            "a login page",
            Order::StoreAndSay(200, "<html>please log in</html>"),
        ),
        (
            "half an answer",
            Order::StoreAndSay(200, r#"{"errors":false,"items":[{"create":{"sta"#),
        ),
        (
            "too few items",
            Order::StoreAndSay(
                200,
                r#"{"errors":false,"items":[{"create":{"status":201}}]}"#,
            ),
        ),
        (
            "errors without items",
            Order::StoreAndSay(200, r#"{"errors":true}"#),
        ),
        ("stored, and no answer", Order::StoreAndCut),
        (
            "stored, and too slow",
            Order::StoreAndDrip(Duration::from_millis(400)),
        ),
        ("nothing at all", Order::Hang),
        ("429 to some items", Order::Items(429, vec![0, 7, 49])),
        ("503 to all items", Order::Items(503, (0..50).collect())),
        ("413", Order::Answer(413, "")),
        ("400 to all", Order::Answer(400, "{}")),
    ] {
        let (server, mut driver) = start(Setup::default());
        server.order([order]);
        for number in 0..60 {
            driver.missing(&format!("example.com/m{number}"));
        }
        driver.finish();
        assert_eq!(server.documents().len(), 60, "{what}");
        assert_sound(&server);
        let tally = driver.journal.tally(Sink::Http);
        assert_eq!(
            (tally.delivered, tally.refused, tally.dropped),
            (60, 0, 0),
            "{what}"
        );
        driver.assert_accounted_for();
        let sent: usize = server
            .requests()
            .iter()
            .map(|request| request.documents)
            .sum();
        assert!(sent > 60, "{what}: something went again");
    }
}

#[test]
fn a_record_that_is_refused_goes_to_the_log_and_holds_up_no_other() {
    let (server, mut driver) = start(Setup::default());
    server.order([Order::Items(400, vec![3]), Order::Items(403, vec![0])]);
    for number in 0..60 {
        driver.missing(&format!("example.com/m{number}"));
    }
    driver.finish();
    assert_eq!(server.documents().len(), 58);
    assert_sound(&server);
    let lines: Vec<String> = std::iter::from_fn(|| driver.journal.take_log_line()).collect();
    let starts = |line: &str, status: &str| {
        let (start, record) = line.split_once(": {").expect("a record");
        assert!(
            start.starts_with(&format!("event refused by the collector with {status}, ")),
            "{line}"
        );
        assert!(
            start.contains("as ordered") && record.ends_with('}'),
            "{line}"
        );
    };
    starts(&lines[0], "400");
    starts(&lines[1], "403");
    assert!(
        lines[0].contains(r#""name":"example.com/m3""#)
            && lines[1].contains(r#""name":"example.com/m50""#),
        "{lines:?}"
    );
    let tally = driver.journal.tally(Sink::Http);
    assert_eq!((tally.delivered, tally.refused), (58, 2));
    driver.assert_accounted_for();
}

#[test]
fn a_collector_that_takes_less_gets_smaller_batches() {
    let (server, mut driver) = start(Setup {
        max_bytes: 4000,
        ..Setup::default()
    });
    for number in 0..200 {
        driver.missing(&format!("example.com/m{number}"));
    }
    driver.finish();
    assert_eq!(server.documents().len(), 200);
    assert_sound(&server);
    assert_eq!(driver.journal.tally(Sink::Http).refused, 0);
    driver.assert_accounted_for();
}

#[test]
fn a_collector_that_is_down_for_a_minute_gets_all_of_it_and_the_sum_is_right() {
    let (server, mut driver) = start(Setup::default());
    server.order((0..8).map(|_| Order::Answer(503, "")));
    // 50 modules fail ten times each, over a minute in which nothing is taken.
    for _ in 0..10 {
        for number in 0..50 {
            driver.missing(&format!("example.com/m{number}"));
        }
        for _ in 0..60 {
            driver.tick();
        }
    }
    driver.finish();
    assert_sound(&server);
    let failures: u64 = server
        .documents()
        .values()
        .map(|document| document["suppressed"].as_u64().expect("a number") + 1)
        .sum();
    assert_eq!(failures, 500);
    assert!(
        server.documents().len() <= 150,
        "{} documents",
        server.documents().len()
    );
    driver.assert_accounted_for();
}

#[test]
fn a_new_configuration_in_the_middle_loses_nothing() {
    let (server, mut driver) = start(Setup::default());
    server.order([Order::Answer(503, ""), Order::Items(429, vec![1])]);
    for number in 0..100 {
        driver.missing(&format!("example.com/m{number}"));
    }
    driver.tick();
    driver.settings = settings("pod-2", elasticsearch());
    for number in 0..100 {
        driver.missing(&format!("example.com/m{number}"));
    }
    driver.finish();
    // Another pod's failures are others.
    assert_eq!(server.documents().len(), 200);
    assert_sound(&server);
    driver.assert_accounted_for();
}

#[test]
fn what_finds_no_room_is_dropped_oldest_first_and_counted() {
    let server = Elasticsearch::start(Setup::default());
    let mut small = elasticsearch();
    small.queue = 64 * 1024;
    let mut driver = Driver::new(server.addr(), settings("pod-1", small));
    server.order([Order::Answer(503, "")]);
    for number in 0..1_000 {
        driver.missing(&format!("example.com/m{number}"));
    }
    driver.finish();
    let tally = driver.journal.tally(Sink::Http);
    assert!(tally.dropped > 500, "{tally:?}");
    assert_eq!(tally.dropped + tally.delivered, 1_000);
    assert_eq!(server.documents().len() as u64, tally.delivered);
    let newest = server
        .documents()
        .values()
        .any(|document| document["module"]["name"] == "example.com/m999");
    assert!(newest, "the newest are kept");
    assert_sound(&server);
    driver.assert_accounted_for();
}
