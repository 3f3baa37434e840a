//! The collector is down, slow, refuses, or answers nonsense: every record is there once, or accounted for.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::station::{A_WINDOW, Station, assert_valid, await_records, events};
use crate::sums::{Sums, await_settled};
use crate::world::elasticsearch::{Elasticsearch, Order, Setup};
use crate::world::fluent_bit::FluentBit;
use crate::world::{PATIENCE, assert_unharmed, closed_port, config, h1, merge};

/// What the filter writes into Envoy's log of a record that no collector takes.
const BURIED: &str = "event refused by the collector with ";

/// A gateway, its collector, and how many downloads have failed.
struct Post {
    station: Station,
    address: SocketAddr,
    failed: u64,
}

/// A collector in small batches, without patience.
fn http(address: SocketAddr, more: Value) -> Value {
    let mut http = json!({
        "format": "elasticsearch", "target": "collector", "authority": address.to_string(),
        "index": "cce-logpilot-failures-%Y.%m", "max_batch": 20, "max_age": "100ms", "timeout": "500ms",
    });
    merge(&mut http, more);
    http
}

impl Post {
    fn to(address: SocketAddr, more: Value) -> Self {
        let of_events = json!({"http": http(address, more)});
        let station = Station::with(of_events, json!({}), |gateway, _| {
            gateway
                .cluster("collector", &format!("http://{address}"))
                .secret("ES_AUTHORIZATION", "ApiKey k3y")
        });
        Self {
            station,
            address,
            failed: 0,
        }
    }

    /// So many more downloads fail, each of another module.
    fn fail(&mut self, count: u64) {
        let mut client = h1::Connection::open(self.station.world.addr());
        for number in self.failed..self.failed + count {
            client.ask(&format!("/failed.example/m{number}/@v/v1.0.0.mod"), &[]);
            assert_eq!(client.answer(false).expect("an answer").status, 404);
        }
        self.failed += count;
    }

    /// Waits until every record has its end.
    fn settle(&self) -> Sums {
        let gateway = &self.station.world.gateway;
        let stdout = await_settled(gateway, "stdout", self.failed, PATIENCE);
        assert_eq!(stdout.delivered, self.failed, "{stdout:?}");
        // Envoy has it, and writes it soon.
        let all = |records: &[Value]| records.len() as u64 >= self.failed;
        let records = await_records(gateway, PATIENCE, "all are written", all);
        assert_eq!(records.len() as u64, self.failed);
        await_settled(gateway, "http", self.failed, PATIENCE * 2)
    }

