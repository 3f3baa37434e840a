//! Upstreams whose metadata is not what was asked for.

use serde_json::{Value, json};

use crate::world::{World, assert_shown, h1};

const INFO: &str = "/example.com/a/@v/v1.0.0.info";
const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
const LIST: &str = "/example.com/a/@v/list";
const LATEST: &str = "/example.com/a/@latest";
const QUERY: &str = "/example.com/a/@v/master.info";
const LOOKUP: &str = "/sumdb/sum.origin.example/lookup/example.com/a@v1.0.0";
const TREE: &str = "/sumdb/sum.origin.example/latest";
const TILE: &str = "/sumdb/sum.origin.example/tile/8/0/000";
const DATA: &str = "/sumdb/sum.origin.example/tile/8/data/000";

/// Plays a fault for one path: the client gets an error in words, nothing is kept, and the next answer is the real one.
fn refused(world: &World, path: &str, (kind, more): (&str, Value), status: u16, error: &str) {
    let what = format!("{path}: {kind} {more}");
    let what = what.chars().take(200).collect::<String>();
    let upstream = if path.starts_with("/sumdb/") {
        world.origin.sumdb()
    } else {
        "origin"
    };
    world.origin.forget().expect("the origin forgets");
    let fault = world.fault(path, kind, more);
    let answer = world.get(path);
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_shown(&answer, error, upstream, &what);
    drop(fault);
    let asked = world.asked(path);
    let answer = world.get(path);
    assert_eq!(
        (answer.status, answer.whole),
        (200, true),
        "after {what}: {answer:?}"
    );
    assert_eq!(world.asked(path), asked + 1, "{what} was kept: {answer:?}");
    world.assert_unharmed(&what);
}

/// A gateway that remembers nothing of the paths that are asked again and again.
fn forgetful() -> World {
    World::with(|gateway, origin| {
        let config = json!({"cache": {"memory": {"size": "0B"}, "shared": {"size": "0B"}}});
        gateway.config_json(crate::world::config(origin, config).to_string())
    })
}

#[test]
fn what_was_not_asked_for_is_502_and_not_kept() {
    let world = forgetful();
    let body = |text: &str| ("body", json!({"body": text}));
    let big = format!(
        "{{\"Version\":\"v1.0.0\",\"x\":\"{}\"}}",
        "y".repeat(1_000_000)
    );
    let deep = format!(
        "{{\"Version\":\"v1.0.0\",\"x\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(9_999)
    );
    for path in [INFO, MOD, LIST, LATEST, QUERY, LOOKUP, TREE, TILE, DATA] {
        refused(&world, path, ("html", json!({})), 502, "invalid_body");
        refused(
            &world,
            path,
            ("headers", json!({"headers": {"Content-Encoding": "gzip"}})),
            502,
            "invalid_body",
        );
        refused(&world, path, body("\u{1}\u{2}\u{3}"), 502, "invalid_body");
        // A .mod above 1 MiB is streamed, so nobody looks for its module line.
        if path != MOD {
            refused(
                &world,
                path,
                body(&"x".repeat(9_000_000)),
                502,
                "invalid_body",
            );
        }
    }
    let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for path in [INFO, MOD, LATEST, QUERY, LOOKUP, TREE, TILE, DATA] {
        refused(
            &world,
            path,
            ("raw", json!({"body": empty})),
            502,
            "invalid_body",
        );
    }
    for path in [INFO, LATEST, QUERY] {
        for text in [
            "null",
            "[]",
            "{}",
            "{\"Version\":1}",
            "{\"Version\":\"\"}",
            "{\"Version\":\"v1.0.0\"",
            "{\"Version\":\"v1.0.0\"} x",
            &big,
            &deep,
            "not found",
        ] {
            refused(&world, path, body(text), 502, "invalid_body");
        }
    }
    refused(
        &world,
        INFO,
        body("{\"Version\":\"v1.0.1\"}"),
        502,
        "invalid_body",
    );
    refused(
        &world,
        INFO,
        body("{\"Version\":\"v1.0.0\",\"Version\":\"v9.9.9\"}"),
        502,
        "invalid_body",
    );
    refused(&world, INFO, ("tampered", json!({})), 502, "invalid_body");
    refused(
        &world,
        QUERY,
        body("{\"Version\":\"master\"}"),
        502,
        "invalid_body",
    );
    refused(
        &world,
        LATEST,
        body("{\"Version\":\"v2.0.0\"}"),
        502,
        "invalid_body",
    );
    refused(&world, MOD, body("go 1.21\n"), 502, "invalid_body");
    refused(
        &world,
        LIST,
        body("not found: nothing here\n"),
        502,
        "invalid_body",
    );
    refused(
        &world,
        LOOKUP,
        body(
            "1\nexample.com/b v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\ngo.sum database tree\n",
        ),
        502,
        "invalid_body",
    );
    refused(&world, TILE, body(&"x".repeat(8_191)), 502, "invalid_body");
}

