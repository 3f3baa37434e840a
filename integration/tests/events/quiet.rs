//! What is no failure, and leaves no record.

use serde_json::json;

use crate::station::Station;
use crate::world::h1;

#[test]
fn that_a_path_is_no_module_is_only_counted() {
    let station = Station::start(json!({}));
    for path in [
        "/example.com/no/@v/list",
        "/example.com/no/@latest",
        "/example.com/no/@v/main.info",
        "/example.com/no/@v/v1.info",
        "/sumdb/other.example/supported",
        "/sumdb/other.example/latest",
        // What nobody's `go` asks for.
        "/example.com/Upper/@v/list",
        "/example.com/a/@v/v1.0.0.tar",
        "/favicon.ico",
        "/-/nothing",
    ] {
        let status = station.get(path).status;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    assert_eq!(station.settled(), [] as [serde_json::Value; 0]);
}

#[test]
fn a_version_that_was_found_at_another_path_failed_nowhere() {
    let station = Station::start(json!({}));
    // As `go get a.example/b/c/d/e@v1.1.0` asks, and the other way round.
    for path in [
        "/a.example/b/c/d/e/@v/v1.1.0.info",
        "/a.example/b/c/d/@v/v1.1.0.info",
        "/a.example/b/c/@v/v1.1.0.info",
        "/a.example/b/@v/v1.1.0.info",
        "/a.example/@v/v1.1.0.info",
    ] {
        station.get(path);
    }
    // Another version of it was not.
    station.get("/a.example/b/c/d/@v/v1.7.0.info");
    let records = station.settled();
    let told: Vec<_> = records
        .iter()
        .map(|record| (&record["module"]["name"], &record["module"]["version"]))
        .collect();
    assert_eq!(told, [(&json!("a.example/b/c/d"), &json!("v1.7.0"))]);
}

#[test]
fn who_wants_nothing_fetched_is_not_failed_by_what_is_not_there() {
    let station = Station::start(json!({}));
    assert_eq!(
        station
            .get("/cached-only/example.com/a/@v/v1.0.0.zip")
            .status,
        404
    );
    let header = [("disable-module-fetch", "true")];
    let answer = h1::get_with(
        station.world.addr(),
        "/example.com/a/@v/v1.0.0.mod",
        &header,
    );
    assert_eq!(answer.status, 404);
    assert_eq!(station.settled(), [] as [serde_json::Value; 0]);
}

#[test]
fn a_stale_answer_is_no_failure() {
    let cache = json!({"cache": {"freshness": {"mutable": "1s", "stale_while_revalidate": "0s"}}});
    let station = Station::with(json!({}), cache, |gateway, _| gateway);
    let list = "/example.com/a/@v/list";
    assert_eq!(station.get(list).status, 200);
    let fault = station.world.fault(list, "status", json!({"status": 503}));
    crate::world::eventually("it is stale", || {
        let answer = station.get(list);
        assert_eq!(answer.status, 200);
        answer
            .header("cache-status")
            .is_some_and(|status| status.contains("fwd=stale"))
    });
    drop(fault);
    assert_eq!(station.settled(), [] as [serde_json::Value; 0]);
}

#[test]
fn without_the_section_nothing_is_recorded_or_printed() {
    let station = crate::world::World::start();
    for path in [
        "/example.com/no/@v/v1.0.0.zip",
        "/example.com/no/@v/v1.0.0.mod",
    ] {
        assert_eq!(station.get(path).status, 404);
    }
    station.gateway.probe().expect("an answer");
    let gateway = station.gateway;
    let folder = gateway.folder().join("stdout");
    let kept = std::fs::File::open(folder).expect("its standard output");
    // What Envoy still held would come now.
    let _ = gateway.stop();
    assert_eq!(kept.metadata().expect("its size").len(), 0);
}