    /// Envoy's log, once it has these words. What is lost is said once a minute.
    fn await_log(&self, words: &str) -> String {
        let until = Instant::now() + A_WINDOW;
        loop {
            let log = self.station.world.gateway.log();
            if log.contains(words) {
                return log;
            }
            assert!(Instant::now() < until, "not within {A_WINDOW:?}: {words}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn reconfigure(&self, of_events: Value) {
        let config = config(
            &self.station.world.origin,
            json!({"events": events(of_events)}),
        );
        self.station
            .world
            .gateway
            .reconfigure(&config.to_string())
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

fn setup() -> Setup {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/elasticsearch/index-template.json");
    let template = std::fs::read(path).expect("the template");
    Setup {
        template: Some(serde_json::from_slice(&template).expect("JSON")),
        ..Setup::default()
    }
}

/// Every document is as the schema says, and is the very record that is on standard output too.
fn assert_sound(server: &Elasticsearch, post: &Post) {
    let written: BTreeSet<String> = post
        .station
        .records()
        .iter()
        .map(ToString::to_string)
        .collect();
    for ((index, id), document) in server.documents() {
        assert_valid(&document);
        assert!(
            index.starts_with("cce-logpilot-failures-20"),
            "{index}: {document}"
        );
        assert_eq!(document["event_id"], id.as_str());
        assert!(written.contains(&document.to_string()), "{document}");
    }
    assert_eq!(server.sent_again(), []);
}

#[test]
fn whatever_is_answered_every_record_is_stored_once() {
    let server = Elasticsearch::start(setup());
    let mut post = Post::to(server.addr(), json!({}));
    for (what, order) in [
        ("all is well", None),
        ("429 to all", Some(Order::Answer(429, r#"{"status":429}"#))),
        ("429 with Retry-After", Some(Order::RetryAfter(1))),
        ("503 to all", Some(Order::Answer(503, ""))),
        ("401", Some(Order::Answer(401, "{}"))),
        ("500", Some(Order::Answer(500, "oops"))),
        (
            "a login page",
            Some(Order::StoreAndSay(200, "<html>please log in</html>")),
        ),
        (
            "half an answer",
            Some(Order::StoreAndSay(
                200,
                r#"{"errors":false,"items":[{"create":{"sta"#,
            )),
        ),
        (
            "too few items",
            Some(Order::StoreAndSay(
                200,
                r#"{"errors":false,"items":[{"create":{"status":201}}]}"#,
            )),
        ),
        (
            "errors without items",
            Some(Order::StoreAndSay(200, r#"{"errors":true}"#)),
        ),
        ("stored, and no answer", Some(Order::StoreAndCut)),
        (
            "stored, and too slow",
            Some(Order::StoreAndDrip(Duration::from_millis(100))),
        ),
        ("nothing at all", Some(Order::Hang)),
        ("429 to some items", Some(Order::Items(429, vec![0, 7, 19]))),
        (
            "503 to all items",
            Some(Order::Items(503, (0..20).collect())),
        ),
        ("413", Some(Order::Answer(413, ""))),
        ("400 to all", Some(Order::Answer(400, "{}"))),
    ] {
        server.order(order);
        post.fail(30);
        let sums = post.settle();
        assert_eq!(
            (sums.delivered, sums.refused, sums.dropped),
            (post.failed, 0, 0),
            "{what}: {sums:?}"
        );
        assert_eq!(server.documents().len() as u64, post.failed, "{what}");
        assert_sound(&server, &post);
    }
    assert_unharmed(&post.station.world.gateway, "a collector in trouble");
}

#[test]
fn a_record_that_is_refused_goes_to_the_log_and_holds_up_no_other() {
    let server = Elasticsearch::start(setup());
    let mut post = Post::to(server.addr(), json!({}));
    server.order([Order::Items(400, vec![0])]);
    post.fail(20);
    let sums = post.settle();
    assert_eq!((sums.delivered, sums.refused), (19, 1), "{sums:?}");
    assert_eq!(server.documents().len(), 19);
    assert_sound(&server, &post);
    let log = post.await_log(BURIED);
    let line = log.lines().find(|line| line.contains(BURIED));
    let (_, record) = line
        .and_then(|line| line.split_once(": {"))
        .expect("a record");
    crate::station::checked(&format!("{{{record}"));
}

#[test]
fn a_collector_that_takes_less_gets_smaller_batches() {
    let server = Elasticsearch::start(Setup {
        max_bytes: 4000,
        ..setup()
    });
    let mut post = Post::to(server.addr(), json!({}));
    post.fail(60);
    let sums = post.settle();
    assert_eq!((sums.delivered, sums.refused), (60, 0), "{sums:?}");
    assert_sound(&server, &post);
    let sizes: Vec<u16> = server
        .requests()
        .iter()
        .map(|request| request.status)
        .collect();
    assert!(sizes.contains(&413), "{sizes:?}");
}

#[test]
fn a_collector_that_was_down_gets_all_of_it() {
    let address = SocketAddr::from(([127, 0, 0, 1], closed_port()));
    let mut post = Post::to(address, json!({}));
    post.fail(60);
    crate::world::eventually("all of it waits", || {
        let waiting = Sums::of(&post.station.world.gateway, "http");
        waiting.queued == 60 && waiting.hold()
    });
    // Nobody who downloads has noticed.
    assert_eq!(post.station.get("/example.com/a/@v/v1.0.0.mod").status, 200);
    let server = Elasticsearch::start_at(post.address, setup());
    let sums = post.settle();
    assert_eq!((sums.delivered, sums.dropped), (60, 0), "{sums:?}");
    assert_sound(&server, &post);
    assert_eq!(server.documents().len(), 60);
}

#[test]
fn what_waits_and_what_is_on_its_way_outlive_a_new_configuration() {
    let server = Elasticsearch::start(setup());
    let mut post = Post::to(server.addr(), json!({}));
    server.order([Order::Answer(503, ""), Order::Hang]);
    post.fail(50);
    server.await_requests(1);
    post.reconfigure(json!({"http": http(server.addr(), json!({"max_batch": 7}))}));
    post.fail(50);
    // And in the middle of a batch.
    server.await_requests(2);
    post.reconfigure(json!({"http": http(server.addr(), json!({"max_batch": 11}))}));
    post.fail(50);
    let sums = post.settle();
    assert_eq!(
        (sums.delivered, sums.dropped, sums.refused),
        (150, 0, 0),
        "{sums:?}"
    );
    assert_eq!(server.documents().len(), 150);
    assert_sound(&server, &post);
    assert_unharmed(&post.station.world.gateway, "new configurations");
}

pub fn what_finds_no_room_is_dropped_oldest_first_and_counted() {
    let address = SocketAddr::from(([127, 0, 0, 1], closed_port()));
    let mut post = Post::to(address, json!({"queue": "64KiB"}));
    post.fail(500);
    let gateway = &post.station.world.gateway;
    crate::world::eventually("something was dropped", || {
        let sums = Sums::of(gateway, "http");
        sums.dropped > 0 && sums.emitted == 500 && sums.hold()
    });
    let server = Elasticsearch::start_at(post.address, setup());
    let sums = post.settle();
    assert!(sums.dropped > 250, "{sums:?}");
    assert_eq!(server.documents().len() as u64, sums.delivered);
    let newest = server
        .documents()
        .values()
        .any(|document| document["module"]["name"] == "failed.example/m499");
    assert!(newest, "the newest are kept");
    assert_sound(&server, &post);
    // What is lost is said, and not only counted.
    post.await_log("events for the collector dropped: ");
}

#[test]
fn a_credential_comes_from_the_environment_and_is_shown_nowhere() {
    let server = Elasticsearch::start(Setup {
        authorization: Some("ApiKey k3y".to_owned()),
        ..setup()
    });
    let mut post = Post::to(
        server.addr(),
        json!({"authorization": "env:ES_AUTHORIZATION"}),
    );
    post.fail(5);
    assert_eq!(post.settle().delivered, 5);
    assert_eq!(server.documents().len(), 5);
    let gateway = &post.station.world.gateway;
    assert!(!gateway.log().contains("k3y") && !gateway.stdout().contains("k3y"));
}

#[test]
fn an_array_of_records_is_taken_whole_or_goes_again() {
    let server = FluentBit::start();
    let address = server.addr();
    let http = json!({"http": {
        "format": "json", "target": "collector", "authority": address.to_string(), "path": "/goproxy.events",
        "max_batch": 20, "max_age": "100ms", "timeout": "500ms",
    }});
    let station = Station::with(http, json!({}), |gateway, _| {
        gateway.cluster("collector", &format!("http://{address}"))
    });
    let mut post = Post {
        station,
        address,
        failed: 0,
    };
    server.refuse([500, 429]);
    post.fail(50);
    let sums = post.settle();
    assert_eq!((sums.delivered, sums.refused), (50, 0), "{sums:?}");
    let records = server.records();
    assert_eq!(records.len(), 50);
    for (tag, record) in &records {
        assert_eq!(tag, "goproxy.events");
        assert_valid(record);
    }
}
