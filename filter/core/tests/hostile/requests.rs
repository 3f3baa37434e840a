//! What clients send: rows 1 to 21, 33 and 37.

use goproxy_core::{End, HeadStep, Method, RequestHead, Step, StreamId};

use crate::rig::{INFO, LIST, MOD, Rig, ZIP, answer, field};

/// Each path is refused with this status, costs no call, and nothing of it is repeated raw.
fn refused(status: u16, paths: &[&[u8]]) {
    let mut rig = Rig::new();
    for path in paths {
        let reply = rig.reply(path);
        let name = path.escape_ascii().to_string();
        assert_eq!(reply.status, status, "{name}");
        rig.no_callout(&name);
        let text = std::str::from_utf8(reply.body.as_bytes()).expect("text");
        assert!(text.len() <= 648, "{name}: {} bytes", text.len());
        let values = reply.fields.iter().map(|(_, value)| &**value);
        for text in values.chain(text.lines()) {
            assert!(
                text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{name}: {text:?}"
            );
        }
    }
}

/// Both are one object: what is fetched by the first is served for the second.
fn one_key(first: &str, body: &str, second: &str) {
    let mut rig = Rig::new();
    assert_eq!(rig.fetch(first, answer(200, body)).status, 200, "{first}");
    let hit = rig.reply(second);
    assert_eq!(hit.body.as_bytes(), body.as_bytes(), "{second}");
}

#[test]
fn row_01_both_spellings_of_an_upper_case_letter_are_one_key() {
    one_key(
        "/github.com/%21azure/x/@v/v1.0.0.mod",
        "module github.com/Azure/x\n",
        "/github.com/!azure/x/@v/v1.0.0.mod",
    );
}

#[test]
fn row_02_a_raw_upper_case_letter_is_not_found() {
    refused(
        404,
        &[
            b"/github.com/Azure/x/@v/list",
            b"/github.com/%41zure/x/@v/list",
        ],
    );
}

#[test]
fn row_03_an_escape_that_is_none_is_not_found() {
    refused(
        404,
        &[
            b"/a.b/!!a/@v/list",
            b"/a.b/!A/@v/list",
            b"/a.b/!1/@v/list",
            b"/a.b/a!/@v/list",
        ],
    );
}

#[test]
fn row_04_a_path_that_climbs_is_not_found() {
    refused(
        404,
        &[
            b"/a.b/../c/@v/list",
            b"/a.b/./c/@v/list",
            b"/a.b/%2e%2e/c/@v/list",
            b"/a.b/..;/c/@v/list",
            b"/a.b/c/@v/../list",
        ],
    );
}

#[test]
fn row_05_an_empty_element_is_not_found() {
    refused(
        404,
        &[b"/a.b//c/@v/list", b"//a.b/c/@v/list", b"/a.b/c//@v/list"],
    );
}

#[test]
fn row_06_a_slash_that_hides_is_refused() {
    refused(
        404,
        &[
            b"/a.b%2Fc/@v/list",
            b"/a.b%2fc/@v/list",
            b"/a.b%5Cc/@v/list",
        ],
    );
    refused(400, &[b"/a.b\\c/@v/list"]);
}

#[test]
fn row_07_control_bytes_are_400_and_repeated_nowhere() {
    refused(
        400,
        &[
            b"/a.b/c%00/@v/list",
            b"/a.b/c%0a/@v/list",
            b"/a.b/c%0d%0aset-cookie:x/@v/list",
            b"/a.b/c%7f/@v/list",
            b"/a.b/c\r\nx: y/@v/list",
            b"/a.b/\0/@v/list",
        ],
    );
}

#[test]
fn row_08_a_percent_that_encodes_nothing_is_400() {
    refused(
        400,
        &[
            b"/a.b/%zz/@v/list",
            b"/a.b/%/@v/list",
            b"/a.b/c/@v/list%",
            b"/a.b/%u0041/@v/list",
            b"/a.b/c/@v/list%2",
        ],
    );
}

#[test]
fn row_09_what_is_not_ascii_is_400() {
    refused(
        400,
        &[
            b"/a.b/%c0%af/@v/list",
            b"/a.b/%C3%A9/@v/list",
            b"/a.b/\xc3\xa9/@v/list",
            b"/a.b/\xff/@v/list",
        ],
    );
}

#[test]
fn row_10_what_is_encoded_twice_is_decoded_once() {
    refused(
        404,
        &[
            b"/github.com/%2521azure/@v/list",
            b"/a.b/%252e%252e/@v/list",
        ],
    );
}

