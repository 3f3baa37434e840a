//! Requests that no `go` command sends.

use crate::world::{World, assert_shown, h1, h2};

const GOOD: &str = "/example.com/a/@v/v1.0.0.mod";

/// Sends the bytes, which must not reach the upstream; tells the first answer, `None` where the connection just ended.
fn send(world: &World, what: &str, bytes: &[u8]) -> Option<h1::Answer> {
    world.origin.forget().expect("the origin forgets");
    let answer = h1::exchange(world.addr(), bytes).ok();
    assert_eq!(
        world.asked("*"),
        0,
        "{what} reached the upstream: {answer:?}"
    );
    world.assert_unharmed(what);
    answer
}

#[test]
fn a_path_that_go_cannot_send_is_refused_in_words() {
    let world = World::start();
    let long = format!("/example.com/{}/@v/list", "a".repeat(20_000));
    let deep = format!("/example.com{}/@v/list", "/x".repeat(1_100));
    for (path, status, error) in [
        ("/example.com/Upper/@v/list", 404, "not_found"),
        ("/example.com/!!a/@v/list", 404, "not_found"),
        ("/example.com/!A/@v/list", 404, "not_found"),
        ("/example.com/!1/@v/list", 404, "not_found"),
        ("/example.com/a!/@v/list", 404, "not_found"),
        ("/example.com/../a/@v/list", 404, "not_found"),
        ("/example.com/./a/@v/list", 404, "not_found"),
        ("/example.com/%2e%2e/a/@v/list", 404, "not_found"),
        ("/example.com/..;/a/@v/list", 404, "not_found"),
        ("/example.com//a/@v/list", 404, "not_found"),
        ("//example.com/a/@v/list", 404, "not_found"),
        ("/example.com%2Fa/@v/list", 404, "not_found"),
        ("/example.com%5Ca/@v/list", 404, "not_found"),
        ("/example.com\\a/@v/list", 400, "bad_request"),
        ("/example.com/%2521upper/@v/list", 404, "not_found"),
        ("/example.com/a/@v/v1.0.0%00.info", 400, "bad_request"),
        ("/example.com/a%0a/@v/list", 400, "bad_request"),
        (
            "/example.com/a%0d%0aSet-Cookie:x/@v/list",
            400,
            "bad_request",
        ),
        ("/example.com/a%7f/@v/list", 400, "bad_request"),
        ("/example.com/a/@v/v1.0.0.info%zz", 400, "bad_request"),
        ("/example.com/a/@v/list%", 400, "bad_request"),
        ("/example.com/%u0041/@v/list", 400, "bad_request"),
        ("/example.com/%c0%af/@v/list", 400, "bad_request"),
        ("/example.com/%C3%A9/@v/list", 400, "bad_request"),
        ("/example.com/a;x=1/@v/list", 404, "not_found"),
        ("/@v/list", 404, "not_found"),
        ("/example.com/a/@v/.zip", 404, "not_found"),
        ("/example.com/a/@v/v1.zip", 404, "not_found"),
        ("/example.com/a/@v/v1.0.0.zip/", 404, "not_found"),
        ("/example.com/a/@v/x/@v/list", 404, "not_found"),
        ("/example.com/a/@v/release%2Fv1.info", 404, "not_found"),
        ("/sumdb/sum.origin.example/tile/8/0/0", 404, "not_found"),
        (
            "/sumdb/sum.origin.example/tile/8/0/000.p/0",
            404,
            "not_found",
        ),
        (
            "/sumdb/sum.origin.example/tile/8/0/000.p/256",
            404,
            "not_found",
        ),
        (
            "/sumdb/sum.origin.example/lookup/example.com/a",
            404,
            "not_found",
        ),
        ("/sumdb/evil.example/supported", 404, "not_found"),
        (
            "/sumdb/evil.example/lookup/example.com/a@v1.0.0",
            404,
            "not_found",
        ),
        ("/-/nothing", 404, "not_found"),
        ("//", 404, "not_found"),
        (&long, 414, "bad_request"),
        (&deep, 414, "bad_request"),
    ] {
        let name = &path[..path.len().min(80)];
        let answer = send(&world, name, &h1::request("GET", path, &[])).expect(name);
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_shown(&answer, error, "none", name);
    }
}