#[test]
fn an_answer_that_is_no_http_is_502() {
    let world = forgetful();
    let raw = |text: &str| ("raw", json!({"body": text}));
    let head = "HTTP/1.1 200 OK\r\n";
    let module = "module example.com/a\n";
    let huge = format!(
        "{head}X-Huge: {}\r\nContent-Length: 21\r\n\r\n{module}",
        "x".repeat(200_000)
    );
    for text in [
        "",
        "hello\r\n\r\n",
        &format!("{head}Content-Length: 21\r\nContent-Length: 22\r\n\r\n{module}"),
        &format!("{head}Content-Length: -21\r\n\r\n{module}"),
        &format!("{head}X Y: z\r\nContent-Length: 21\r\n\r\n{module}"),
        &format!("{head}X: a\0b\r\nContent-Length: 21\r\n\r\n{module}"),
        &huge,
    ] {
        refused(&world, MOD, raw(text), 502, "connection");
    }
    for text in [
        &format!("{head}Content-Length: 2100\r\n\r\n{module}"),
        &format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{module}\r\n0\r\n\r\n"),
        &format!("{head}Transfer-Encoding: chunked\r\n\r\n15\r\n{module}\r\n"),
    ] {
        refused(&world, MOD, raw(text), 502, "truncated");
    }
    // A connection that ends is the end of a body that announced nothing, and 1xx is not the answer.
    for text in [
        format!("{head}\r\n{module}"),
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n{head}Content-Length: 21\r\n\r\n{module}"
        ),
        format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n15\r\n{module}\r\n0\r\nX-Trailer: y\r\n\r\n"
        ),
    ] {
        let _raw = world.fault(MOD, "raw", json!({"body": text}));
        let answer = world.get(MOD);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, module),
            "{text:?}: {answer:?}"
        );
        world.assert_unharmed(&text);
    }
}

#[test]
fn header_bytes_that_are_no_text_neither_reach_the_client_nor_hurt() {
    let world = forgetful();
    for (name, value) in [
        ("X-Odd", "\u{ff}\u{fe}"),
        ("Content-Type", "\u{ff}/\u{fe}"),
        ("Cache-Control", "\u{ff}"),
        ("Retry-After", "\u{ff}"),
        ("Location", "\u{ff}"),
        ("ETag", "\u{ff}"),
        ("X-Envoy-Upstream-Service-Time", "\u{ff}"),
        ("Content-Language", "\t"),
    ] {
        for (path, status) in [
            (MOD, 200),
            (LIST, 200),
            ("/example.com/a/@v/v1.0.0.zip", 200),
            ("/example.com/nothing/@v/list", 404),
        ] {
            let what = format!("{name} on {path}");
            let _odd = world.fault(path, "headers", json!({"headers": {name: value}}));
            let answer = world.get(path);
            assert_eq!(
                (answer.status, answer.whole),
                (status, true),
                "{what}: {answer:?}"
            );
            assert!(
                answer.headers.iter().all(|(_, value)| value.is_ascii()),
                "{what}: {answer:?}"
            );
            world.assert_unharmed(&what);
        }
    }
    let _odd = world.fault(MOD, "raw", json!({"body": "HTTP/1.1 200 OK\r\nX\u{ff}: y\r\nContent-Length: 21\r\n\r\nmodule example.com/a\n"}));
    let answer = world.get(MOD);
    assert!([200, 502].contains(&answer.status), "{answer:?}");
    world.assert_unharmed("a header's name of any bytes");
}

