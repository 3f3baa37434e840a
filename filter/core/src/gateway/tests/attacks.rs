//! What an upstream that lies, a clock that is set or a client that does harm could have had, and does not get.

use super::*;
use crate::testing::test;

/// `a`, and behind a pipe `b`.
const PIPE: &str = r#"{
    "upstreams": [{"name": "a", "target": "a", "authority": "a"}, {"name": "b", "target": "b", "authority": "b"}],
    "routes": [{"modules": ["*"], "chain": ["a", {"on": "any_error", "to": "b"}]}],
    "redirects": [{"host": "storage.example", "target": "store"}],
    "cache": {"memory": {"size": "8MiB", "max_object": "4KiB"}}
}"#;
const V1: &str = r#"{"Version":"v1.0.0"}"#;

fn comma() -> String {
    PIPE.replace(r#"{"on": "any_error", "to": "b"}"#, r#""b""#)
}

/// Who streams the archive now; its probes say 200.
fn streams(rig: &mut Rig) -> (StreamId, String) {
    let (id, step) = rig.ask(ZIP);
    let step = match step {
        Step::Wait => {
            rig.answer(200, "");
            rig.steps().remove(0).1
        }
        step => step,
    };
    let Step::Forward(forward) = step else {
        panic!("{step:?}")
    };
    (id, forward.target.to_string())
}

#[test]
fn an_upstream_that_has_an_archive_and_does_not_give_it_is_passed_over() {
    type Given = (u16, &'static [(&'static str, &'static str)], MadeBy);
    let given: [Given; 4] = [
        (503, &[], MadeBy::HostUnreachable),
        (504, &[], MadeBy::HostAfterTimeout),
        (500, &[], MadeBy::Upstream),
        (200, &[("content-type", "text/html")], MadeBy::Upstream),
    ];
    for (status, fields, made_by) in given {
        let mut rig = Rig::new(PIPE);
        rig.fetch(INFO, 200, V1);
        let (id, target) = streams(&mut rig);
        assert_eq!(target, "a");
        let HeadStep::Replace(reply) = rig.head_by(id, status, fields, made_by) else {
            panic!("{status}")
        };
        let again = field(&reply, "location").to_owned();
        assert_eq!(
            (reply.status, again.as_str()),
            (302, "/example.com/a/@v/v1.0.0.zip?follow")
        );
        let id = rig.wait(&again);
        assert_eq!(&*rig.answer(200, "").target, "b", "{status}");
        rig.steps();
        let last = replaced(rig.head_by(id, 503, &[], MadeBy::HostUnreachable));
        assert_eq!(last.status, 502, "b is the last");
        rig.pass(Duration::from_secs(8));
        rig.wait(ZIP);
        assert_eq!(
            &*rig.callout().target,
            "a",
            "after its time it is asked again"
        );
    }
}

#[test]
fn an_upstream_that_fails_before_one_that_says_404_is_no_404() {
    let mut rig = Rig::new(PIPE);
    rig.fetch(INFO, 200, V1);
    let (id, _) = streams(&mut rig);
    rig.head(id, 500, &[]);
    rig.wait(ZIP);
    rig.answer(404, "");
    assert_eq!(rig.seen().status, 502);
}

#[test]
fn behind_a_comma_an_archive_that_is_not_given_is_an_outage() {
    let mut rig = Rig::new(&comma());
    rig.fetch(INFO, 200, V1);
    let (id, _) = streams(&mut rig);
    let first = replaced(rig.head_by(id, 503, &[], MadeBy::HostUnreachable));
    assert_eq!(first.status, 502);
    let (_, step) = rig.ask(ZIP);
    assert!(matches!(step, Step::Wait));
    assert_eq!(rig.seen().status, 502);
    rig.no_callout();
}

#[test]
fn a_page_is_no_archive_whatever_its_status() {
    let mut rig = Rig::new(PIPE);
    rig.wait(ZIP);
    rig.outcome(answer_with(200, "", &[("content-type", "text/html")]));
    assert_eq!(&*rig.answer(200, "").target, "b");
}

#[test]
fn an_upstream_that_is_aside_is_passed_over_for_archives_too() {
    let mut rig = Rig::new(PIPE);
    rig.fetch(INFO, 200, V1);
    for number in 0..3 {
        rig.wait(&format!("/example.com/m{number}/@v/list"));
        rig.outcome(CalloutOutcome::Timeout);
        rig.answer(200, "");
        rig.steps();
    }
    rig.wait(ZIP);
    assert_eq!(&*rig.answer(200, "").target, "b");
}

#[test]
fn an_archives_404_is_one_only_if_all_said_so() {
    let mut rig = Rig::new(&comma());
    rig.fetch(INFO, 200, V1);
    let (id, _) = streams(&mut rig);
    let HeadStep::Replace(reply) = rig.head(id, 404, &[]) else {
        panic!()
    };
    let again = format!("{ZIP}?follow");
    assert_eq!((reply.status, field(&reply, "location")), (302, &*again));
    let id = rig.wait(&again);
    rig.answer(200, "");
    rig.steps();
    let seen = replaced(rig.head(id, 404, &[]));
    assert_eq!(seen.status, 502, "it said 200 to HEAD: {}", seen.body);
}

#[test]
fn what_the_info_redirects_to_is_not_the_archive() {
    let mut rig = Rig::new(PIPE);
    rig.wait(ZIP);
    rig.answer(405, "");
    rig.outcome(answer_with(
        302,
        "",
        &[("location", "https://storage.example/x.info?sig")],
    ));
    let steps = rig.steps();
    assert!(
        matches!(&steps[0].1, Step::Forward(forward) if forward.path == ZIP),
        "{steps:?}"
    );
}

#[test]
fn an_archive_of_unknown_length_is_kept_only_if_it_ends_like_one() {
    let zip = [("content-type", "application/zip")];
    let mut rig = Rig::new(ONE);
    rig.stream(ZIP, &zip, b"PK\x03\x04cut off in the middle of it");
    rig.forwarded(ZIP);
    let whole = [
        &b"PK\x03\x04"[..],
        b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0hi",
    ]
    .concat();
    rig.stream(ZIP, &zip, &whole);
    assert_eq!(rig.reply(ZIP).body.as_bytes(), whole);
}

#[test]
fn what_only_begins_with_pk_is_not_kept() {
    for body in [
        &b"PK"[..],
        b"PKzip is what this is not, though it is long enough",
        &EMPTY_ZIP[..20],
    ] {
        let mut rig = Rig::new(ONE);
        rig.stream(ZIP, &[], body);
        rig.forwarded(ZIP);
        let length = body.len().max(22).to_string();
        let mut rig = Rig::new(ONE);
        rig.stream(ZIP, &[("content-length", &length)], body);
        rig.forwarded(ZIP);
    }
}

#[test]
fn a_clock_that_is_set_back_strands_nobody() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Reset);
    rig.outcome(CalloutOutcome::Reset);
    rig.now = Timestamp::from_millis(rig.now.as_millis() - 3_600_000);
    rig.pass(Duration::from_millis(100));
    rig.callout();
    rig.now = Timestamp::from_millis(rig.now.as_millis() - 3_600_000);
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.seen().status, 504);
}