#[test]
fn bytes_that_are_no_text_in_a_path_are_400() {
    let world = World::start();
    for (name, path) in [
        ("a byte above 127", &b"/example.com/\xff/@v/list"[..]),
        ("UTF-8", "/example.com/\u{e9}/@v/list".as_bytes()),
        ("a control byte", b"/example.com/\x01/@v/list"),
        ("NUL", b"/example.com/\0/@v/list"),
        ("DEL", b"/example.com/\x7f/@v/list"),
        ("a tab", b"/example.com/a\tb/@v/list"),
    ] {
        let bytes = [b"GET ", path, b" HTTP/1.1\r\nHost: gateway.example\r\n\r\n"].concat();
        let answer = send(&world, name, &bytes).expect(name);
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
    }
    let huge = format!("/{}", "a".repeat(64 * 1024));
    let answer = send(&world, "64 KiB", &h1::request("GET", &huge, &[])).expect("an answer");
    assert_eq!(answer.status, 431, "{answer:?}");
}

#[test]
fn any_method_but_get_and_head_is_405() {
    let world = World::start();
    for method in [
        "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND",
    ] {
        for path in [
            GOOD,
            "/example.com/a/@v/v1.0.0.zip",
            "/nonsense",
            "/-/readyz",
        ] {
            let what = format!("{method} {path}");
            let request = h1::request(method, path, &[("Content-Length", "0")]);
            let answer = send(&world, &what, &request).expect(&what);
            assert_eq!(answer.status, 405, "{what}: {answer:?}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{what}");
            assert_shown(&answer, "bad_request", "none", &what);
        }
    }
    // What Envoy's parser does not know is its own affair, as long as it is an error.
    for method in ["FOO", "get", "G=T", "CONNECT", "PRI"] {
        if let Some(answer) = send(&world, method, &h1::request(method, GOOD, &[])) {
            assert!((400..500).contains(&answer.status), "{method}: {answer:?}");
        }
    }
}

#[test]
fn a_body_on_a_get_is_400_and_the_connection_stays_in_step() {
    let world = World::start();
    for (name, request) in [
        ("a length", &b"Content-Length: 5\r\n\r\nhello"[..]),
        (
            "chunks",
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "no chunk but the last",
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "trailers",
            b"Transfer-Encoding: chunked\r\n\r\n0\r\nx-a: b\r\n\r\n",
        ),
        (
            "an expectation",
            b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        ),
    ] {
        for path in [GOOD, "/example.com/a/@v/v1.0.0.zip"] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: gateway.example\r\n");
            let bytes = [head.as_bytes(), request].concat();
            let what = format!("{name} on {path}");
            let answer = send(&world, &what, &bytes).expect(&what);
            assert_eq!(answer.status, 400, "{what}: {answer:?}");
            assert_shown(&answer, "bad_request", "none", &what);
        }
    }
    // `Content-Length: 0` is no body.
    let answer = h1::get_with(world.addr(), GOOD, &[("Content-Length", "0")]);
    assert_eq!(answer.status, 200, "{answer:?}");

    let client = h2::Connection::open(world.addr());
    let get = [(":method", &b"GET"[..]), (":path", GOOD.as_bytes())];
    for body in ["hello".repeat(20_000), "h".to_owned(), String::new()] {
        let name = format!("{} bytes on HTTP/2", body.len());
        let answer = client.finish(client.send(&get, Some(body.into())));
        assert_eq!(answer.map(|answer| answer.status), Ok(400), "{name}");
        world.assert_unharmed(&name);
    }
    assert_eq!(
        client.finish(client.get(GOOD)).map(|answer| answer.status),
        Ok(200)
    );
}

fn value(name: impl AsRef<[u8]>, value: &[u8]) -> Vec<u8> {
    [name.as_ref(), b": ", value, b"\r\n"].concat()
}

