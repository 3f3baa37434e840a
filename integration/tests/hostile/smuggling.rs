//! Messages whose end is told in two ways: the gateway and whoever stands behind it must see the same requests.

use crate::world::{World, h1};

/// Asked by whoever takes a body for a request.
const SMUGGLED: &str = "/example.com/a/@v/v1.2.0.mod";

#[test]
fn a_body_is_never_taken_for_a_request() {
    let world = World::start();
    let inner = format!("GET {SMUGGLED} HTTP/1.1\r\nHost: gateway.example\r\n\r\n");
    let length = inner.len();
    for (name, fields) in [
        ("a plain length", format!("Content-Length: {length}\r\n")),
        (
            "both, length first",
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        ),
        (
            "both, chunked first",
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        ),
        (
            "two lengths",
            format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
        ),
        (
            "a list of lengths",
            format!("Content-Length: 0, {length}\r\n"),
        ),
        ("a plus", format!("Content-Length: +{length}\r\n")),
        ("a minus", "Content-Length: -1\r\n".to_owned()),
        ("hexadecimal", format!("Content-Length: 0x{length:x}\r\n")),
        (
            "an overflow",
            "Content-Length: 18446744073709551616\r\n".to_owned(),
        ),
        (
            "a space before the colon",
            "Transfer-Encoding : chunked\r\n".to_owned(),
        ),
        (
            "an unknown coding",
            "Transfer-Encoding: xchunked\r\n".to_owned(),
        ),
        (
            "two codings",
            "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        ),
        (
            "a vertical tab",
            "Transfer-Encoding: \x0bchunked\r\n".to_owned(),
        ),
        (
            "a folded line",
            "X: y\r\n Transfer-Encoding: chunked\r\n".to_owned()
                + &format!("Content-Length: {length}\r\n"),
        ),
        (
            "a bare CR",
            format!("X: y\rContent-Length: {length}\r\nContent-Length: {length}\r\n"),
        ),
    ] {
        for path in [
            "/example.com/a/@v/v1.0.0.mod",
            "/example.com/a/@v/v1.0.0.zip",
        ] {
            let what = format!("{name} on {path}");
            world.origin.forget().expect("the origin forgets");
            let head = format!("GET {path} HTTP/1.1\r\nHost: gateway.example\r\n{fields}\r\n");
            let mut client = h1::Connection::open(world.addr());
            client.send(&[head.as_bytes(), inner.as_bytes()].concat());
            let first = client.answer(false).ok();
            let status = first.as_ref().map(|answer| answer.status);
            assert!(
                matches!(status, None | Some(400 | 411 | 501)),
                "{what}: {first:?}"
            );
            assert_eq!(
                world.asked("*"),
                0,
                "{what}: the upstream was asked; {first:?}"
            );
            world.assert_unharmed(&what);
        }
    }
}

#[test]
fn requests_in_a_row_on_one_connection_are_answered_in_order() {
    let world = World::start();
    let mut client = h1::Connection::open(world.addr());
    let paths = [
        ("/example.com/a/@v/v1.0.0.mod", 200),
        ("/example.com/a/@v/v1.0.0.zip", 200),
        ("/example.com/Upper/@v/list", 404),
        ("/example.com/a/@v/v1.1.0.mod", 200),
        ("/example.com/nothing/@v/v1.0.0.mod", 404),
        ("/example.com/nothing/@v/v1.0.0.zip", 404),
        ("/example.com/large/@v/v1.0.0.zip", 200),
        ("/example.com/a/@v/v1.2.0.mod", 200),
    ];
    // One after the other: of more than two requests sent at once, Envoy answers two if it answers them itself, and
    // closes the connection, with a filter or without.
    for (path, status) in paths {
        client.ask(path, &[]);
        let answer = client
            .answer(false)
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(
            (answer.status, answer.whole),
            (status, true),
            "{path}: {answer:?}"
        );
    }
    world.assert_unharmed("requests in a row");
}

#[test]
fn lines_that_end_in_lf_only_split_no_request() {
    let world = World::start();
    let bytes = format!(
        "GET /example.com/a/@v/v1.0.0.mod HTTP/1.1\nHost: a\nContent-Length: 60\n\nGET {SMUGGLED} HTTP/1.1\r\nHost: a\r\n\r\n"
    );
    let answer = h1::exchange(world.addr(), bytes.as_bytes()).ok();
    assert!(
        answer.as_ref().is_none_or(|answer| answer.status == 400),
        "{answer:?}"
    );
    assert_eq!(world.asked("*"), 0);
    world.assert_unharmed("LF");
}
