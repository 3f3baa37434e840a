//! Requests: whose they are, what is refused, what the cache gives.

use super::*;
use crate::testing::test;

#[test]
fn what_is_not_served_passes_untouched_and_uncounted() {
    let config = ONE.replacen(
        '{',
        r#"{"serve": {"hosts": ["gw"], "base_path": "/go"},"#,
        1,
    );
    let mut rig = Rig::new(&config);
    for (method, path) in [
        ("GET", "/"),
        ("POST", "/api"),
        ("GET", "/gopher"),
        ("GET", LIST),
    ] {
        assert!(
            matches!(rig.ask_with(method, path, &[]).1, Step::Pass),
            "{method} {path}"
        );
    }
    assert!(matches!(
        rig.ask_with("GET", "/go/nothing", &[(":authority", "x")]).1,
        Step::Reply(_)
    ));
    let minutes = rig.gateway.counters().requests.minutes(rig.now);
    assert!(matches!(minutes.as_slice(), [minute] if minute.requests == 1));
    rig.wait(&format!("/go{LIST}"));
    assert_eq!(rig.callout().path, format!("/base{LIST}"));
}

#[test]
fn any_method_but_get_and_head_is_405_with_the_two() {
    let mut rig = Rig::new(ONE);
    for method in [
        "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "",
    ] {
        let Step::Reply(reply) = rig.ask_with(method, LIST, &[]).1 else {
            panic!("{method}")
        };
        assert_eq!(
            (reply.status, field(&reply, "allow")),
            (405, "GET, HEAD"),
            "{method}"
        );
    }
}

#[test]
fn a_body_on_a_get_is_400() {
    let mut rig = Rig::new(ONE);
    let fields = [(&b":method"[..], &b"GET"[..]), (b":path", LIST.as_bytes())];
    let head = RequestHead {
        fields: &fields,
        end_of_stream: false,
    };
    let Step::Reply(reply) = rig.gateway.begin(StreamId(1), &head, rig.now) else {
        panic!()
    };
    assert_eq!(reply.status, 400);
}

#[test]
fn a_path_that_go_cannot_send_reaches_no_upstream() {
    let mut rig = Rig::new(ONE);
    for (path, status) in [
        ("/example.com/a/@v/v1.0.0%zz.info", 400),
        ("/example.com/a/@v/v1.0.0%00.info", 400),
        ("/example.com/Upper/@v/list", 404),
        ("/favicon.ico", 404),
        ("/-/nothing", 404),
    ] {
        assert_eq!(rig.reply(path).status, status, "{path}");
        rig.no_callout();
    }
    assert_eq!(
        rig.reply(&format!("/{}/@v/list", "a".repeat(9_000))).status,
        414
    );
}

#[test]
fn probes_are_answered_here() {
    let mut rig = Rig::new(ONE);
    assert_eq!(seen(&rig.reply("/-/healthz")), ok("ok\n"));
    assert_eq!(seen(&rig.reply("/-/readyz?verbose")), ok("ready\n"));
}

#[test]
fn a_configured_database_is_supported_and_any_other_is_404() {
    let mut rig = Rig::new(ONE);
    assert_eq!(seen(&rig.reply("/sumdb/sum.example/supported")), ok(""));
    for path in [
        "/sumdb/evil.example/supported",
        "/sumdb/evil.example/latest",
    ] {
        assert_eq!(rig.reply(path).status, 404, "{path}");
    }
    rig.no_callout();
}

