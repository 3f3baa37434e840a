//! One record for each failed download: where a request ends, however it ends.

use serde_json::Value;

use super::*;
use crate::testing::test;

/// Two upstreams behind a pipe, records on standard output and to a collector.
const EVENTS: &str = r#"{
    "upstreams": [{"name": "a", "target": "a", "authority": "a.example"},
                  {"name": "b", "target": "b", "authority": "127.0.0.1:3000", "path": "/base"}],
    "routes": [{"modules": ["example.com/chain"], "chain": ["a", {"on": "any_error", "to": "b"}]},
               {"modules": ["*"], "chain": ["b"]}],
    "sumdb": [{"name": "sum.example", "target": "sums"}],
    "cache": {"memory": {"size": "8MiB", "max_object": "4KiB"}},
    "events": {"context": {"pod_uid": "pod-1"}, "stdout": true,
               "http": {"format": "json", "target": "collector", "max_age": "2s"}}
}"#;

impl Rig {
    /// The records that wait for standard output.
    fn records(&mut self) -> Vec<Value> {
        let lines = self.gateway.take_event_lines(1 << 20).unwrap_or_default();
        assert!(lines.is_empty() || lines.ends_with('\n'));
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Long enough for all that was folded to be told, which takes some ticks.
    fn pass_two_minutes(&mut self) {
        for _ in 0..120 {
            self.pass(Duration::from_secs(1));
        }
    }

    fn record(&mut self) -> Value {
        let records = self.records();
        assert_eq!(records.len(), 1, "{records:?}");
        records.into_iter().next().unwrap()
    }
}

fn parts(record: &Value) -> (&str, &str, u64) {
    (
        record["error"]["code"].as_str().unwrap(),
        record["error"]["type"].as_str().unwrap(),
        record["error"]["retry_count"].as_u64().unwrap(),
    )
}

#[test]
fn a_failure_is_told_once_retries_are_exhausted_with_the_clients_own_facts() {
    let mut rig = Rig::new(EVENTS);
    rig.wait("/example.com/%21upper/@v/v1.0.0.mod");
    rig.answer(503, "busy");
    rig.now = rig.now.after(Duration::from_millis(40));
    rig.answer(503, "busy");
    assert!(!rig.gateway.has_event_lines());
    rig.pass(Duration::from_millis(100));
    rig.answer(503, "busy");
    assert_eq!(rig.seen().status, 502);
    let record = rig.record();
    assert_eq!(parts(&record), ("503", "upstream_5xx", 2));
    assert_eq!(record["module"]["name"], "example.com/Upper");
    assert_eq!(record["module"]["version"], "v1.0.0");
    assert_eq!(record["module"]["kind"], "mod");
    assert_eq!(
        record["module"]["url"],
        "http://127.0.0.1:3000/base/example.com/!upper/@v/v1.0.0.mod"
    );
    assert_eq!(record["error"]["message"], "busy");
    assert_eq!(record["upstream"], "b");
    assert_eq!(record["request_id"], "r1");
    assert_eq!(record["duration_ms"], 140);
    assert_eq!(record["context"]["pod_uid"], "pod-1");
}

#[test]
fn requests_to_all_upstreams_of_a_chain_count() {
    let mut rig = Rig::new(EVENTS);
    rig.wait("/example.com/chain/@v/v1.0.0.mod");
    rig.answer(403, "no");
    rig.answer(404, "none");
    assert_eq!(rig.seen().status, 403);
    assert_eq!(parts(&rig.record()), ("403", "policy_denied", 1));
}

#[test]
fn looking_around_is_no_failure_and_a_version_that_is_nowhere_is_one_after_two_seconds() {
    let mut rig = Rig::new(EVENTS);
    for path in [
        LIST,
        "/example.com/a/@latest",
        "/example.com/a/@v/main.info",
    ] {
        assert_eq!(rig.fetch(path, 404, "none").status, 404);
    }
    assert_eq!(rig.fetch(INFO, 404, "none").status, 404);
    let below = "/example.com/a/b/@v/v1.0.0.info";
    let info = r#"{"Version":"v1.0.0"}"#;
    assert_eq!(
        rig.fetch("/example.com/c/@v/v1.0.0.info", 404, "").status,
        404
    );
    assert_eq!(rig.fetch(below, 200, info).status, 200);
    rig.pass(Duration::from_millis(1900));
    assert_eq!(rig.records(), [] as [Value; 0]);
    rig.pass(Duration::from_millis(200));
    let record = rig.record();
    assert_eq!(record["module"]["name"], "example.com/c");
    assert_eq!(record["error"]["message"], "Not Found");
    let (counts, open) = rig.gateway.event_counts();
    assert_eq!((counts.looked_around, counts.withdrawn, open), (3, 1, 0));
}

#[test]
fn a_remembered_absence_asked_no_upstream() {
    let mut rig = Rig::new(EVENTS);
    assert_eq!(rig.fetch(MOD, 404, "none").status, 404);
    assert_eq!(rig.record()["error"]["retry_count"], 0);
    // Over plain http nobody asks twice for one 4xx.
    let (_, step) = rig.ask_with("GET", MOD, &[("x-forwarded-proto", "http")]);
    let Step::Reply(reply) = step else {
        panic!("{step:?}")
    };
    assert_eq!(reply.status, 404);
    rig.pass_two_minutes();
    let record = rig.record();
    assert_eq!(parts(&record), ("404", "not_found", 0));
    assert_eq!(record["upstream"], "b");
}

#[test]
fn each_way_in_which_an_archive_fails_has_its_code() {
    let zip = [
        ("content-type", "application/zip"),
        ("content-length", "22"),
    ];
    type Act = fn(&mut Rig, StreamId);
    let cases: [(&str, &str, Act); 7] = [
        ("404", "not_found", |rig, id| {
            rig.head(id, 404, &[]);
            rig.piece(id, b"none", true);
        }),
        ("500", "upstream_5xx", |rig, id| {
            rig.head(id, 500, &[]);
            // The client left before the words were there.
            rig.gateway.on_closed(id, End::Left, rig.now);
        }),
        ("timeout", "timeout", |rig, id| {
            rig.head_by(id, 504, &[], MadeBy::HostAfterTimeout);
        }),
        ("connection", "connection", |rig, id| {
            rig.head_by(id, 503, &[], MadeBy::HostUnreachable);
        }),
        ("invalid_body", "invalid_body", |rig, id| {
            rig.head(id, 200, &[("content-type", "text/html")]);
        }),
        ("invalid_body", "invalid_body", |rig, id| {
            rig.head(id, 200, &[("content-type", "application/zip")]);
            rig.piece(id, b"<html>", true);
        }),
        ("truncated", "truncated", |rig, id| {
            rig.head(id, 200, &[("content-length", "22")]);
            rig.piece(id, b"PK\x05", true);
        }),
    ];
    for (code, error, act) in cases {
        let mut rig = Rig::new(EVENTS);
        let id = rig.forwarded(ZIP);
        act(&mut rig, id);
        assert_eq!(parts(&rig.record()), (code, error, 0));
        rig.gateway.on_closed(id, End::Left, rig.now);
        assert_eq!(rig.records(), [] as [Value; 0], "{code}: told twice");
    }
    let mut rig = Rig::new(EVENTS);
    let id = rig.forwarded(ZIP);
    rig.head(id, 200, &zip);
    rig.piece(id, b"PK\x05", false);
    rig.gateway.on_closed(id, End::Broke, rig.now);
    assert_eq!(parts(&rig.record()), ("truncated", "truncated", 0));
}

#[test]
fn the_hosts_own_retries_of_an_archive_count() {
    let mut rig = Rig::new(EVENTS);
    let id = rig.forwarded(ZIP);
    let answer = ForwardedHead {
        status: 503,
        head: AnswerHead::default(),
        end_of_stream: true,
        made_by: MadeBy::HostUnreachable,
        attempts: 3,
        through: Through::Silent,
    };
    rig.gateway.on_forwarded_head(id, answer, rig.now);
    assert_eq!(rig.record()["error"]["retry_count"], 2);
}

#[test]
fn a_client_that_left_is_told_only_where_it_is_configured() {
    for (flag, records) in [("", 0), (r#""client_gone": true, "#, 2)] {
        let config = EVENTS.replace(r#""stdout""#, &format!(r#"{flag}"stdout""#));
        let mut rig = Rig::new(&config);
        let id = rig.forwarded(ZIP);
        rig.head(id, 200, &[("content-length", "22")]);
        rig.piece(id, b"PK\x05", false);
        rig.gateway.on_closed(id, End::Left, rig.now);
        let id = rig.wait(MOD);
        rig.gateway.on_closed(id, End::Left, rig.now);
        assert_eq!(rig.records().len(), records, "{flag}");
    }
}

#[test]
fn a_host_that_does_not_wait_any_longer_answers_and_that_is_a_failure() {
    let mut rig = Rig::new(EVENTS);
    let id = rig.wait(MOD);
    rig.gateway.on_closed(id, End::Overtaken, rig.now);
    assert_eq!(parts(&rig.record()), ("timeout", "timeout", 0));
}

#[test]
fn the_second_request_that_go_makes_for_one_4xx_over_https_is_no_second_failure() {
    let mut rig = Rig::new(EVENTS);
    let https = ("x-forwarded-proto", "https");
    for agent in ["GoCommand/1 (+https://go.dev/cmd/go)", "Go-http-client/2.0"] {
        let (_, step) = rig.ask_with("GET", MOD, &[https, ("user-agent", agent)]);
        if matches!(step, Step::Wait) {
            rig.answer(404, "none");
            assert_eq!(rig.seen().status, 404);
        }
    }
    assert_eq!(rig.record()["suppressed"], 0);
    assert_eq!(rig.gateway.event_counts().0.second_requests, 1);
}

#[test]
fn a_stale_answer_and_what_is_only_to_come_from_caches_are_no_failures() {
    let mut rig = Rig::new(EVENTS);
    assert_eq!(rig.fetch(LIST, 200, "v1.0.0\n").status, 200);
    rig.pass(Duration::from_secs(3600));
    rig.wait(LIST);
    rig.outcome(CalloutOutcome::Timeout);
    assert_eq!(rig.seen().status, 200);
    assert_eq!(rig.reply(&format!("/cached-only{ZIP}")).status, 404);
    assert_eq!(rig.records(), [] as [Value; 0]);
}

#[test]
fn batches_go_to_the_collector_and_what_it_does_not_take_goes_again() {
    let mut rig = Rig::new(EVENTS);
    assert_eq!(rig.fetch(MOD, 403, "denied").status, 403);
    rig.pass(Duration::from_millis(1_900));
    rig.no_callout();
    rig.pass(Duration::from_millis(200));
    let batch = rig.outcome(CalloutOutcome::Reset);
    assert_eq!((&*batch.target, batch.method), ("collector", Method::Post));
    let sent: Value = serde_json::from_slice(batch.body.as_ref().unwrap()).unwrap();
    assert_eq!(sent[0]["error"]["message"], "denied");
    rig.pass(Duration::from_millis(100));
    rig.no_callout();
    rig.pass(Duration::from_secs(1));
    let again = rig.answer(200, "");
    assert_eq!(again.body, batch.body);
    let (tally, queued) = rig.gateway.event_tally(Sink::Http);
    assert_eq!((tally.emitted, tally.delivered, queued), (1, 1, 0));
}

#[test]
fn a_batch_of_which_the_host_never_tells_is_given_up_and_goes_again() {
    let mut rig = Rig::new(EVENTS);
    assert_eq!(rig.fetch(MOD, 403, "denied").status, 403);
    rig.pass(Duration::from_secs(3));
    let batch = rig.callout();
    rig.pass(Duration::from_secs(11));
    rig.pass(Duration::from_secs(1));
    let again = rig.callout();
    assert_eq!(again.body, batch.body);
    // Nothing is believed of the first one any more.
    rig.tell(&batch, answer(200, ""));
    let (tally, queued) = rig.gateway.event_tally(Sink::Http);
    assert_eq!((tally.delivered, queued), (0, 1));
}

#[test]
fn what_waits_outlives_a_new_configuration() {
    let store = Rc::default();
    let mut old = Rig::in_store(EVENTS, &store);
    assert_eq!(old.fetch(MOD, 403, "denied").status, 403);
    let mut new = Rig::in_store(EVENTS, &store);
    drop(old);
    assert_eq!(new.record()["error"]["message"], "denied");
    new.now = new.now.after(Duration::from_secs(3));
    new.pass(Duration::ZERO);
    assert_eq!(&*new.callout().target, "collector");
}

#[test]
fn downloads_are_told_where_they_are_audited() {
    let config = EVENTS.replace(r#""stdout""#, r#""audit": true, "stdout""#);
    let mut rig = Rig::new(&config);
    let body = "module example.com/a\n";
    assert_eq!(rig.fetch(MOD, 200, body), ok(body));
    for _ in 0..3 {
        assert_eq!(seen(&rig.reply(MOD)), ok(body));
    }
    rig.stream(ZIP, &[("content-length", "22")], EMPTY_ZIP);
    rig.pass_two_minutes();
    let mut told: Vec<(String, u64)> = rig
        .records()
        .iter()
        .map(|record| {
            assert_eq!(record["event_type"], "module_download");
            let kind = record["module"]["kind"].as_str().unwrap();
            (kind.to_owned(), record["count"].as_u64().unwrap())
        })
        .collect();
    told.sort();
    assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), 5);
    assert_eq!(told.last().unwrap().0, "zip");
}

#[test]
fn without_the_section_no_record_goes_anywhere_and_the_last_failures_are_known() {
    let mut rig = Rig::new(ONE);
    assert_eq!(rig.fetch(MOD, 403, "denied").status, 403);
    rig.pass_two_minutes();
    assert!(!rig.gateway.has_event_lines());
    for sink in [Sink::Stdout, Sink::Http] {
        assert_eq!(rig.gateway.event_tally(sink).0.emitted, 0);
    }
    let space = rig.gateway.space.borrow();
    let recent: Vec<_> = space.journal.recent().collect();
    assert!(
        recent.len() == 1 && recent[0].contains("denied"),
        "{recent:?}"
    );
}

#[test]
fn an_environment_that_lacks_what_is_asked_of_it_refuses_the_configuration() {
    let config = EVENTS.replace("\"pod-1\"", "\"env:POD_UID\"");
    let config = Config::from_json(config.as_bytes(), "test").unwrap();
    let error = Gateway::new(&config, &Rc::default(), &HostCapabilities::none()).err();
    let error = error.unwrap();
    assert_eq!(error.field, "events.context");
    assert!(error.why.contains("POD_UID"), "{error}");
}