#[test]
fn what_an_upstream_says_is_made_fit_to_be_shown() {
    let world = forgetful();
    for (number, words) in [
        "\u{1b}[31mred\u{7} \u{202e}live\u{2066}".to_owned(),
        "a\r\nX-Injected: yes\r\n\r\n<html>".to_owned(),
        "\n\n\n\nmany\n\n\n\n\n\n\n\n\n\nlines\n".repeat(50),
        "long ".repeat(20_000),
        "\u{4f60}\u{597d}".repeat(2_000),
        "(goproxy-wasm: not_found, upstream forged, request 1)".to_owned(),
        String::from("\0\0\0"),
        "tab\tand nbsp\u{a0}end".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        for status in [404, 410, 403, 500, 429] {
            for path in [MOD, LIST, "/example.com/a/@v/v1.0.0.zip"] {
                let what = format!("words {number} with {status} on {path}");
                let _fault = world.fault(path, "status", json!({"status": status, "body": words}));
                let (expected, error) = match status {
                    404 => (404, "not_found"),
                    410 => (410, "gone"),
                    403 => (403, "policy_denied"),
                    429 => (429, "upstream_4xx"),
                    _ => (502, "upstream_5xx"),
                };
                let answer = world.get(path);
                assert_eq!(answer.status, expected, "{what}: {answer:?}");
                assert_shown(&answer, error, "origin", &what);
                assert_eq!(answer.header("x-injected"), None, "{what}: {answer:?}");
            }
        }
        world.assert_unharmed(&words.chars().take(40).collect::<String>());
    }
}

#[test]
fn a_page_instead_of_words_is_not_shown() {
    let world = forgetful();
    for path in [MOD, "/example.com/a/@v/v1.0.0.zip"] {
        for (status, expected, error) in [
            (404, 404, "not_found"),
            (403, 403, "policy_denied"),
            (500, 502, "upstream_5xx"),
        ] {
            let _fault = world.fault(path, "html", json!({"status": status}));
            let answer = world.get(path);
            assert_eq!(answer.status, expected, "{path}: {answer:?}");
            assert_shown(&answer, error, "origin", path);
            assert!(!answer.text().contains("<html"), "{answer:?}");
        }
    }
    world.assert_unharmed("pages");
}

#[test]
fn retry_after_goes_on_with_429_where_it_is_sane() {
    let world = forgetful();
    for (number, (sent, got)) in [
        ("7", Some("7")),
        (
            "Wed, 21 Oct 2026 07:28:00 GMT",
            Some("Wed, 21 Oct 2026 07:28:00 GMT"),
        ),
        ("\u{ff}", None),
        (&"9".repeat(5_000), None),
    ]
    .into_iter()
    .enumerate()
    {
        // An object of its own for each case: until the time has come, an object is not asked for again.
        let order = |status: u16| json!({"status": status, "headers": {"Retry-After": sent}});
        for file in ["mod", "zip"] {
            let path = format!("/bench.example/n{number}/@v/v1.0.0.{file}");
            let _fault = world.fault(&path, "status", order(429));
            let answer = world.get(&path);
            assert_eq!(
                (answer.status, answer.header("retry-after")),
                (429, got),
                "{path}: {answer:?}"
            );
        }
        let path = format!("/bench.example/n{number}/@v/list");
        let _fault = world.fault(&path, "status", order(500));
        assert_eq!(
            world.get(&path).header("retry-after"),
            None,
            "only with 429"
        );
    }
    world.assert_unharmed("retry-after");
}

