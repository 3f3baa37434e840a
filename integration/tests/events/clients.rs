//! Real clients: `go` over http and https, and those who leave.

use goproxy_integration::go::GoHome;
use goproxy_integration::settings::Tls;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::station::Station;
use crate::world::h1;

/// A user of `go` behind a station.
struct User {
    home: GoHome,
    authority: Option<Authority>,
}

impl User {
    fn of(station: &Station, authority: Option<Authority>) -> Self {
        let home = GoHome::new()
            .expect("go is there")
            .proxy(station.world.gateway.url())
            .sumdb(station.world.origin.sumdb_key());
        Self { home, authority }
    }

    /// What it says to a command line that fails.
    fn fails(&self, line: &str) -> String {
        let folder = self.home.folder().join("work");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("go.mod"), "module m.example\n\ngo 1.24\n").expect("a module");
        let mut command = self.home.go(line.split(' ')).dir(&folder);
        if let Some(authority) = &self.authority {
            command = command.env("SSL_CERT_FILE", authority.ca());
        }
        let output = command.run().expect("go runs");
        assert!(!output.status.success(), "go {line}: {}", output.stderr);
        format!("{}{}", output.stdout, output.stderr)
    }
}

fn https() -> (Station, Authority) {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    let tls = Tls {
        certificate,
        key,
        client_ca: None,
    };
    let station = Station::with(json!({}), json!({}), |gateway, _| gateway.tls(tls));
    (station, authority)
}

#[test]
fn go_asks_twice_for_a_4xx_over_https_and_that_is_one_failure() {
    let (station, authority) = https();
    let user = User::of(&station, Some(authority));
    let said = user.fails("mod download example.com/a@v1.9.9");
    assert!(said.contains("404 Not Found"), "{said}");
    let record = station.await_module("example.com/a");
    let forbidden = station.world.fault(
        "/example.com/b/*",
        "status",
        json!({"status": 403, "body": "not for you\n"}),
    );
    user.fails("mod download example.com/b@v1.0.0");
    drop(forbidden);
    station.await_module("example.com/b");
    // Twice each, as the access log of any proxy shows.
    let records = station.records();
    assert_eq!(records.len(), 2, "{records:?}");
    for record in &records {
        assert_eq!(record["suppressed"], 0, "{record}");
        assert_eq!(record["module"]["kind"], "info", "{record}");
    }
    assert_eq!(
        (&record["error"]["code"], &record["module"]["version"]),
        (&json!("404"), &json!("v1.9.9"))
    );
    // What `go` shows is the second answer, with an id of its own.
    let id = record["request_id"].as_str().unwrap_or_default();
    let trailer = format!("(goproxy-wasm: not_found, upstream origin, request {id})");
    assert!(said.contains(&trailer), "{trailer}: {said}");
    let folded = crate::sums::ignored(&station.world.gateway, "second_request");
    assert!(folded >= 2, "{folded} second requests");
}

#[test]
fn go_that_fails_over_http_prints_the_id_of_the_record() {
    let station = Station::start(json!({}));
    let user = User::of(&station, None);
    let fault = station.world.fault(
        "/example.com/a/@v/v1.0.0.zip",
        "status",
        json!({"status": 500, "body": "disk full\n"}),
    );
    let said = user.fails("mod download example.com/a@v1.0.0");
    drop(fault);
    let record = station.await_module("example.com/a");
    assert_eq!(
        (
            &record["module"]["kind"],
            &record["error"]["code"],
            &record["error"]["message"]
        ),
        (&json!("zip"), &json!("500"), &json!("disk full")),
        "{record}"
    );
    let id = record["request_id"].as_str().unwrap_or_default();
    let trailer = format!("(goproxy-wasm: upstream_5xx, upstream origin, request {id})");
    assert!(said.contains(&trailer), "{trailer}: {said}");
}

#[test]
fn go_that_looks_for_a_package_records_nothing_but_what_it_does_not_find() {
    let station = Station::start(json!({}));
    let user = User::of(&station, None);
    let folder = user.home.folder().join("work");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("go.mod"), "module m.example\n\ngo 1.24\n").expect("a module");
    for package in ["a.example/b/c/d/e@v1.1.0", "a.example/b/c/d@latest"] {
        let output = user.home.go(["get", package]).dir(&folder).run();
        let output = output.expect("go runs");
        assert!(output.status.success(), "{package}: {}", output.stderr);
    }
    assert_eq!(station.settled(), [] as [Value; 0]);
    let looked = crate::sums::ignored(&station.world.gateway, "looked_around");
    let withdrawn = crate::sums::ignored(&station.world.gateway, "withdrawn");
    assert!(looked > 0 && withdrawn > 0, "{looked}, {withdrawn}");
}

/// One that leaves while its upstream is silent, and one that leaves in the middle of an archive.
fn leave(station: &Station) {
    let silent = station
        .world
        .fault("/example.com/a/@v/v1.0.0.mod", "hold", json!({}));
    let mut client = h1::Connection::open(station.world.addr());
    client.ask("/example.com/a/@v/v1.0.0.mod", &[]);
    station.world.await_asked("/example.com/a/@v/v1.0.0.mod", 1);
    drop(client);
    station.world.await_active(0);
    silent.release();

    let slow = json!({"after": 65536, "delay": "10s"});
    let slow = station
        .world
        .fault("/example.com/large/@v/v1.0.0.zip", "delay_body", slow);
    let mut client = h1::Connection::open(station.world.addr());
    client.ask("/example.com/large/@v/v1.0.0.zip", &[]);
    station
        .world
        .await_asked("/example.com/large/@v/v1.0.0.zip", 1);
    drop(client);
    station.world.await_active(0);
    drop(slow);
}

#[test]
fn who_leaves_early_has_not_failed() {
    let station = Station::start(json!({}));
    leave(&station);
    assert_eq!(station.settled(), [] as [Value; 0]);
    station.world.assert_unharmed("clients that left");
}

#[test]
fn who_leaves_early_has_failed_where_it_is_asked_for() {
    let station = Station::start(json!({"client_gone": true}));
    leave(&station);
    let records = station.settled();
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            assert_eq!(record["error"]["code"], "connection", "{record}");
            assert_eq!(record["error"]["type"], "connection", "{record}");
            (&record["module"]["name"], &record["module"]["kind"])
        })
        .collect();
    assert_eq!(
        told,
        [
            (&json!("example.com/a"), &json!("mod")),
            (&json!("example.com/large"), &json!("zip"))
        ]
    );
    station.world.assert_unharmed("clients that left");
}
