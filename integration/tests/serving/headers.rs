//! Headers on both sides, to the last one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{World, h1};

const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
const ZIP: &str = "/example.com/a/@v/v1.0.0.zip";
const LARGE: &str = "/example.com/large/@v/v1.0.0.zip";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What a curious or careless client may send along.
const BAGGAGE: [(&str, &str); 22] = [
    ("Authorization", "Basic dTpw"),
    ("Proxy-Authorization", "Basic dTpw"),
    ("Cookie", "a=b"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip"),
    ("Accept-Language", "de"),
    ("Cache-Control", "no-cache"),
    ("Pragma", "no-cache"),
    ("Range", "bytes=0-1"),
    ("If-Modified-Since", "Wed, 21 Oct 2015 07:28:00 GMT"),
    ("Referer", "https://internal.example/"),
    ("User-Agent", "Go-http-client/1.1"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Original-Url", "/evil"),
    ("X-Envoy-Upstream-Rq-Timeout-Ms", "1"),
    ("X-Envoy-Max-Retries", "9"),
    ("X-Goproxy-Upstream", "nowhere"),
    ("X-Request-Id", "client-chosen-id"),
    ("Traceparent", TRACE),
    ("Tracestate", "a=b"),
    ("Via", "1.1 somebody"),
];

/// The headers of the last request for a path, names in lower case.
fn sent(world: &World, path: &str) -> (String, String, BTreeMap<String, String>) {
    let seen = world
        .origin
        .await_seen(path, 1)
        .expect("the origin answers");
    let last = seen
        .last()
        .unwrap_or_else(|| panic!("{path} was not asked"));
    let headers = last.all["headers"].as_object().expect("headers").iter();
    let text = |value: &Value| match value {
        Value::Array(values) => values
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(", "),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let headers = headers
        .map(|(name, value)| (name.to_lowercase(), text(value)))
        .collect();
    (
        last.method.clone(),
        last.all["host"].as_str().unwrap_or_default().to_owned(),
        headers,
    )
}

#[test]
fn an_upstream_is_sent_what_it_needs_and_nothing_of_the_client() {
    let world = World::start();
    let agent = concat!("goproxy-wasm/", env!("CARGO_PKG_VERSION"));
    let whole = [("user-agent", agent), ("traceparent", TRACE)];
    for path in [
        MOD,
        "/example.com/a/@v/list",
        "/example.com/a/@latest",
        "/example.com/a/@v/v1.0.0.info",
        ZIP,
        LARGE,
    ] {
        let answer = h1::get_with(world.addr(), path, &BAGGAGE);
        assert_eq!(
            (answer.status, answer.whole),
            (200, true),
            "{path}: {answer:?}"
        );
        let (method, host, mut headers) = sent(&world, path);
        // For a client that comes through a proxy Envoy makes an id of its own.
        assert_eq!(
            headers.remove("x-request-id").map(|id| id.len()),
            Some(36),
            "{path}"
        );
        assert_eq!(
            (method.as_str(), host),
            ("GET", world.origin.addr().to_string()),
            "{path}"
        );
        let expected = whole
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(headers, expected, "{path}");
    }
    let path = format!(
        "/sumdb/{}/lookup/example.com/a@v1.0.0",
        world.origin.sumdb()
    );
    assert_eq!(h1::get_with(world.addr(), &path, &BAGGAGE).status, 200);
    let (_, host, headers) = sent(&world, &path);
    assert_eq!(host, world.origin.addr().to_string());
    assert_eq!(headers.len(), 3, "{headers:?}");

    // A bare client: nothing but our own name, and the id that Envoy made.
    for path in [
        "/example.com/a/@v/v1.1.0.mod",
        "/example.com/a/@v/v1.1.0.zip",
    ] {
        assert_eq!(world.get(path).status, 200);
        let (_, _, headers) = sent(&world, path);
        let names: Vec<&str> = headers.keys().map(String::as_str).collect();
        assert_eq!(names, ["user-agent", "x-request-id"], "{path}: {headers:?}");
    }
    world.assert_unharmed("baggage");
}

#[test]
fn a_client_is_sent_what_it_needs_and_nothing_of_the_upstream() {
    let world = World::start();
    let chatty = json!({"headers": {
        "Set-Cookie": "a=b", "Clear-Site-Data": "*", "X-Accel-Redirect": "/etc/passwd", "Link": "</x>; rel=preload",
        "Strict-Transport-Security": "max-age=1", "Refresh": "0; url=/", "Server": "origin", "Via": "1.1 x",
        "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT", "Etag": "\"upstream\"", "Expires": "0", "Age": "99",
        "Vary": "*", "Alt-Svc": "h3=\":443\"", "X-Envoy-Immediate-Health-Check-Fail": "true", "Trailer": "X",
    }});
    let _chatty = world.fault("*", "headers", chatty);
    let callout = [
        "cache-control",
        "cache-status",
        "content-length",
        "content-type",
        "date",
        "etag",
    ];
    let hit = [
        "age",
        "cache-control",
        "cache-status",
        "content-length",
        "content-type",
        "date",
        "etag",
    ];
    let forward = [
        "cache-control",
        "cache-status",
        "content-length",
        "content-type",
        "date",
    ];
    for (path, first, second) in [
        (MOD, &callout[..], &hit[..]),
        ("/example.com/a/@v/list", &callout, &hit),
        ("/example.com/a/@latest", &callout, &hit),
        (ZIP, &forward, &hit),
        (LARGE, &forward, &forward),
        (
            "/example.com/nothing/@v/list",
            &[
                "cache-control",
                "cache-status",
                "content-length",
                "content-type",
                "date",
            ],
            &[
                "age",
                "cache-control",
                "cache-status",
                "content-length",
                "content-type",
                "date",
            ],
        ),
        (
            "/example.com/Upper/@v/list",
            &["cache-control", "content-length", "content-type", "date"],
            &["cache-control", "content-length", "content-type", "date"],
        ),
    ] {
        for (round, expected) in [("first", first), ("second", second)] {
            let answer = world.get(path);
            assert_eq!(answer.names(), expected, "{round} {path}: {answer:?}");
        }
    }
    world.assert_unharmed("a chatty upstream");
}

#[test]
fn what_is_cached_says_so_on_the_wire() {
    let world = World::start();
    for (path, freshness) in [
        (MOD, "public, max-age=31536000, immutable"),
        (ZIP, "public, max-age=31536000, immutable"),
        (
            "/example.com/a/@v/v1.0.0.info",
            "public, max-age=31536000, immutable",
        ),
        ("/example.com/a/@v/list", "public, max-age=60"),
        ("/example.com/a/@latest", "public, max-age=60"),
        ("/example.com/a/@v/master.info", "public, max-age=60"),
        ("/example.com/nothing/@v/list", "public, max-age=60"),
    ] {
        let miss = world.get(path);
        assert_eq!(
            miss.header("cache-control"),
            Some(freshness),
            "{path}: {miss:?}"
        );
        let status = miss.header("cache-status").unwrap_or_default();
        assert!(
            status.starts_with("goproxy-wasm; fwd=uri-miss; fwd-status="),
            "{path}: {miss:?}"
        );
        assert_eq!(miss.header("age"), None, "{path}");
        let hit = world.get(path);
        assert_eq!(
            hit.header("cache-control"),
            Some(freshness),
            "{path}: {hit:?}"
        );
        let status = hit.header("cache-status").unwrap_or_default();
        assert!(
            status.starts_with("goproxy-wasm; hit; ttl=") && status.ends_with("; detail=memory"),
            "{path}: {hit:?}"
        );
        let age: u64 = hit
            .header("age")
            .and_then(|age| age.parse().ok())
            .expect("an age");
        assert!(age < 20, "{path}: {age}");
        // The trailer of an error holds the request's own id.
        if hit.status == 200 {
            assert!(hit.body == miss.body, "{path}");
        }
        assert_eq!(world.asked(path), 1, "{path}");
    }
    let mut age = 0;
    crate::world::eventually("an entry is a second old", || {
        age = world
            .get(MOD)
            .header("age")
            .and_then(|age| age.parse().ok())
            .unwrap_or(0_u64);
        age >= 1
    });
    world.assert_unharmed("hits");
}

#[test]
fn a_client_that_has_it_is_told_304_and_no_other_is() {
    let world = World::start();
    for path in [MOD, "/example.com/a/@v/list", ZIP] {
        let _ = world.get(path);
        let whole = world.get(path);
        let etag = whole
            .header("etag")
            .unwrap_or_else(|| panic!("{path}: {whole:?}"))
            .to_owned();
        for (tags, status) in [
            (etag.clone(), 304),
            (format!("W/{etag}"), 304),
            (format!("\"x\", {etag}"), 304),
            ("*".to_owned(), 304),
            ("\"x\"".to_owned(), 200),
            (etag.trim_matches('"').to_owned(), 200),
        ] {
            let answer = h1::get_with(world.addr(), path, &[("If-None-Match", &tags)]);
            assert_eq!(answer.status, status, "{path}: {tags}: {answer:?}");
            assert_eq!(
                answer.header("etag"),
                Some(etag.as_str()),
                "{path}: {tags}: {answer:?}"
            );
            assert_eq!(answer.body.is_empty(), status == 304, "{path}: {tags}");
        }
        assert_eq!(world.asked(path), 1);
        // After a 304 the connection is in step.
        let mut client = h1::Connection::open(world.addr());
        client.ask(path, &[("If-None-Match", &etag)]);
        assert_eq!(client.answer(false).expect("an answer").status, 304);
        client.ask(path, &[]);
        assert!(client.answer(false).expect("an answer").body == whole.body);
    }
    world.assert_unharmed("304");
}

#[test]
fn head_tells_what_get_would() {
    let world = World::start();
    let path = "/example.com/a/@v/list";
    let head = h1::head(world.addr(), path);
    assert_eq!(
        world
            .origin
            .await_seen(path, 1)
            .expect("the origin answers")[0]
            .method,
        "GET",
        "metadata is fetched whole"
    );
    let get = world.get(path);
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-length"),
        Some(get.body.len().to_string().as_str()),
        "{head:?}"
    );
    assert_eq!(head.header("etag"), get.header("etag"));
    assert_eq!(world.asked(path), 1, "a HEAD fills the cache");

    let head = h1::head(world.addr(), ZIP);
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(
        world.origin.await_seen(ZIP, 1).expect("the origin answers")[0].method,
        "HEAD",
        "an archive is not fetched for its head"
    );
    let get = world.get(ZIP);
    assert_eq!(
        head.header("content-length"),
        Some(get.body.len().to_string().as_str())
    );
    assert_eq!(world.asked(ZIP), 2, "a HEAD fills no cache");
    let hit = h1::head(world.addr(), ZIP);
    assert_eq!(
        hit.header("content-length"),
        head.header("content-length"),
        "{hit:?}"
    );
    assert_eq!(world.asked(ZIP), 2, "{hit:?}");

    for path in [
        "/example.com/nothing/@v/list",
        "/example.com/nothing/@v/v1.0.0.zip",
        "/example.com/Upper/@v/list",
    ] {
        let mut client = h1::Connection::open(world.addr());
        client.send(&h1::request("HEAD", path, &[]));
        assert_eq!(
            client.answer(true).expect("an answer").status,
            404,
            "{path}"
        );
        client.ask(MOD, &[]);
        assert_eq!(
            client.answer(false).expect("an answer").status,
            200,
            "after HEAD {path}"
        );
    }
    world.assert_unharmed("HEAD");
}
