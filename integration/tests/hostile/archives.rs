//! Upstreams whose archives are not what was asked for.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::world::{World, assert_shown, config, h1};

const ZIP: &str = "/example.com/a/@v/v1.0.0.zip";
/// 1 MiB, more than is kept.
const LARGE: &str = "/example.com/large/@v/v1.0.0.zip";

/// After a fault: nothing of it was kept, and the real archive comes.
fn assert_recovers(world: &World, path: &str, what: &str) {
    let asked = world.asked(path);
    let answer = world.get(path);
    assert_eq!(
        (answer.status, answer.whole),
        (200, true),
        "after {what}: {answer:?}"
    );
    assert!(answer.body.starts_with(b"PK"), "after {what}: {answer:?}");
    assert!(world.asked(path) > asked, "{what} was kept: {answer:?}");
    world.assert_unharmed(what);
}

/// A gateway that keeps no archive, so that each case asks the origin.
fn forgetful() -> World {
    World::with(|gateway, origin| {
        let config = json!({"cache": {"memory": {"size": "0B"}, "shared": {"size": "0B"}}});
        gateway.config_json(crate::world::config(origin, config).to_string())
    })
}

#[test]
fn an_archive_that_ends_early_is_a_short_read_and_not_kept() {
    // With the memory cache, which must not take it.
    let world = World::start();
    for path in [ZIP, LARGE] {
        for (kind, more) in [
            ("truncate", json!({})),
            ("truncate", json!({"after": 1})),
            ("reset_body", json!({})),
        ] {
            let what = format!("{kind} {more} on {path}");
            world.origin.forget().expect("the origin forgets");
            let fault = world.fault(path, kind, more);
            let answer = h1::exchange(world.addr(), &h1::request("GET", path, &[]));
            assert!(
                answer
                    .as_ref()
                    .is_ok_and(|answer| answer.status == 200 && !answer.whole),
                "{what}: {answer:?}"
            );
            drop(fault);
            let asked = world.asked(path);
            // Once more with the same end, so that it would show if the first had been kept.
            let _fault = world.fault(path, "status", json!({"status": 403, "times": 1}));
            assert_eq!(world.get(path).status, 403, "{what} was kept");
            assert_eq!(world.asked(path), asked + 1, "{what}");
        }
        assert_recovers(&world, path, "short archives");
    }
    let chunks = |text: &str| json!({"body": format!("HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nTransfer-Encoding: chunked\r\n\r\n{text}")});
    let world = World::start();
    for text in [
        "4\r\nPK\u{3}\u{4}\r\n",
        "20\r\nPK\u{3}\u{4}and then",
        "4\r\nPK\u{3}\u{4}\r\n0",
        "4\r\nPK\u{3}\u{4}\r\nzz\r\n",
    ] {
        let fault = world.fault(ZIP, "raw", chunks(text));
        let answer = h1::exchange(world.addr(), &h1::request("GET", ZIP, &[]));
        assert!(
            answer
                .as_ref()
                .map_or(true, |answer| answer.status == 502 || !answer.whole),
            "{text:?}: {answer:?}"
        );
        drop(fault);
        let _fault = world.fault(ZIP, "status", json!({"status": 403, "times": 1}));
        assert_eq!(world.get(ZIP).status, 403, "{text:?} was kept");
    }
    assert_recovers(&world, ZIP, "chunks without an end");
}

#[test]
fn an_archive_that_is_no_zip_file_is_broken_off() {
    let world = World::start();
    let zip = json!({"Content-Type": "application/zip"});
    for (name, body) in [
        ("text", "this is no archive, whatever its type says"),
        ("one letter", "Pthis is no archive, whatever its type says"),
        (
            "a page",
            "<html><body>please log in, this is long enough</body></html>",
        ),
        (
            "gzip",
            "\u{1f}\u{8b}\u{8}this is no archive, whatever its type says",
        ),
    ] {
        for kind in ["body", "chunked", "drip"] {
            let what = format!("{name}, {kind}");
            let more = json!({"body": body, "headers": zip, "chunk": 1, "delay": "1ms"});
            let fault = world.fault(ZIP, kind, more);
            let answer = h1::exchange(world.addr(), &h1::request("GET", ZIP, &[]));
            // Whether the head was on its way already is a matter of time; a whole answer it never is.
            assert!(
                answer.as_ref().map_or(true, |answer| !answer.whole
                    && !answer.body.windows(4).any(|bytes| bytes == b"this")),
                "{what}: {answer:?}"
            );
            drop(fault);
            world.assert_unharmed(&what);
        }
    }
    assert_recovers(&world, ZIP, "no zip files");
}

#[test]
fn an_archive_with_the_wrong_head_is_502() {
    let world = forgetful();
    let head = |headers: Value| ("headers", json!({"headers": headers}));
    for path in [ZIP, LARGE] {
        for (kind, more) in [
            ("html", json!({})),
            head(json!({"Content-Type": "text/plain"})),
            head(json!({"Content-Type": "application/json"})),
            head(json!({"Content-Type": "TEXT/HTML; charset=utf-8"})),
            head(json!({"Content-Encoding": "gzip"})),
            head(json!({"Content-Encoding": "br"})),
            (
                "body",
                json!({"body": "PK", "headers": {"Content-Type": "application/zip"}}),
            ),
        ] {
            let what = format!("{kind} {more} on {path}");
            let fault = world.fault(path, kind, more);
            let answer = world.get(path);
            assert_eq!(answer.status, 502, "{what}: {answer:?}");
            assert_shown(&answer, "invalid_body", "origin", &what);
            let head = h1::head(world.addr(), path);
            assert_eq!(head.status, 502, "HEAD: {what}: {head:?}");
            drop(fault);
            assert_recovers(&world, path, &what);
        }
    }
    let empty = "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: 0\r\n\r\n";
    let unending =
        "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: 99999999999\r\n\r\nPK";
    for text in [empty, unending] {
        let fault = world.fault(ZIP, "raw", json!({"body": text}));
        let answer = world.get(ZIP);
        assert_eq!(answer.status, 502, "{text}: {answer:?}");
        assert_shown(&answer, "invalid_body", "origin", text);
        drop(fault);
        assert_recovers(&world, ZIP, text);
    }
}