#[test]
fn an_archive_that_head_finds_and_get_redirects_is_followed() {
    let mut rig = Rig::new(PIPE);
    let (id, _) = streams(&mut rig);
    let moved = [("location", "https://storage.example/x.zip?sig")];
    let HeadStep::Replace(reply) = rig.head(id, 302, &moved) else {
        panic!()
    };
    let again = field(&reply, "location").to_owned();
    let Step::Forward(forward) = rig.ask(&again).1 else {
        panic!()
    };
    assert_eq!(
        (&*forward.target, forward.path.as_str()),
        ("store", "/x.zip?sig")
    );
}

#[test]
fn a_large_mod_behind_a_redirect_is_followed() {
    let mut rig = Rig::new(PIPE);
    rig.wait(MOD);
    let head = AnswerHead::default();
    rig.outcome(CalloutOutcome::Answer(Answer {
        status: 200,
        head,
        body: AnswerBody::TooLarge,
    }));
    let (id, _) = rig.steps().remove(0);
    let HeadStep::Replace(reply) = rig.head(id, 302, &[("location", "https://storage.example/m")])
    else {
        panic!()
    };
    let again = field(&reply, "location").to_owned();
    let Step::Forward(forward) = rig.ask(&again).1 else {
        panic!()
    };
    assert_eq!(&*forward.target, "store");
}