#[test]
fn a_module_without_a_route_is_404_without_a_call() {
    let mut rig = Rig::new(&ONE.replace(r#""modules": ["*"]"#, r#""modules": ["git.example"]"#));
    assert_eq!(rig.reply(LIST).status, 404);
    rig.no_callout();
    rig.wait("/git.example/x/@v/list");
}

#[test]
fn every_spelling_of_one_object_is_one_entry() {
    let mut rig = Rig::new(ONE);
    rig.fetch(
        "/example.com/%21upper/@v/v2.0.0+incompatible.mod",
        200,
        "module example.com/Upper\n",
    );
    for path in [
        "/example.com/!upper/@v/v2.0.0+incompatible.mod",
        "/example.com/!upper/@v/v2.0.0%2Bincompatible.mod?x=1",
        "/example.com/%21upper/%40v/v2.0.0%2bincompatible.mod",
    ] {
        assert_eq!(rig.reply(path).status, 200, "{path}");
    }
}

#[test]
fn mutable_objects_are_asked_again_after_their_time_and_immutable_ones_are_not() {
    let mut rig = Rig::new(ONE);
    rig.fetch(LIST, 200, "v1.0.0\n");
    rig.fetch(MOD, 200, "module example.com/a\n");
    rig.pass(Duration::from_secs(59));
    assert_eq!(field(&rig.reply(LIST), "age"), "59");
    // What it is aging for is in the tests of stale answers.
    rig.pass(Duration::from_secs(301));
    assert_eq!(
        rig.fetch(LIST, 200, "v1.0.0\nv1.1.0\n"),
        ok("v1.0.0\nv1.1.0\n")
    );
    rig.pass(Duration::from_secs(300 * 86_400));
    assert_eq!(rig.reply(MOD).status, 200);
}

#[test]
fn a_404_is_remembered_for_a_minute_with_its_words() {
    let mut rig = Rig::new(ONE);
    let words = "not found: no such module\n";
    let expected = format!("{words}(goproxy-wasm: not_found, upstream public, request r1)\n");
    assert_eq!(
        rig.fetch(LIST, 404, words),
        Seen {
            status: 404,
            body: expected.clone()
        }
    );
    assert_eq!(
        seen(&rig.reply(LIST)),
        Seen {
            status: 404,
            body: expected
        }
    );
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.fetch(LIST, 200, "v1.0.0\n").status, 200);
}

#[test]
fn what_a_client_gets_of_an_upstreams_failure() {
    for (status, seen_status, error, words) in [
        (401, 502, "upstream_4xx", "unauthorized"),
        (403, 403, "policy_denied", "blocked by policy"),
        (451, 451, "policy_denied", "the lawyers"),
        (429, 429, "upstream_4xx", "slow down"),
        (418, 502, "upstream_4xx", "teapot"),
        (400, 502, "upstream_4xx", "bad"),
        (304, 502, "upstream_5xx", "unchanged"),
        (302, 502, "upstream_5xx", "elsewhere"),
        (500, 502, "upstream_5xx", "oops"),
    ] {
        let mut rig = Rig::new(ONE);
        let got = rig.fetch(INFO, status, words);
        let body = format!("{words}\n(goproxy-wasm: {error}, upstream public, request r1)\n");
        assert_eq!(
            got,
            Seen {
                status: seen_status,
                body
            },
            "{status}"
        );
        rig.wait(INFO);
    }
}

#[test]
fn a_200_that_is_not_the_object_is_502_and_not_kept() {
    for (path, body) in [
        (INFO, "<html>please log in</html>"),
        (INFO, r#"{"Version":"v9.9.9"}"#),
        (INFO, ""),
        (MOD, "<html>"),
        (MOD, ""),
        (LIST, "<html>"),
        ("/sumdb/sum.example/lookup/example.com/a@v1.0.0", ""),
        ("/sumdb/sum.example/tile/8/0/000", "short"),
    ] {
        let mut rig = Rig::new(ONE);
        let seen = rig.fetch(path, 200, body);
        assert_eq!(seen.status, 502, "{path} {body}");
        assert!(
            seen.body.contains("(goproxy-wasm: invalid_body, "),
            "{}",
            seen.body
        );
        rig.wait(path);
    }
}

#[test]
fn an_encoded_answer_that_was_not_asked_for_is_invalid() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    rig.outcome(answer_with(
        200,
        "v1.0.0\n",
        &[("content-encoding", "gzip")],
    ));
    assert_eq!(rig.seen().status, 502);
}

#[test]
fn an_upstream_that_forbids_storing_is_obeyed() {
    let mut rig = Rig::new(ONE);
    rig.wait(MOD);
    rig.outcome(answer_with(
        200,
        "module example.com/a\n",
        &[("cache-control", "private, max-age=60")],
    ));
    let steps = rig.steps();
    let Step::Reply(reply) = &steps[0].1 else {
        panic!()
    };
    assert_eq!(
        (reply.status, field(reply, "cache-control")),
        (200, "no-store")
    );
    rig.wait(MOD);
}

#[test]
fn who_asks_the_cache_only_is_told_404_and_nobody_is_asked() {
    let mut rig = Rig::new(ONE);
    let cached_only = format!("/cached-only{LIST}");
    let no_fetch = [("disable-module-fetch", "true")];
    assert_eq!(rig.reply(&cached_only).status, 404);
    let Step::Reply(reply) = rig.ask_with("GET", LIST, &no_fetch).1 else {
        panic!()
    };
    assert_eq!(reply.status, 404);
    rig.no_callout();
    rig.fetch(LIST, 200, "v1.0.0\n");
    assert_eq!(rig.reply(&cached_only).status, 200);
    let Step::Reply(reply) = rig.ask_with("GET", LIST, &no_fetch).1 else {
        panic!()
    };
    assert_eq!(reply.status, 200);
}

#[test]
fn head_of_metadata_is_answered_from_a_get_that_is_kept() {
    let mut rig = Rig::new(ONE);
    assert!(matches!(rig.ask_with("HEAD", LIST, &[]).1, Step::Wait));
    rig.answer(200, "v1.0.0\n");
    assert_eq!(rig.seen(), ok("v1.0.0\n"));
    assert_eq!(rig.reply(LIST).status, 200);
}

#[test]
fn what_was_stored_before_an_invalidation_is_a_miss() {
    let store = Rc::default();
    let mut before = Rig::in_store(ONE, &store);
    before.fetch(MOD, 200, "module example.com/a\n");
    before.fetch(
        "/example.com/b/@v/v1.0.0.mod",
        200,
        "module example.com/b\n",
    );
    let rule =
        r#""invalidate": [{"modules": ["example.com/a"], "before": "2023-11-14T22:13:21Z"}],"#;
    let mut after = Rig::in_store(
        &ONE.replace(r#""memory": {"#, &format!(r#"{rule} "memory": {{"#)),
        &store,
    );
    assert_eq!(after.reply("/example.com/b/@v/v1.0.0.mod").status, 200);
    after.wait(MOD);
    after.now = after.now.after(Duration::from_secs(2));
    after.answer(200, "module example.com/a\n");
    assert_eq!(after.steps().len(), 1);
    assert_eq!(after.reply(MOD).status, 200, "stored after the moment");
}

#[test]
fn what_goes_for_want_of_room_is_counted() {
    let mut rig = Rig::new(&ONE.replace("8MiB", "64KiB"));
    for number in 0..100 {
        let words = "x".repeat(2_000);
        let path = format!("/example.com/m{number}/@v/v1.0.0.mod");
        rig.fetch(
            &path,
            200,
            &format!("module example.com/m{number}\n// {words}\n"),
        );
    }
    let counts = rig.gateway.counters();
    assert_eq!(counts.stored_total, 100);
    assert!(
        (70..100).contains(&counts.evicted_total),
        "{}",
        counts.evicted_total
    );
    rig.wait("/example.com/m0/@v/v1.0.0.mod");
}
