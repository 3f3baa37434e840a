//! Passive health and `Retry-After`, as a gateway keeps them.

use super::*;
use crate::testing::test;

/// `a` and `b`, with `joint` between them.
fn chain(joint: &str) -> Rig {
    let second = if joint == "," {
        r#""b""#
    } else {
        r#"{"on": "any_error", "to": "b"}"#
    };
    Rig::new(&format!(
        r#"{{"upstreams": [{{"name": "a", "target": "a", "authority": "a", "max_fails": 3, "fail_timeout": "8s"}},
                          {{"name": "b", "target": "b", "authority": "b"}}],
            "routes": [{{"modules": ["*"], "chain": ["a", {second}]}}]}}"#
    ))
}

fn list(number: usize) -> String {
    format!("/example.com/m{number}/@v/list")
}

/// `a` does not answer for three modules.
fn put_aside(rig: &mut Rig) {
    for number in 0..3 {
        rig.wait(&list(number));
        assert_eq!(&*rig.outcome(CalloutOutcome::Timeout).target, "a");
        while rig.gateway.has_work() && rig.steps().is_empty() {
            rig.answer(200, "");
        }
    }
}

#[test]
fn after_three_failures_of_different_modules_the_next_one_is_asked_at_once() {
    let mut rig = chain("|");
    put_aside(&mut rig);
    rig.wait(LIST);
    assert_eq!(&*rig.answer(200, "v1.0.0\n").target, "b");
    assert_eq!(rig.seen(), ok("v1.0.0\n"));
    rig.pass(Duration::from_secs(8));
    rig.wait("/example.com/later/@v/list");
    assert_eq!(&*rig.answer(200, "").target, "a");
}

#[test]
fn behind_a_comma_an_upstream_that_is_aside_is_an_outage_and_no_404() {
    let mut rig = chain(",");
    put_aside(&mut rig);
    let (_, step) = rig.ask(LIST);
    assert!(matches!(step, Step::Wait));
    rig.no_callout();
    let seen = rig.seen();
    assert_eq!(seen.status, 502);
    assert!(
        seen.body.contains("not asked for some seconds"),
        "{}",
        seen.body
    );
}

#[test]
fn the_last_upstream_of_a_chain_is_always_asked() {
    let mut rig = Rig::new(ONE);
    for number in 0..5 {
        rig.wait(&list(number));
        rig.outcome(CalloutOutcome::Timeout);
        assert_eq!(rig.seen().status, 504, "{number}");
    }
}

#[test]
fn retries_of_one_request_are_one_failure() {
    let mut rig = chain("|");
    for number in 0..2 {
        rig.wait(&list(number));
        rig.outcome(CalloutOutcome::Reset);
        rig.outcome(CalloutOutcome::Reset);
        rig.pass(Duration::from_millis(100));
        rig.outcome(CalloutOutcome::Reset);
        rig.answer(200, "");
        assert_eq!(rig.steps().len(), 1);
    }
    rig.wait(LIST);
    assert_eq!(&*rig.callout().target, "a", "two requests failed, not six");
}

#[test]
fn an_archive_that_the_host_could_not_fetch_counts_too() {
    let mut rig = chain("|");
    for number in 0..3 {
        let path = format!("/example.com/m{number}/@v/v1.0.0.zip");
        let id = rig.wait(&path);
        assert_eq!(&*rig.answer(200, "").target, "a");
        assert_eq!(rig.steps().len(), 1);
        rig.head_by(id, 503, &[], MadeBy::HostUnreachable);
        // The probe said that it is well: so failures must follow each other without one.
        rig.wait(&list(number));
        let target = rig.outcome(CalloutOutcome::Timeout).target.clone();
        assert_eq!(&*target, "a");
        rig.answer(200, "");
        rig.steps();
    }
}

#[test]
fn retry_after_delays_that_object_only() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    rig.outcome(answer_with(
        429,
        "slow down",
        &[("retry-after", "5"), ("content-type", "text/plain")],
    ));
    assert_eq!(rig.seen().status, 429);
    rig.pass(Duration::from_secs(2));
    let reply = rig.reply(LIST);
    assert_eq!((reply.status, field(&reply, "retry-after")), (429, "4"));
    assert!(seen(&reply).body.starts_with("slow down\n"));
    rig.wait(MOD);
    rig.answer(200, "module example.com/a\n");
    rig.steps();
    rig.pass(Duration::from_secs(3));
    assert_eq!(rig.fetch(LIST, 200, "v1.0.0\n").status, 200);
}

#[test]
fn a_503_that_says_when_to_come_back_is_not_asked_before() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    rig.outcome(answer_with(503, "", &[("retry-after", "60")]));
    rig.no_callout();
    assert_eq!(rig.seen().status, 502);
    assert_eq!(rig.reply(LIST).status, 502);
    rig.no_callout();
}