#[test]
fn row_11_a_query_is_no_part_of_the_key_and_a_parameter_or_fragment_is_refused() {
    for query in ["?go-get=1", "?x=", "?", "?a?b"] {
        one_key(&format!("{INFO}{query}"), r#"{"Version":"v1.0.0"}"#, INFO);
    }
    refused(
        404,
        &[b"/example.com/a/@v/list;x=1", b"/example.com/a;x=1/@v/list"],
    );
    refused(400, &[b"/example.com/a/@v/list#f"]);
}

#[test]
fn row_12_a_path_with_a_part_missing_is_not_found() {
    refused(
        404,
        &[
            b"/@v/list",
            b"/@latest",
            b"/a.b/c/@v/.zip",
            b"/a.b/c/@v/v1.zip",
            b"/a.b/c/@v/v1.0.0.zip/",
            b"/a.b/c/@v/",
            b"//",
        ],
    );
}

#[test]
fn row_13_a_second_version_part_is_not_found() {
    refused(
        404,
        &[
            b"/a.b/c/@v/x/@v/list",
            b"/a.b/c/@v/@v/list",
            b"/a.b/c/@v/v1.0.0.mod/@v/list",
        ],
    );
}

#[test]
fn row_14_a_path_of_kilobytes_is_414() {
    for (name, path) in [
        (
            "a module of 10 kB",
            format!("/a.b/{}/@v/list", "a".repeat(10_000)),
        ),
        ("a path of 64 kB", format!("/{}", "a".repeat(65_536))),
        (
            "a thousand segments",
            format!("/a.b{}/@v/list", "/x".repeat(1_100)),
        ),
    ] {
        let mut rig = Rig::new();
        assert_eq!(rig.reply(&path).status, 414, "{name}");
        rig.no_callout(name);
    }
    // 300 segments fit into a path, so they are a module like any other.
    Rig::new().wait(&format!("/a.b{}/@v/list", "/x".repeat(300)));
}

#[test]
fn row_15_every_kind_of_version_has_its_class() {
    one_key(
        "/a.b/c/@v/v2.0.0+incompatible.mod",
        "module a.b/c\n",
        "/a.b/c/@v/v2.0.0%2Bincompatible.mod",
    );
    for (file, version, is_immutable) in [
        (
            "v1.0.1-0.20200101000000-abcdefabcdef.info",
            "v1.0.1-0.20200101000000-abcdefabcdef",
            true,
        ),
        ("v1.0.0.info", "v1.0.0", true),
        ("master.info", "v1.0.0", false),
        ("v1.info", "v1.2.0", false),
    ] {
        let body = format!("{{\"Version\":\"{version}\"}}");
        let reply = Rig::new().fetch(&format!("/a.b/c/@v/{file}"), answer(200, body));
        assert_eq!(
            field(&reply, "cache-control").contains("immutable"),
            is_immutable,
            "{file}"
        );
    }
    refused(
        404,
        &[b"/a.b/c/@v/release%2Fv1.info", b"/a.b/c/@v/release/v1.info"],
    );
}

#[test]
fn row_16_other_methods_are_405_and_a_body_is_400() {
    let mut rig = Rig::new();
    for method in ["CONNECT", "TRACE", "OPTIONS", "POST", "PUT", "get", ""] {
        let (_, step) = rig.ask_with(method, LIST.as_bytes(), &[("expect", "100-continue")]);
        assert!(
            matches!(&step, Step::Reply(reply) if reply.status == 405 && field(reply, "allow") == "GET, HEAD"),
            "{method}: {step:?}"
        );
    }
    let fields = [(&b":method"[..], &b"GET"[..]), (b":path", LIST.as_bytes())];
    let head = RequestHead {
        fields: &fields,
        end_of_stream: false,
    };
    let step = rig.gateway.begin(StreamId(99), &head, rig.now);
    assert!(
        matches!(&step, Step::Reply(reply) if reply.status == 400),
        "{step:?}"
    );
    rig.no_callout("a body");
}

#[test]
fn row_17_head_of_an_archive_keeps_nothing() {
    let mut rig = Rig::new();
    let (id, step) = rig.ask_with("HEAD", ZIP.as_bytes(), &[]);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    assert!(matches!(
        rig.head(id, 200, &[("content-length", "1000")]),
        HeadStep::Send { status: 200, .. }
    ));
    rig.gateway.on_closed(id, End::Left, rig.now);
    rig.forward(ZIP);
}

#[test]
fn row_18_a_part_is_never_kept_as_the_whole() {
    let mut rig = Rig::new();
    let range = [("range", "bytes=0-3,-5"), ("if-range", "\"x\"")];
    let (id, step) = rig.ask_with("GET", ZIP.as_bytes(), &range);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    let step = rig.head(id, 206, &[("content-range", "bytes 0-3/100")]);
    let status = match step {
        HeadStep::Send { status, .. } => status,
        HeadStep::Replace(reply) => reply.status,
        HeadStep::Pass => panic!("a 206 went on"),
    };
    assert_eq!(status, 502);
    // Metadata is asked whole, and a part of it is no answer.
    assert!(matches!(
        rig.ask_with("GET", MOD.as_bytes(), &range).1,
        Step::Wait
    ));
    let callout = rig.callout();
    assert!(
        callout
            .headers
            .iter()
            .all(|(name, _)| !name.contains("range")),
        "{callout:?}"
    );
    rig.tell(&callout, answer(206, "module example.com/a\n"));
    assert_eq!(rig.landed("206").status, 502);
    rig.wait(MOD);
}

#[test]
fn row_19_an_encoding_that_was_not_asked_for_is_refused_and_none_is_asked_for() {
    let mut rig = Rig::new();
    let (_, step) = rig.ask_with("GET", MOD.as_bytes(), &[("accept-encoding", "gzip, br")]);
    assert!(matches!(step, Step::Wait), "{step:?}");
    let callout = rig.callout();
    assert!(
        callout
            .headers
            .iter()
            .all(|(name, _)| *name != "accept-encoding"),
        "{callout:?}"
    );
    let gzip = crate::rig::answer_with(
        200,
        &[("content-encoding", "gzip")],
        "module example.com/a\n",
    );
    rig.tell(&callout, gzip);
    assert_eq!(rig.landed("gzip").status, 502);
    rig.wait(MOD);
}

#[test]
fn row_20_the_host_name_and_its_rivals_are_no_part_of_the_key() {
    let mut rig = Rig::new();
    rig.fetch(LIST, answer(200, "v1.0.0\n"));
    for more in [
        (":authority", "evil"),
        (":authority", "GW.example.:8080"),
        ("x-forwarded-host", "evil"),
        ("x-original-url", "/example.com/b/@v/list"),
        ("x-rewrite-url", "/example.com/b/@v/list"),
    ] {
        let (_, step) = rig.ask_with("GET", LIST.as_bytes(), &[more]);
        assert!(
            matches!(&step, Step::Reply(reply) if reply.body.as_bytes() == b"v1.0.0\n"),
            "{more:?}: {step:?}"
        );
    }
    // A host reads an absolute form and gives its path; what begins with no slash is none of ours.
    let (_, step) = rig.ask_with("GET", b"http://evil/example.com/a/@v/list", &[]);
    assert!(matches!(step, Step::Pass), "{step:?}");
}

#[test]
fn row_21_nothing_of_the_client_goes_upstream() {
    let mut rig = Rig::new();
    let secrets = [
        ("authorization", "Basic c2VjcmV0"),
        ("cookie", "secret=1"),
        ("x-forwarded-for", "10.0.0.1"),
    ];
    assert!(matches!(
        rig.ask_with("GET", LIST.as_bytes(), &secrets).1,
        Step::Wait
    ));
    let callout = rig.callout();
    assert_eq!(callout.method, Method::Get);
    for (name, value) in &callout.headers {
        assert!(
            matches!(*name, "user-agent" | "x-request-id" | "traceparent"),
            "{name}: {value}"
        );
    }
}

#[test]
fn row_33_a_toolchain_streams_and_is_not_copied() {
    let mut rig = Rig::new();
    let path = "/golang.org/toolchain/@v/v0.0.1-go1.99.0.linux-amd64.zip";
    let (id, _) = rig.forward(path);
    assert!(matches!(
        rig.head(id, 200, &[("content-length", "1000")]),
        HeadStep::Send { status: 200, .. }
    ));
    assert!(
        rig.gateway.wants_of_body(id) <= 4,
        "no more than tells a zip file from a page"
    );
}

#[test]
fn row_37_a_thousand_misses_of_one_key_are_one_call() {
    let mut rig = Rig::new();
    for _ in 0..1_000 {
        rig.wait(LIST);
    }
    let callout = rig.callout();
    rig.no_callout("a second one");
    rig.tell(&callout, answer(200, "v1.0.0\n"));
    let mut answered = std::collections::HashSet::new();
    while let Some((id, step)) = rig.gateway.next_step(rig.now) {
        assert!(matches!(step, Step::Reply(reply) if reply.status == 200));
        assert!(answered.insert(id), "{id:?} is answered twice");
    }
    assert_eq!(answered.len(), 1_000);
}
