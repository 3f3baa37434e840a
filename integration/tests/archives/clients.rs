//! Many clients at once, clients that leave, and clients that would choose what is kept.

use std::net::SocketAddr;

use serde_json::json;

use crate::bytes::{LARGE, archive};
use crate::client::{Download, Fetched, fetch, fetch_with};
use crate::depot::{Depot, before};
use crate::source::{Plan, Source};
use crate::world::{assert_unharmed, eventually};

/// So many clients at the same time.
fn herd(address: SocketAddr, path: &str, clients: usize) -> Vec<Fetched> {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..clients)
            .map(|_| scope.spawn(|| fetch(address, path)))
            .collect();
        all.into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    })
}

#[test]
fn an_archive_of_70_mb_is_fetched_once_and_then_comes_from_the_disk() {
    let depot = Depot::start();
    let path = archive(LARGE, "once");
    let cold = depot.get(&path);
    cold.is_archive(&path);
    cold.is_miss();
    let warm = depot.get(&path);
    warm.is_archive(&path);
    warm.is_hit();
    assert_eq!(depot.source.gets("once"), 1);
    eventually("both are counted", || {
        let counts = depot
            .gateway
            .stats("goproxy_cache_operations_total.tier.disk")
            .unwrap();
        let count = |name: &str| {
            let ends = |(key, _): &(&String, &u64)| key.ends_with(name);
            counts.iter().find(ends).map(|(_, count)| *count)
        };
        (count(".miss"), count(".hit")) == (Some(1), Some(1))
    });
    assert_unharmed(&depot.gateway, "70 MB");
}

#[test]
fn twenty_clients_at_once_cost_one_request_of_the_upstream() {
    for workers in [1, 2] {
        let depot = Depot::with(|gateway| gateway.workers(workers));
        let path = archive(LARGE, "herd");
        for fetched in herd(depot.addr(), &path, 20) {
            fetched.is_archive(&path);
        }
        assert_eq!(depot.source.gets("herd"), 1, "{workers} workers");
        assert_unharmed(&depot.gateway, "20 clients");
    }
}

#[test]
fn clients_that_leave_at_10_mb_take_nothing_from_those_that_follow() {
    let depot = Depot::start();
    let path = archive(LARGE, "left");
    depot.source.plan("left", Plan::Hold(12 << 20));
    let mut first = Download::start(depot.addr(), "GET", &path, &[]).unwrap();
    first.read_to(10 << 20);
    std::thread::scope(|scope| {
        let followers: Vec<_> = (0..4).map(|_| scope.spawn(|| depot.get(&path))).collect();
        eventually("all are there", || {
            let active = depot.gateway.stat("cluster.archives.upstream_rq_active");
            active.unwrap() == Some(5)
        });
        drop(first);
        depot.source.open_gates();
        for follower in followers {
            follower.join().unwrap().is_archive(&path);
        }
    });
    // It is on the disk: one more leaves in the middle, and the next is served.
    let mut second = Download::start(depot.addr(), "GET", &path, &[]).unwrap();
    second.read_to(10 << 20);
    drop(second);
    let warm = depot.get(&path);
    warm.is_archive(&path);
    warm.is_hit();
    assert_eq!(depot.source.gets("left"), 1);
    assert_unharmed(&depot.gateway, "clients that left");
}

#[test]
fn a_client_chooses_neither_key_nor_upstream_nor_what_is_kept() {
    let (public, secret) = (Source::start(), Source::start());
    let folder = tempfile::tempdir().unwrap();
    let gateway = before(&[("up", &public)], json!({"serve": {"base_path": "/go"}}))
        .cluster("secret", &secret.url())
        .archives(folder.path())
        .start()
        .unwrap();
    let (path, other) = (archive(10_240, "mine"), archive(10_240, "theirs"));
    let key = format!("v1/goproxy/public{other}");
    let evil = [
        ("x-goproxy-upstream", "archives"),
        ("X-Goproxy-Cache-Key", key.as_str()),
        ("x-goproxy-origin", "secret"),
        ("x-goproxy-refresh", "1"),
        ("x-goproxy-disk", "failed"),
        ("range", "bytes=0-99"),
        ("if-none-match", "*"),
        ("cache-control", "no-store"),
        ("authorization", "Bearer secret"),
        ("cookie", "a=b"),
    ];
    let address = gateway.addr();
    for expected_hit in [false, true] {
        let fetched = fetch_with(address, &format!("/go{path}"), &evil);
        fetched.is_archive(&path);
        assert_eq!(fetched.header("cache-status").contains("hit"), expected_hit);
    }
    // Under the key that the client wished for, there is nothing.
    let fetched = fetch(address, &format!("/go{other}"));
    fetched.is_archive(&other);
    fetched.is_miss();
    // What is not the gateway's reaches no cluster either.
    let passed = fetch_with(address, &path, &evil);
    assert_eq!(
        (passed.status, passed.text.as_str()),
        (404, "not a path of this gateway\n")
    );
    assert!(secret.seen("").is_empty());
    let allowed = ["host", "user-agent", "x-request-id", "traceparent"];
    for seen in public.seen("") {
        let mut names = seen.headers.iter().map(|(name, _)| name.as_str());
        let odd = names.find(|name| !allowed.contains(name));
        assert_eq!(odd, None, "{seen:?}");
        assert!(
            seen.headers
                .contains(&("host".to_owned(), public.addr().to_string()))
        );
    }
}