#[test]
fn header_fields_of_any_bytes_are_survived() {
    let world = World::start();
    let missing = "/example.com/nothing/@v/v1.0.0.mod";
    let long = "x".repeat(20_000);
    let cases = [
        value("X-Odd", b"\xff\xfe"),
        value("User-Agent", b"\xff"),
        value("If-None-Match", b"\xff\xfe\""),
        value("If-None-Match", long.as_bytes()),
        value("X-Request-Id", b"\xff\xfe"),
        value("X-Request-Id", b") forged"),
        value("X-Request-Id", long.as_bytes()),
        value("Traceparent", b"\xff"),
        value("Traceparent", long.as_bytes()),
        value("Tracestate", b"\x80=\xff"),
        value("Disable-Module-Fetch", b"\xff"),
        value("Cookie", long.as_bytes()),
        value("Authorization", b"Basic \xff\xfe"),
        value("X-Forwarded-For", b"\xff, 1.2.3.4"),
        value("X-Forwarded-Proto", b"gopher"),
        value("X-Envoy-Original-Path", b"/evil"),
        value("Range", b"bytes=0-1"),
        value("Range", b"bytes=0-1,5-6,-3"),
        value("Accept-Encoding", b"gzip, br, zstd"),
    ];
    for field in cases {
        let what = field[..field.len().min(60)].escape_ascii().to_string();
        for (path, status) in [
            (GOOD, 200),
            ("/example.com/a/@v/v1.0.0.zip", 200),
            (missing, 404),
        ] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: gateway.example\r\n");
            let answer = h1::exchange(world.addr(), &[head.as_bytes(), &field, b"\r\n"].concat())
                .unwrap_or_else(|error| panic!("{what} on {path}: {error}"));
            assert_eq!(answer.status, status, "{what} on {path}: {answer:?}");
            assert!(
                answer.whole && answer.header("content-encoding").is_none(),
                "{what}: {answer:?}"
            );
            if status == 404 {
                assert_shown(&answer, "not_found", "origin", &what);
            }
        }
        world.assert_unharmed(&what);
    }
    for (field, status) in [
        (value("X-Long", "x".repeat(40_000).as_bytes()), 431),
        (
            (0..300)
                .flat_map(|number| value(format!("X-{number}"), b"y"))
                .collect(),
            431,
        ),
        (value("X-Nul", b"a\0b"), 400),
        (value("X-Request-Id", b"\x1b[31m"), 400),
        (value(b"X\xff", b"a"), 400),
        (value("X Y", b"a"), 400),
        (value("", b"a"), 400),
    ] {
        let what = field[..field.len().min(60)].escape_ascii().to_string();
        let head = format!("GET {GOOD} HTTP/1.1\r\nHost: gateway.example\r\n");
        let answer = h1::exchange(world.addr(), &[head.as_bytes(), &field, b"\r\n"].concat())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        world.assert_unharmed(&what);
    }
}

#[test]
fn header_fields_of_any_bytes_are_survived_on_http2_too() {
    let world = World::start();
    let client = h2::Connection::open(world.addr());
    for (name, value) in [
        ("x-odd", &b"\xff\xfe"[..]),
        ("user-agent", b"\xff"),
        ("if-none-match", b"\xff\xfe\""),
        ("x-request-id", b"\xff\xfe"),
        ("traceparent", b"\xff"),
        ("range", b"bytes=0-1"),
    ] {
        for path in [GOOD, "/example.com/a/@v/v1.0.0.zip"] {
            let fields = [(":path", path.as_bytes()), (name, value)];
            let answer = client.finish(client.send(&fields, None));
            assert_eq!(
                answer.map(|answer| answer.status),
                Ok(200),
                "{name} on {path}"
            );
        }
        world.assert_unharmed(name);
    }
}

#[test]
fn the_host_name_is_no_part_of_a_key_and_does_no_harm() {
    let world = World::start();
    assert_eq!(world.get(GOOD).status, 200);
    for host in [
        "evil.example",
        "gateway.example.",
        "GATEWAY:8080",
        "[::1]:80",
        "a,b",
        "a b",
        "",
        "\u{e9}",
        "a@b",
    ] {
        let answer = h1::get_with(world.addr(), GOOD, &[("Host", host)]);
        assert!([200, 400].contains(&answer.status), "{host:?}: {answer:?}");
        world.assert_unharmed(host);
    }
    let absolute = h1::exchange(
        world.addr(),
        &h1::request("GET", &format!("http://evil.example{GOOD}"), &[]),
    )
    .expect("an answer");
    assert_eq!(absolute.status, 200, "{absolute:?}");
    assert_eq!(world.asked(GOOD), 1, "one object, one key");
}
