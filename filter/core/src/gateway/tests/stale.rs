//! Stale answers (DESIGN 4): while they are asked for anew, and while the upstreams fail.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const FIRST: &str = "v1.0.0\n";
const SECOND: &str = "v1.0.0\nv1.1.0\n";

/// A gateway that had a list some time ago.
fn aged(by: Duration) -> Rig {
    let mut rig = Rig::new(ONE);
    rig.fetch(LIST, 200, FIRST);
    rig.pass(by);
    rig
}

fn status_of(reply: &Reply) -> (&str, &str) {
    (field(reply, "cache-status"), field(reply, "age"))
}

#[test]
fn an_aging_answer_is_served_at_once_and_asked_for_anew_once() {
    let mut rig = aged(MINUTE);
    rig.no_callout();
    for _ in 0..3 {
        let reply = rig.reply(LIST);
        assert_eq!(seen(&reply), ok(FIRST));
        let told = ("goproxy-wasm; hit; ttl=0; detail=memory", "60");
        assert_eq!(status_of(&reply), told);
    }
    rig.answer(200, SECOND);
    rig.no_callout();
    assert!(rig.steps().is_empty(), "nobody waited");
    let reply = rig.reply(LIST);
    assert_eq!(seen(&reply), ok(SECOND));
    assert_eq!(
        status_of(&reply),
        ("goproxy-wasm; hit; ttl=60; detail=memory", "0")
    );
    let counters = rig.gateway.counters();
    assert_eq!(
        (counters.refreshes_total, counters.stale_served_total),
        (1, 3)
    );
}

#[test]
fn how_long_it_is_stale_is_told() {
    let mut rig = aged(MINUTE + Duration::from_secs(7));
    let told = ("goproxy-wasm; hit; ttl=-7; detail=memory", "67");
    assert_eq!(status_of(&rig.reply(LIST)), told);
}

#[test]
fn a_request_during_the_refresh_does_not_wait_for_it() {
    let mut rig = aged(MINUTE);
    rig.reply(LIST);
    let refresh = rig.callout();
    rig.pass(Duration::from_secs(20));
    assert_eq!(seen(&rig.reply(LIST)), ok(FIRST));
    rig.tell(&refresh, answer(200, SECOND));
    assert_eq!(seen(&rig.reply(LIST)), ok(SECOND));
}

#[test]
fn after_its_time_a_client_waits_for_the_upstream_that_works() {
    let mut rig = aged(6 * MINUTE);
    let id = rig.wait(LIST);
    rig.answer(200, SECOND);
    let steps = rig.steps();
    let [(answered, Step::Reply(reply))] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!((*answered, seen(reply)), (id, ok(SECOND)));
    let told = "goproxy-wasm; fwd=stale; fwd-status=200; stored";
    assert_eq!(field(reply, "cache-status"), told);
}

#[test]
fn an_outage_is_bridged_by_an_old_answer_and_a_refusal_is_not() {
    let old = |status: &str| {
        Some(format!(
            "goproxy-wasm; fwd=stale{status}; detail=stale-if-error"
        ))
    };
    for (outcome, expected, told) in [
        (answer(500, ""), 200, old("; fwd-status=500")),
        (answer(400, ""), 200, old("; fwd-status=400")),
        (answer(206, FIRST), 200, old("; fwd-status=206")),
        (answer(200, "<html>"), 200, old("; fwd-status=200")),
        (CalloutOutcome::Timeout, 200, old("")),
        (CalloutOutcome::UnknownTarget, 200, old("")),
        (answer(403, "no"), 403, None),
        (answer(451, "no"), 451, None),
        (answer(429, "no"), 429, None),
        (answer(401, "no"), 502, None),
        (answer(404, "gone"), 404, None),
    ] {
        let name = format!("{outcome:?}");
        let mut rig = aged(HOUR);
        rig.wait(LIST);
        rig.outcome(outcome);
        let steps = rig.steps();
        let [(_, Step::Reply(reply))] = steps.as_slice() else {
            panic!("{name}: {steps:?}")
        };
        assert_eq!(reply.status, expected, "{name}");
        if let Some(told) = told {
            assert_eq!(status_of(reply), (&*told, "3600"), "{name}");
            assert_eq!(seen(reply), ok(FIRST));
        }
    }
}

#[test]
fn a_refused_connection_is_tried_again_before_an_old_answer_is_served() {
    let mut rig = aged(HOUR);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Unreachable);
    rig.outcome(CalloutOutcome::Unreachable);
    rig.pass(Duration::from_millis(100));
    rig.outcome(CalloutOutcome::Unreachable);
    assert_eq!(rig.seen(), ok(FIRST));
}

#[test]
fn in_an_outage_only_the_first_client_waits() {
    let mut rig = aged(HOUR);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Timeout);
    assert_eq!(rig.seen(), ok(FIRST));
    assert_eq!(seen(&rig.reply(LIST)), ok(FIRST));
    rig.no_callout();
    rig.pass(Duration::from_secs(8));
    assert_eq!(
        seen(&rig.reply(LIST)),
        ok(FIRST),
        "served while it is asked for anew"
    );
    rig.outcome(CalloutOutcome::Timeout);
    assert_eq!(seen(&rig.reply(LIST)), ok(FIRST));
    rig.no_callout();
    rig.pass(Duration::from_secs(8));
    rig.reply(LIST);
    rig.answer(200, SECOND);
    assert_eq!(seen(&rig.reply(LIST)), ok(SECOND));
    assert_eq!(rig.gateway.counters().stale_served_total, 5);
}

