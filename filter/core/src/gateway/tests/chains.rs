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

#[test]
fn an_archive_goes_where_its_info_is_found() {
    let mut rig = Rig::new(CHAIN);
    let id = rig.wait(ZIP);
    assert!(rig.answer(404, "x").path.ends_with("/@v/v1.0.0.info"));
    rig.answer(200, r#"{"Version":"v1.0.0"}"#);
    let steps = rig.steps();
    let [(to, Step::Forward(forward))] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(
        (*to, &*forward.target, forward.path.as_str()),
        (id, "b", ZIP)
    );
    assert!(rig.gateway.watches(id));
    // Now it is known, by the cached `.info` and after it is gone.
    assert!(matches!(rig.ask(ZIP).1, Step::Forward(forward) if &*forward.target == "b"));
    rig.pass(Duration::from_secs(400 * 86_400));
    assert!(matches!(rig.ask(ZIP).1, Step::Forward(forward) if &*forward.target == "b"));
}

#[test]
fn an_archive_whose_mod_was_found_goes_there_too() {
    let mut rig = Rig::new(CHAIN);
    run(
        &mut rig,
        MOD,
        &[(404, "x"), (200, "module example.com/a\n")],
    );
    assert!(matches!(rig.ask(ZIP).1, Step::Forward(forward) if &*forward.target == "b"));
}

#[test]
fn an_archive_that_no_upstream_knows_is_what_its_info_is() {
    let mut rig = Rig::new(CHAIN);
    let (_, seen) = run(
        &mut rig,
        ZIP,
        &[(404, "x"), (404, "y"), (404, "no such version")],
    );
    assert_eq!(seen.status, 404);
    assert!(seen.body.starts_with("no such version\n"), "{}", seen.body);
    assert_eq!(rig.reply(ZIP).status, 404);
    assert_eq!(
        run(&mut Rig::new(CHAIN), ZIP, &[(500, "oops")]).1.status,
        502
    );
}
