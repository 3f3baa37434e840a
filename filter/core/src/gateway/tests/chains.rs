//! Chains: the comma and the pipe of GOPROXY.

use super::*;
use crate::testing::test;

/// `a,b|c`: `b` after a 404 of `a`, `c` after anything of `b`.
const CHAIN: &str = r#"{
    "upstreams": [{"name": "a", "target": "a", "authority": "a"}, {"name": "b", "target": "b", "authority": "b"},
                  {"name": "c", "target": "c", "authority": "c"}],
    "routes": [{"modules": ["*"], "chain": ["a", "b", {"on": "any_error", "to": "c"}]}],
    "cache": {"memory": {"size": "8MiB", "max_object": "4KiB"}}
}"#;

/// Answers the chain in turn, and gives who was asked and what the client sees.
fn run(rig: &mut Rig, path: &str, answers: &[(u16, &str)]) -> (String, Seen) {
    rig.wait(path);
    let asked = answers
        .iter()
        .map(|(status, body)| rig.answer(*status, body).target.to_string())
        .collect();
    rig.no_callout();
    (asked, rig.seen())
}

#[test]
fn comma_falls_through_on_404_and_410_and_pipe_on_anything() {
    for (answers, asked, status, words) in [
        (&[(200, "v1.0.0\n")][..], "a", 200, "v1.0.0"),
        (&[(404, "x"), (200, "v1.0.0\n")], "ab", 200, "v1.0.0"),
        (
            &[(410, "x"), (404, "x"), (200, "v1.0.0\n")],
            "abc",
            200,
            "v1.0.0",
        ),
        (&[(403, "denied")], "a", 403, "denied"),
        (&[(500, "oops")], "a", 502, "oops"),
        (&[(200, "<html>")], "a", 502, "upstream a,"),
        (
            &[(404, "x"), (403, "denied"), (200, "v1.0.0\n")],
            "abc",
            200,
            "v1.0.0",
        ),
        (
            &[(404, "x"), (200, "<html>"), (200, "v1.0.0\n")],
            "abc",
            200,
            "v1.0.0",
        ),
        (
            &[(404, "x"), (404, "y"), (404, "last words")],
            "abc",
            404,
            "last words",
        ),
        (
            &[(404, "x"), (404, "y"), (410, "gone for good")],
            "abc",
            410,
            "gone for good",
        ),
    ] {
        let (who, seen) = run(&mut Rig::new(CHAIN), LIST, answers);
        assert_eq!((who.as_str(), seen.status), (asked, status), "{answers:?}");
        assert!(seen.body.contains(words), "{answers:?}: {}", seen.body);
    }
}

#[test]
fn in_a_mixed_chain_the_worst_answer_that_is_not_404_wins() {
    for (answers, status, words) in [
        (&[(404, "x"), (500, "oops"), (404, "y")][..], 502, "oops"),
        (&[(404, "x"), (500, "oops"), (403, "denied")], 502, "oops"),
        (&[(404, "x"), (403, "denied"), (500, "oops")], 502, "oops"),
        (&[(404, "x"), (403, "denied"), (404, "y")], 403, "denied"),
    ] {
        let mut rig = Rig::new(CHAIN);
        let (_, seen) = run(&mut rig, LIST, answers);
        assert_eq!(seen.status, status, "{answers:?}");
        assert!(seen.body.starts_with(words), "{answers:?}: {}", seen.body);
        rig.wait(LIST);
    }
}

#[test]
fn a_404_is_remembered_only_when_every_upstream_said_so() {
    let mut rig = Rig::new(CHAIN);
    run(&mut rig, LIST, &[(404, "x"), (404, "y"), (404, "z")]);
    assert_eq!(rig.reply(LIST).status, 404);
}

#[test]
fn retries_are_counted_for_each_upstream_anew() {
    let mut rig = Rig::new(CHAIN);
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Reset);
    rig.answer(404, "x");
    for _ in 0..2 {
        assert_eq!(&*rig.outcome(CalloutOutcome::Reset).target, "b");
    }
    rig.pass(Duration::from_millis(100));
    assert_eq!(&*rig.outcome(CalloutOutcome::Reset).target, "b");
    assert_eq!(&*rig.answer(200, "v1.0.0\n").target, "c");
    assert_eq!(rig.seen(), ok("v1.0.0\n"));
}

/// Who is asked for an archive now, without a probe.
fn goes_to(rig: &mut Rig) -> String {
    match rig.ask(ZIP).1 {
        Step::Forward(forward) => forward.target.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_archive_is_found_by_head_and_remembered() {
    let mut rig = Rig::new(CHAIN);
    let id = rig.wait(ZIP);
    let probe = rig.answer(404, "");
    assert_eq!((probe.method, probe.path.as_str()), (Method::Head, ZIP));
    rig.answer(200, "");
    let steps = rig.steps();
    let [(to, Step::Forward(forward))] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(
        (*to, &*forward.target, forward.path.as_str()),
        (id, "b", ZIP)
    );
    assert!(rig.gateway.watches(id));
    assert_eq!(goes_to(&mut rig), "b");
    rig.no_callout();
}

#[test]
fn where_head_is_refused_the_info_tells() {
    for refusal in [405, 501, 400] {
        let mut rig = Rig::new(CHAIN);
        rig.wait(ZIP);
        rig.answer(404, "");
        rig.answer(refusal, "");
        let info = rig.answer(200, r#"{"Version":"v1.0.0"}"#);
        assert_eq!(
            (info.method, info.path.as_str(), &*info.target),
            (Method::Get, INFO, "b")
        );
        assert_eq!(rig.steps().len(), 1);
        assert_eq!(goes_to(&mut rig), "b", "{refusal}");
    }
}

#[test]
fn where_info_or_mod_was_found_the_archive_is() {
    for (path, body) in [
        (INFO, r#"{"Version":"v1.0.0"}"#),
        (MOD, "module example.com/a\n"),
    ] {
        let mut rig = Rig::new(CHAIN);
        run(&mut rig, path, &[(404, "x"), (200, body)]);
        assert_eq!(goes_to(&mut rig), "b", "{path}");
    }
}

#[test]
fn an_upstream_that_does_not_have_what_it_seemed_to_have_is_asked_no_more() {
    let mut rig = Rig::new(CHAIN);
    run(&mut rig, INFO, &[(200, r#"{"Version":"v1.0.0"}"#)]);
    let id = rig.forwarded(ZIP);
    rig.head(id, 404, &[]);
    rig.piece(id, b"not here", true);
    rig.wait(ZIP);
    rig.answer(404, "");
    rig.answer(200, "");
    assert_eq!(rig.steps().len(), 1);
    assert_eq!(goes_to(&mut rig), "b");
}

#[test]
fn an_archive_that_no_upstream_has_is_404_and_remembered() {
    let mut rig = Rig::new(CHAIN);
    let (_, seen) = run(&mut rig, ZIP, &[(404, "x"), (410, "y"), (404, "")]);
    assert_eq!(seen.status, 404);
    assert_eq!(rig.reply(ZIP).status, 404);
    assert_eq!(
        run(&mut Rig::new(CHAIN), ZIP, &[(500, "")]).1.status,
        502,
        "mixed answers"
    );
}

#[test]
fn many_clients_of_one_archive_cost_one_probe() {
    let mut rig = Rig::new(CHAIN);
    for _ in 0..50 {
        rig.wait(ZIP);
    }
    rig.answer(200, "");
    rig.no_callout();
    let steps = rig.steps();
    assert!(
        steps.len() == 50
            && steps
                .iter()
                .all(|(_, step)| matches!(step, Step::Forward(_)))
    );
}