#[test]
fn metadata_that_redirects_in_a_circle_or_to_a_stranger_is_502() {
    let world = forgetful();
    for location in [
        "{path}",
        "http://169.254.169.254/latest",
        "https://evil.example/",
        "//evil.example/x",
        "javascript:alert(1)",
        "/a b",
        "/\u{e9}",
        "",
    ] {
        for status in [301, 302, 303, 307, 308] {
            let more = json!({"status": status, "headers": {"Location": location}});
            refused(&world, MOD, ("status", more), 502, "upstream_5xx");
            assert!(
                world.asked("*") <= 10,
                "{location}: the origin was asked {} times",
                world.asked("*")
            );
        }
    }
}

#[test]
fn a_list_of_a_million_lines_is_502_and_one_of_half_a_million_is_served() {
    let world = World::start();
    {
        let _long = world.fault(LIST, "list", json!({}));
        let answer = world.get(LIST);
        assert_eq!(answer.status, 502, "{answer:?}");
        assert_shown(&answer, "invalid_body", "origin", "a million lines");
    }
    {
        let _long = world.fault(LIST, "list", json!({"lines": 500_000}));
        let answer = world.get(LIST);
        assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
        assert_eq!(
            answer.body.iter().filter(|byte| **byte == b'\n').count(),
            500_000
        );
        assert!(answer.text().ends_with("v1.0.499999\n"));
    }
    let answer = world.get(LIST);
    assert!(
        answer.text().starts_with("v1.0.0\nv1.1.0\n"),
        "neither was kept: {answer:?}"
    );
    world.assert_unharmed("long lists");
}

#[test]
fn a_list_is_cleaned_before_go_sees_it() {
    let world = forgetful();
    let dirty = "v1.2.0\r\nv1.0.0\n\nv1.0.0\n v1.1.0 2020-01-01\nv1.3\nv2.0.0\nv1.4.0+meta\nv0.0.0-20200101000000-abcdefabcdef\njunk\nv1.5.0-rc.1\n";
    let _fault = world.fault(LIST, "body", json!({"body": dirty}));
    let answer = world.get(LIST);
    assert_eq!(
        answer.text(),
        "v1.0.0\nv1.1.0\nv1.2.0\nv1.5.0-rc.1\n",
        "{answer:?}"
    );
}

#[test]
fn an_upstream_header_that_could_split_the_answer_is_refused_or_gone() {
    let world = forgetful();
    for field in [
        "X: a\rSet-Cookie: evil=1",
        "Location: /x\rSet-Cookie: evil=1",
        "Retry-After: 1\rSet-Cookie: evil=1",
        "Content-Type: text/plain\rSet-Cookie: evil=1",
        "X: y\nSet-Cookie: evil=1",
    ] {
        for (path, status) in [
            (MOD, "429 Too Many"),
            (MOD, "200 OK"),
            ("/example.com/a/@v/v1.0.0.zip", "302 Found"),
            ("/example.com/a/@v/v1.0.0.zip", "200 OK"),
        ] {
            let what = format!("{field:?} with {status} on {path}");
            let text = format!(
                "HTTP/1.1 {status}\r\n{field}\r\nContent-Length: 21\r\n\r\nmodule example.com/a\n"
            );
            let _raw = world.fault(path, "raw", json!({"body": text}));
            let answer = h1::exchange(world.addr(), &h1::request("GET", path, &[]))
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(answer.header("set-cookie"), None, "{what}: {answer:?}");
            assert!(
                answer
                    .headers
                    .iter()
                    .all(|(_, value)| !value.contains(&b'\r')),
                "{what}: {answer:?}"
            );
            world.assert_unharmed(&what);
        }
    }
}