#[test]
fn where_an_old_answer_will_do_nobody_waits_long_for_an_upstream_that_hangs() {
    let mut rig = aged(HOUR);
    let id = rig.wait(LIST);
    let callout = rig.callout();
    rig.pass(Duration::from_millis(4_900));
    assert!(rig.steps().is_empty());
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.seen(), ok(FIRST));
    assert_eq!(
        seen(&rig.reply(LIST)),
        ok(FIRST),
        "and the next does not wait at all"
    );
    rig.gateway.on_closed(id, End::Left, rig.now);
    // The flight goes on, and what it brings is kept.
    rig.tell(&callout, answer(200, SECOND));
    assert_eq!(seen(&rig.reply(LIST)), ok(SECOND));
}

#[test]
fn without_an_old_answer_a_client_waits() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    rig.callout();
    rig.pass(Duration::from_secs(29));
    assert!(rig.steps().is_empty());
}

#[test]
fn an_upstream_that_is_aside_is_not_waited_for_where_an_old_answer_will_do() {
    let config = ONE.replace(
        "\"timeout\": \"30s\"",
        "\"timeout\": \"30s\", \"max_fails\": 1",
    );
    let mut rig = Rig::new(&config);
    rig.fetch(LIST, 200, FIRST);
    rig.pass(HOUR);
    rig.wait("/example.com/b/@v/list");
    rig.outcome(CalloutOutcome::Timeout);
    assert_eq!(rig.seen().status, 504);
    rig.wait(LIST);
    rig.no_callout();
    assert_eq!(rig.seen(), ok(FIRST));
}

#[test]
fn an_old_answer_ends_in_time() {
    let mut rig = aged(24 * HOUR + MINUTE);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Timeout);
    assert_eq!(rig.seen().status, 504);
}

#[test]
fn what_never_changes_is_served_for_as_long_as_it_is_held() {
    let mut rig = Rig::new(ONE);
    rig.fetch(MOD, 200, "module example.com/a\n");
    rig.pass(800 * 24 * HOUR);
    assert_eq!(seen(&rig.reply(MOD)), ok("module example.com/a\n"));
    rig.outcome(CalloutOutcome::Timeout);
    assert_eq!(seen(&rig.reply(MOD)), ok("module example.com/a\n"));
}

#[test]
fn an_absence_is_never_served_stale() {
    let mut rig = Rig::new(ONE);
    rig.fetch(LIST, 404, "not here");
    rig.pass(MINUTE);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Timeout);
    assert_eq!(rig.seen().status, 504);
}

#[test]
fn who_asks_the_caches_only_gets_an_old_answer_and_no_upstream_is_asked() {
    for path in [LIST, "/cached-only/example.com/a/@v/list"] {
        let mut rig = aged(HOUR);
        let only = [("disable-module-fetch", "true")];
        let (_, step) = rig.ask_with("GET", path, if path == LIST { &only } else { &[] });
        let Step::Reply(reply) = step else {
            panic!("{step:?}")
        };
        assert_eq!(seen(&reply), ok(FIRST));
        rig.no_callout();
    }
}

#[test]
fn an_upstream_that_says_when_to_come_back_is_not_asked_before() {
    let mut rig = aged(HOUR);
    rig.wait(LIST);
    rig.outcome(answer_with(503, "", &[("retry-after", "20")]));
    assert_eq!(rig.seen(), ok(FIRST));
    rig.pass(Duration::from_secs(10));
    assert_eq!(seen(&rig.reply(LIST)), ok(FIRST));
    rig.no_callout();
    rig.pass(Duration::from_secs(11));
    rig.reply(LIST);
    rig.answer(200, SECOND);
    assert_eq!(seen(&rig.reply(LIST)), ok(SECOND));
}

#[test]
fn zero_turns_each_off() {
    let none =
        r#""cache": {"freshness": {"stale_while_revalidate": "0s", "stale_if_error": "0s"}, "#;
    let mut rig = Rig::new(&ONE.replace(r#""cache": {"#, none));
    rig.fetch(LIST, 200, FIRST);
    rig.pass(MINUTE);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Timeout);
    assert_eq!(rig.seen().status, 504);
}

#[test]
fn an_invalidated_answer_is_never_served_stale() {
    let mut rig = aged(HOUR);
    let rule = r#""cache": {"invalidate": [{"modules": ["example.com/a"], "before": "2023-11-14T22:30:00Z"}], "#;
    let mut next = Rig::in_store(&ONE.replace(r#""cache": {"#, rule), &rig.store);
    next.now = rig.now;
    rig.reply_is_held(LIST);
    next.wait(LIST);
    next.outcome(CalloutOutcome::Timeout);
    assert_eq!(next.seen().status, 504);
}

impl Rig {
    /// The old configuration would still serve it.
    fn reply_is_held(&mut self, path: &str) {
        let held = self
            .ask_with("GET", path, &[("disable-module-fetch", "true")])
            .1;
        assert!(
            matches!(held, Step::Reply(Reply { status: 200, .. })),
            "{held:?}"
        );
    }
}