#[test]
fn clients_that_read_nothing_cannot_fill_the_vm_with_copies() {
    let mut rig = Rig::new(ONE);
    let archive = [EMPTY_ZIP, &[0; 4_000]].concat();
    for number in 0..10_000 {
        let id = rig.forwarded(&format!("/example.com/m{number}/@v/v1.0.0.zip"));
        rig.head(id, 200, &[("content-length", "4096")]);
        rig.piece(id, &archive, false);
    }
    let copying = rig
        .gateway
        .exchanges
        .values()
        .filter(|one| one.wants_of_body() == usize::MAX)
        .count();
    assert!(copying * archive.len() <= 8 << 20, "{copying} copies");
    assert!(copying > 1_000, "{copying} copies");
}

#[test]
fn clients_that_leave_leave_nothing_behind() {
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    for _ in 0..10_000 {
        let id = rig.wait(LIST);
        rig.gateway.on_closed(id, End::Left, rig.now);
    }
    rig.answer(200, "v1.0.0\n");
    assert_eq!(rig.gateway.landed.len(), 1);
}

#[test]
fn an_if_none_match_that_names_nothing_of_ours_is_not_kept() {
    let mut rig = Rig::new(ONE);
    let (id, _) = rig.ask_with("GET", LIST, &[("if-none-match", &"x".repeat(30_000))]);
    let Some(Exchange::Waiting(ask)) = rig.gateway.exchanges.get(&id) else {
        panic!()
    };
    assert_eq!(ask.if_none_match, None);
}

#[test]
fn any_upstream_of_a_chain_may_forbid_to_remember_that_it_is_not_there() {
    let mut rig = Rig::new(&comma());
    rig.wait(LIST);
    rig.outcome(answer_with(404, "x", &[("cache-control", "no-store")]));
    rig.answer(404, "y");
    rig.steps();
    rig.wait(LIST);
}

#[test]
fn an_archives_404_without_a_body_is_remembered_and_one_of_head_is_not() {
    let mut rig = Rig::new(ONE);
    let gone = |rig: &mut Rig, id| {
        let head = AnswerHead::default();
        let answer = ForwardedHead {
            status: 404,
            head,
            end_of_stream: true,
            made_by: MadeBy::Upstream,
            attempts: 1,
            through: Through::default(),
        };
        replaced(rig.gateway.on_forwarded_head(id, answer, rig.now))
    };
    let (id, _) = rig.ask_with("HEAD", ZIP, &[]);
    assert_eq!(gone(&mut rig, id).status, 404);
    let id = rig.forwarded(ZIP);
    assert_eq!(gone(&mut rig, id).status, 404);
    assert_eq!(rig.reply(ZIP).status, 404);
}

#[test]
fn the_end_of_a_head_may_come_apart_from_its_header() {
    let mut rig = Rig::new(ONE);
    let (id, _) = rig.ask_with("HEAD", ZIP, &[]);
    rig.head(id, 200, &[("content-length", "1000")]);
    assert_eq!(rig.piece(id, b"", true), BodyStep::Pass);
}

#[test]
fn retry_after_is_kept_of_429_and_503_and_of_archives_too() {
    let wait = [("retry-after", "300")];
    let mut rig = Rig::new(ONE);
    rig.wait(LIST);
    rig.outcome(answer_with(403, "no", &wait));
    rig.steps();
    rig.wait(LIST);
    let id = rig.forwarded(ZIP);
    rig.head(id, 429, &wait);
    rig.piece(id, b"slow down", true);
    assert_eq!(rig.reply(ZIP).status, 429);
}

#[test]
fn what_the_host_could_not_send_says_nothing_of_the_upstream() {
    let mut rig = Rig::new(PIPE);
    for number in 0..5 {
        rig.wait(&format!("/example.com/m{number}/@v/list"));
        rig.outcome(CalloutOutcome::NotSent);
        rig.outcome(CalloutOutcome::NotSent);
        rig.pass(Duration::from_millis(100));
        assert_eq!(
            &*rig.outcome(CalloutOutcome::NotSent).target,
            "a",
            "{number}"
        );
        rig.answer(200, "");
        rig.steps();
    }
}