#[test]
fn an_archive_that_redirects_takes_the_client_there_and_never_in_a_circle() {
    let world = forgetful();
    for (location, status, passed) in [
        (
            "https://bucket.example/x?Signature=a%2Fb",
            302,
            Some("https://bucket.example/x?Signature=a%2Fb"),
        ),
        (
            "http://bucket.example/x",
            307,
            Some("http://bucket.example/x"),
        ),
        ("{path}", 302, None),
        ("//evil.example/x", 302, None),
        ("javascript:alert(1)", 302, None),
        ("https://bucket.example/a b", 302, None),
        ("https://bucket.example/\u{e9}", 302, None),
        ("", 302, None),
    ] {
        for method in ["GET", "HEAD"] {
            let what = format!("{method}: {location:?}");
            let fault = world.fault(
                ZIP,
                "status",
                json!({"status": status, "headers": {"Location": location}}),
            );
            let mut client = h1::Connection::open(world.addr());
            client.send(&h1::request(method, ZIP, &[]));
            let answer = client
                .answer(method == "HEAD")
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(answer.header("location"), passed, "{what}: {answer:?}");
            if passed.is_some() {
                assert!([302, 307].contains(&answer.status), "{what}: {answer:?}");
                assert_eq!(
                    answer.header("cache-control"),
                    Some("no-store"),
                    "{what}: {answer:?}"
                );
            } else {
                assert_eq!(answer.status, 502, "{what}: {answer:?}");
                if method == "GET" {
                    assert_shown(&answer, "upstream_5xx", "origin", &what);
                }
            }
            drop(fault);
            assert_recovers(&world, ZIP, &what);
        }
    }
}

#[test]
fn an_archive_may_redirect_within_its_upstream() {
    let world = forgetful();
    let _fault = world.fault(
        ZIP,
        "redirect",
        json!({"location": "/example.com/a/@v/v1.1.0.zip"}),
    );
    let expected = world.get("/example.com/a/@v/v1.1.0.zip").body;
    for round in 0..3 {
        let mut answer = world.get(ZIP);
        if let Some(location) = answer.header("location") {
            answer = world.get(location);
        }
        assert_eq!(
            (answer.status, answer.whole),
            (200, true),
            "{round}: {answer:?}"
        );
        assert!(answer.body == expected, "{round}: {answer:?}");
    }
    world.assert_unharmed("redirects within the upstream");
}

#[test]
fn an_archive_without_a_length_is_served_and_kept() {
    let world = World::start();
    let fault = world.fault(ZIP, "chunked", json!({}));
    let first = world.get(ZIP);
    assert_eq!((first.status, first.whole), (200, true), "{first:?}");
    drop(fault);
    let second = world.get(ZIP);
    assert_eq!(first.body, second.body);
    assert_eq!(world.asked(ZIP), 1, "{second:?}");
    world.assert_unharmed("chunks");
}

#[test]
fn a_client_that_leaves_an_archive_half_way_leaves_nothing_behind() {
    let world = World::start();
    for path in [ZIP, LARGE, "/example.com/huge/@v/v1.0.0.zip"] {
        for _ in 0..5 {
            let slow = world.fault(path, "delay_body", json!({"delay": "20s"}));
            let mut client = h1::Connection::open(world.addr());
            client.ask(path, &[]);
            world.await_active(1);
            world.await_asked(path, 1);
            drop(client);
            world.await_active(0);
            drop(slow);
        }
        assert_recovers(&world, path, "clients that left");
    }
}

#[test]
fn an_upstream_that_accepts_and_says_nothing_is_given_up() {
    // A server that never reads: not even the end of the connection is seen by it.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("its address"));
    let world = World::with(|gateway, origin| {
        let upstreams = json!([
            {"name": "silent", "target": "silent", "authority": "silent.example", "timeout": "1s"},
            {"name": "origin", "target": "origin", "authority": origin.addr().to_string()},
        ]);
        let routes = json!([{"modules": ["bench.example"], "chain": ["origin"]}, {"modules": ["*"], "chain": ["silent"]}]);
        let config = config(origin, json!({"upstreams": upstreams, "routes": routes}));
        gateway
            .config_json(config.to_string())
            .cluster("silent", &url)
            .edit(|bootstrap| {
                bootstrap.route(0, "forwarded")?["route"]["idle_timeout"] = "1s".into();
                Ok(())
            })
    });
    for path in [
        "/example.com/a/@v/v1.0.0.mod",
        "/example.com/a/@v/list",
        ZIP,
    ] {
        let answer = world.get(path);
        assert_eq!(answer.status, 504, "{path}: {answer:?}");
        assert_shown(&answer, "timeout", "silent", path);
    }
    world.assert_unharmed("silence");
}
