//! What is kept: through an outage, a restart, an invalidation; and nothing for who asks the caches only.

use goproxy_integration::http;
use serde_json::json;

use crate::bytes::{LARGE, archive};
use crate::client::{Download, fetch};
use crate::depot::{Depot, before};
use crate::source::Source;
use crate::world::assert_unharmed;

#[test]
fn an_outage_of_the_upstream_is_not_noticed_for_what_is_on_the_disk() {
    let depot = Depot::start();
    let paths = [archive(LARGE, "warm"), archive(10_240, "warm")];
    for path in &paths {
        depot.get(path).is_archive(path);
    }
    depot.source.stop();
    for path in &paths {
        let warm = depot.get(path);
        warm.is_archive(path);
        warm.is_hit();
    }
    let cold = depot.get(&archive(10_240, "cold"));
    assert_eq!(cold.status, 502, "{cold:?}");
    assert!(
        cold.text.starts_with("the upstream cannot be reached\n"),
        "{cold:?}"
    );
    assert!(
        cold.text
            .contains("(goproxy-wasm: connection, upstream up, request "),
        "{cold:?}"
    );
    assert_unharmed(&depot.gateway, "an outage");
}

#[test]
fn what_is_on_the_disk_is_there_after_a_restart() {
    let source = Source::start();
    let folder = tempfile::tempdir().unwrap();
    let path = archive(LARGE, "kept");
    let start = || {
        before(&[("up", &source)], json!({}))
            .archives(folder.path())
            .start()
            .unwrap()
    };
    let first = start();
    fetch(first.addr(), &path).is_archive(&path);
    assert!(first.stop().success());
    let second = start();
    // nginx reads its folder in the background; what it has not come to yet it finds when it is asked.
    let warm = fetch(second.addr(), &path);
    warm.is_archive(&path);
    warm.is_hit();
    // Killed, and not asked to end.
    drop(second);
    let third = start();
    fetch(third.addr(), &path).is_archive(&path);
    assert_eq!(source.gets("kept"), 1);
}

#[test]
fn two_gateways_do_not_share_a_folder() {
    let depot = Depot::start();
    let second = before(&[("up", &depot.source)], json!({}))
        .archives(depot.folder.path())
        .start();
    let refused = second.unwrap_err().to_string();
    assert!(refused.contains("another gateway has it"), "{refused}");
}

#[test]
fn head_brings_nothing_and_is_answered_from_what_is_there() {
    let depot = Depot::start();
    let path = archive(10_240, "head");
    let head = || {
        let answer = Download::start(depot.addr(), "HEAD", &path, &[])
            .unwrap()
            .finish();
        assert_eq!(
            (answer.status, answer.header("content-length")),
            (200, "10240")
        );
        answer
    };
    head().is_miss();
    assert_eq!((depot.source.gets(""), depot.kept()), (0, 0));
    depot.get(&path).is_archive(&path);
    head().is_hit();
    depot.get(&path).is_hit();
    assert_eq!(depot.source.seen("head").len(), 2);
}

#[test]
fn who_asks_the_caches_only_gets_what_is_on_the_disk_and_causes_no_request() {
    let depot = Depot::start();
    let (warm, cold) = (archive(10_240, "warm"), archive(10_240, "cold"));
    depot.get(&warm).is_archive(&warm);
    let found = depot.get(&format!("/cached-only{warm}"));
    assert_eq!(found.status, 200, "{found:?}");
    found.is_hit();
    let absent = depot.get(&format!("/cached-only{cold}"));
    assert_eq!(absent.status, 404, "{absent:?}");
    assert!(
        absent.text.contains("only the cache was asked"),
        "{absent:?}"
    );
    assert!(depot.source.seen("cold").is_empty());
    // Without nginx it is the same 404, and still nobody is asked.
    depot.nginx().stop();
    assert_eq!(depot.get(&format!("/cached-only{warm}")).status, 404);
    assert_eq!(depot.source.seen("").len(), 1);
}

#[test]
fn what_is_invalidated_is_fetched_anew_and_kept_again() {
    let source = Source::start();
    let folder = tempfile::tempdir().unwrap();
    let config = |invalidate: serde_json::Value| {
        let cache = json!({"memory": {"size": "0B"}, "disk": {"target": "archives"}, "invalidate": invalidate});
        json!({
            "upstreams": [{"name": "up", "target": "up", "authority": source.addr().to_string()}],
            "routes": [{"modules": ["*"], "chain": ["up"]}],
            "cache": cache,
        })
    };
    let gateway = before(&[("up", &source)], config(json!([]))).archives(folder.path());
    let gateway = gateway.start().unwrap();
    let path = archive(10_240, "bad");
    fetch(gateway.addr(), &path).is_miss();
    let rule = json!([{"modules": ["example.com"], "before": "2020-01-01T00:00:00Z"}]);
    gateway.reconfigure(&config(rule).to_string()).unwrap();
    fetch(gateway.addr(), &path).is_miss();
    fetch(gateway.addr(), &path).is_hit();
    assert_eq!(source.gets("bad"), 2);
    assert_eq!(http::get(gateway.addr(), "/-/readyz").unwrap().status, 200);
}
