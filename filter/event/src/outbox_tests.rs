//! Each batch is acknowledged once, or goes again.

use super::*;
use crate::id::{Identity, Window};
use crate::index::IndexPattern;
use crate::testing::test;

const NOW: Timestamp = Timestamp::from_millis(1_718_439_751_456);
/// Neither the longest nor the shortest of a pause's jitter.
const RANDOM: u32 = u32::MAX / 2;

fn at(millis: u64) -> Timestamp {
    NOW.after(Duration::from_millis(millis))
}

fn settings(format: Format) -> CollectorSettings {
    CollectorSettings {
        format,
        target: "es".into(),
        authority: "es.example:9200".into(),
        path: "".into(),
        timeout: Duration::from_secs(10),
        max_batch: 4,
        max_bytes: 1024,
        max_age: Duration::from_secs(2),
        queue: 4096,
        authorization: None,
    }
}

fn elasticsearch() -> CollectorSettings {
    settings(Format::Elasticsearch(
        IndexPattern::parse("go-%Y.%m").unwrap(),
    ))
}

fn record(name: &str, since: Timestamp) -> Record {
    Record {
        line: format!(r#"{{"n":"{name}"}}"#).into(),
        id: Identity::of(&[name]).in_window(Window::of(NOW)),
        at: NOW,
        since,
    }
}

/// An outbox with so many records, named by their numbers.
fn filled(count: usize, settings: &CollectorSettings) -> Outbox {
    let mut outbox = Outbox::default();
    for number in 0..count {
        outbox.push(record(&number.to_string(), NOW), 0, settings);
    }
    outbox
}

const fn answer(status: u16, body: &str) -> Outcome<'_> {
    Outcome::Answer {
        status,
        retry_after: None,
        body: Some(body.as_bytes()),
    }
}

/// An answer that says of each record what its status is.
fn items(statuses: &[u16]) -> String {
    let items: Vec<String> = statuses
        .iter()
        .map(|status| format!(r#"{{"create":{{"status":{status}}}}}"#))
        .collect();
    let errors = statuses.iter().any(|status| *status >= 300);
    format!(r#"{{"errors":{errors},"items":[{}]}}"#, items.join(","))
}

/// The names of the records in a batch.
fn names(batch: &Batch) -> Vec<String> {
    let body = String::from_utf8(batch.body.to_vec()).unwrap();
    body.split(r#"{"n":""#)
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_batch_for_elasticsearch_is_what_it_takes() {
    let collector = CollectorSettings {
        path: "/es".into(),
        authorization: Some("ApiKey x".into()),
        ..elasticsearch()
    };
    let mut outbox = filled(4, &collector);
    let callout = outbox.next_batch(&collector, NOW).unwrap();
    assert_eq!(
        (&*callout.target, &*callout.authority),
        ("es", "es.example:9200")
    );
    assert_eq!(callout.timeout, Duration::from_secs(10));
    assert!(
        callout.path.starts_with("/es/_bulk?filter_path="),
        "{}",
        callout.path
    );
    let header = |name| {
        callout
            .headers
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| &**value)
    };
    assert_eq!(header("content-type"), Some("application/x-ndjson"));
    assert_eq!(header("authorization"), Some("ApiKey x"));
    assert_eq!(callout.body.last(), Some(&b'\n'));
}

#[test]
fn a_batch_of_json_is_an_array() {
    for (path, expected) in [("", "/"), ("/go.events", "/go.events")] {
        let collector = CollectorSettings {
            path: path.into(),
            ..settings(Format::Json)
        };
        let mut outbox = filled(4, &collector);
        let batch = outbox.next_batch(&collector, NOW).unwrap();
        assert_eq!(batch.path, expected);
        assert_eq!(
            &*batch.body,
            br#"[{"n":"0"},{"n":"1"},{"n":"2"},{"n":"3"}]"#
        );
        assert!(
            batch
                .headers
                .contains(&("content-type", "application/json".into()))
        );
        // Whatever it says beside that.
        assert_eq!(
            outbox.on_outcome(batch.ticket, &answer(201, "<ok>"), RANDOM, NOW),
            []
        );
        assert_eq!((outbox.tally().delivered, outbox.len()), (4, 0));
    }
}

#[test]
fn a_batch_goes_when_it_is_full_in_number_or_bytes_or_old_enough() {
    let collector = elasticsearch();
    assert_eq!(
        filled(3, &collector).next_batch(&collector, at(1_999)),
        None
    );
    assert!(filled(4, &collector).next_batch(&collector, NOW).is_some());
    let old = filled(3, &collector)
        .next_batch(&collector, at(2_000))
        .unwrap();
    assert_eq!(names(&old), ["0", "1", "2"]);
    let mut outbox = Outbox::default();
    for name in ["a", "b"] {
        outbox.push(record(&name.repeat(600), NOW), 0, &collector);
    }
    // Both are more than a batch may hold: the first goes alone.
    assert_eq!(
        names(&outbox.next_batch(&collector, NOW).unwrap()),
        ["a".repeat(600)]
    );
    assert_eq!(Outbox::default().next_batch(&collector, at(9_999)), None);
}

#[test]
fn one_batch_at_a_time_is_on_its_way() {
    let collector = elasticsearch();
    let mut outbox = filled(8, &collector);
    let first = outbox.next_batch(&collector, NOW).unwrap();
    assert_eq!(outbox.next_batch(&collector, at(9_000)), None);
    outbox.on_outcome(first.ticket, &answer(200, &items(&[201; 4])), RANDOM, NOW);
    assert_eq!(
        names(&outbox.next_batch(&collector, NOW).unwrap()),
        ["4", "5", "6", "7"]
    );
}

#[test]
fn of_a_batch_only_what_is_not_acknowledged_goes_again_in_its_order() {
    let collector = elasticsearch();
    let mut outbox = filled(5, &collector);
    let batch = outbox.next_batch(&collector, NOW).unwrap();
    let dead = outbox.on_outcome(
        batch.ticket,
        &answer(200, &items(&[429, 201, 409, 503])),
        RANDOM,
        NOW,
    );
    assert_eq!(dead, []);
    assert_eq!((outbox.tally().delivered, outbox.len()), (2, 3));
    assert_eq!(
        outbox.next_batch(&collector, at(400)),
        None,
        "after a pause"
    );
    assert_eq!(
        names(&outbox.next_batch(&collector, at(3_000)).unwrap()),
        ["0", "3", "4"]
    );
}

#[test]
fn what_is_refused_for_good_is_handed_out_and_never_sent_again() {
    let collector = elasticsearch();
    let mut outbox = filled(4, &collector);
    let batch = outbox.next_batch(&collector, NOW).unwrap();
    let body = r#"{"errors":true,"items":[{"create":{"status":201}},
        {"create":{"status":400,"error":{"type":"t","reason":"r"}}},{"create":{"status":201}},{"create":{"status":403}}]}"#;
    let dead = outbox.on_outcome(batch.ticket, &answer(200, body), RANDOM, NOW);
    let letter = |line: &str, status, reason: &str| DeadLetter {
        line: line.into(),
        status,
        reason: reason.to_owned(),
    };
    assert_eq!(
        dead,
        [
            letter(r#"{"n":"1"}"#, 400, "t: r"),
            letter(r#"{"n":"3"}"#, 403, "")
        ]
    );
    let tally = outbox.tally();
    assert_eq!((tally.delivered, tally.refused, outbox.len()), (2, 2, 0));
}

#[test]
fn whatever_is_no_acknowledgement_makes_the_batch_go_again_after_a_pause() {
    let collector = elasticsearch();
    let too_few = items(&[201; 3]);
    for outcome in [
        Outcome::Failed,
        answer(200, "<html>"),
        answer(204, ""),
        answer(302, ""),
        answer(401, "{}"),
        answer(404, "{}"),
        answer(429, r#"{"status":429}"#),
        answer(500, "{}"),
        answer(503, ""),
        answer(200, &too_few),
    ] {
        let mut outbox = filled(4, &collector);
        let batch = outbox.next_batch(&collector, NOW).unwrap();
        assert_eq!(outbox.on_outcome(batch.ticket, &outcome, RANDOM, NOW), []);
        assert_eq!(
            (outbox.tally().delivered, outbox.len()),
            (0, 4),
            "{outcome:?}"
        );
        assert_eq!(outbox.next_batch(&collector, at(400)), None, "{outcome:?}");
        assert_eq!(
            outbox.next_batch(&collector, at(1_000)).unwrap().body,
            batch.body,
            "{outcome:?}"
        );
    }
}

/// The pause after each of some failures in a row, in milliseconds.
fn pauses(random: u32) -> Vec<u64> {
    let collector = elasticsearch();
    let mut outbox = filled(4, &collector);
    let mut now = NOW;
    (0..9)
        .map(|_| {
            let batch = outbox.next_batch(&collector, now).unwrap();
            outbox.on_outcome(batch.ticket, &Outcome::Failed, random, now);
            let until = outbox.pause.unwrap().until;
            let pause = until.as_millis() - now.as_millis();
            now = until;
            pause
        })
        .collect()
}

#[test]
fn pauses_double_up_to_a_minute_and_differ_by_half() {
    assert_eq!(
        pauses(0),
        [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
    );
    assert_eq!(pauses(u32::MAX)[..3], [999, 1999, 3999]);
    assert_eq!(pauses(u32::MAX)[8], 59_999);
}

#[test]
fn a_success_ends_the_row_of_failures() {
    let collector = elasticsearch();
    let mut outbox = filled(8, &collector);
    for _ in 0..5 {
        let batch = outbox.next_batch(&collector, at(600_000)).unwrap();
        outbox.on_outcome(batch.ticket, &Outcome::Failed, 0, NOW);
    }
    let batch = outbox.next_batch(&collector, at(600_000)).unwrap();
    outbox.on_outcome(batch.ticket, &answer(200, &items(&[201; 4])), 0, NOW);
    let batch = outbox.next_batch(&collector, NOW).unwrap();
    outbox.on_outcome(batch.ticket, &Outcome::Failed, 0, NOW);
    assert_eq!(outbox.pause.unwrap().span, FIRST_PAUSE / 2);
}

#[test]
fn a_collector_that_says_when_to_come_back_is_not_asked_before() {
    let collector = elasticsearch();
    for (retry_after, seconds) in [("30", 30), ("9999", 60), ("soon", 1)] {
        let mut outbox = filled(4, &collector);
        let batch = outbox.next_batch(&collector, NOW).unwrap();
        let outcome = Outcome::Answer {
            status: 429,
            retry_after: Some(retry_after),
            body: Some(b""),
        };
        outbox.on_outcome(batch.ticket, &outcome, u32::MAX, NOW);
        assert_eq!(
            outbox.next_batch(&collector, at(seconds * 1000 - 2)),
            None,
            "{retry_after}"
        );
        assert!(
            outbox.next_batch(&collector, at(seconds * 1000)).is_some(),
            "{retry_after}"
        );
    }
}

#[test]
fn a_batch_that_is_too_large_goes_in_halves_and_grows_again() {
    let collector = elasticsearch();
    for status in [400, 413, 422] {
        let mut outbox = filled(12, &collector);
        let batch = outbox.next_batch(&collector, NOW).unwrap();
        assert_eq!(
            outbox.on_outcome(batch.ticket, &answer(status, ""), RANDOM, NOW),
            []
        );
        let half = outbox.next_batch(&collector, NOW).unwrap();
        assert_eq!(names(&half), ["0", "1"], "at once");
        outbox.on_outcome(half.ticket, &answer(200, &items(&[201; 2])), RANDOM, NOW);
        let more = outbox.next_batch(&collector, NOW).unwrap();
        assert_eq!(names(&more), ["2", "3", "4"]);
        outbox.on_outcome(more.ticket, &answer(200, &items(&[201; 3])), RANDOM, NOW);
        assert_eq!(names(&outbox.next_batch(&collector, NOW).unwrap()).len(), 4);
    }
}

#[test]
fn a_record_that_no_batch_may_hold_is_found_and_handed_out() {
    let collector = elasticsearch();
    let mut outbox = filled(4, &collector);
    let mut dead = Vec::new();
    let mut now = NOW;
    for _ in 0..20 {
        let Some(batch) = outbox.next_batch(&collector, now) else {
            now = now.after(Duration::from_secs(60));
            continue;
        };
        let names = names(&batch);
        let stored = items(&vec![201; names.len()]);
        let outcome = if names.iter().any(|name| name == "2") {
            answer(413, "")
        } else {
            answer(200, &stored)
        };
        dead.extend(outbox.on_outcome(batch.ticket, &outcome, RANDOM, now));
    }
    assert_eq!(dead.len(), 1);
    assert_eq!(&*dead[0].line, r#"{"n":"2"}"#);
    let tally = outbox.tally();
    assert_eq!((tally.delivered, tally.refused, outbox.len()), (3, 1, 0));
}

#[test]
fn an_answer_that_is_too_large_to_be_read_halves_the_batch() {
    let collector = elasticsearch();
    let mut outbox = filled(4, &collector);
    let too_large = Outcome::Answer {
        status: 200,
        retry_after: None,
        body: None,
    };
    for count in [4, 2, 1] {
        let batch = outbox.next_batch(&collector, NOW).unwrap();
        assert_eq!(names(&batch).len(), count);
        assert_eq!(outbox.on_outcome(batch.ticket, &too_large, RANDOM, NOW), []);
    }
    assert_eq!(
        (outbox.tally().refused, outbox.len()),
        (0, 4),
        "nobody refused anything"
    );
}

#[test]
fn an_outcome_that_nobody_tells_is_given_up_and_a_late_one_not_believed() {
    let collector = elasticsearch();
    let mut outbox = filled(4, &collector);
    let batch = outbox.next_batch(&collector, NOW).unwrap();
    outbox.due(RANDOM, at(11_999));
    assert_eq!(outbox.next_batch(&collector, at(11_999)), None);
    outbox.due(RANDOM, at(12_000));
    assert_eq!(
        outbox.on_outcome(
            batch.ticket,
            &answer(200, &items(&[201; 4])),
            RANDOM,
            at(12_001)
        ),
        []
    );
    assert_eq!((outbox.tally().delivered, outbox.len()), (0, 4));
    let again = outbox.next_batch(&collector, at(14_000)).unwrap();
    assert_eq!(again.body, batch.body);
    outbox.on_outcome(
        again.ticket,
        &answer(200, &items(&[409; 4])),
        RANDOM,
        at(14_000),
    );
    assert_eq!(
        (outbox.tally().delivered, outbox.len()),
        (4, 0),
        "they were stored the first time"
    );
}

#[test]
fn what_is_too_much_drops_the_oldest_and_never_what_is_on_its_way() {
    let collector = elasticsearch();
    let mut outbox = filled(4, &collector);
    let batch = outbox.next_batch(&collector, NOW).unwrap();
    for number in 4..1_000 {
        outbox.push(record(&number.to_string(), NOW), 0, &collector);
        assert!(outbox.bytes() <= collector.queue);
    }
    let tally = outbox.tally();
    assert_eq!(tally.emitted, 1_000);
    assert_eq!(tally.dropped + outbox.len() as u64, 1_000);
    outbox.on_outcome(batch.ticket, &Outcome::Failed, RANDOM, NOW);
    assert!(outbox.bytes() <= collector.queue);
    let again = outbox.next_batch(&collector, at(60_000)).unwrap();
    assert_eq!(names(&again), ["0", "1", "2", "3"]);
}

#[cfg(not(target_arch = "wasm32"))]
mod property {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u32, usize),
        Pass(u64),
        Answer(Vec<u16>),
        Whole(u16),
        Lost,
        Silence,
    }

    fn step() -> impl Strategy<Value = Step> {
        let item = prop_oneof![6 => Just(201_u16), 1 => Just(409), 2 => Just(429), 1 => Just(503), 1 => Just(400)];
        prop_oneof![
            6 => (0_u32..5, 0_usize..300).prop_map(|(suppressed, length)| Step::Push(suppressed, length)),
            3 => (0_u64..40_000).prop_map(Step::Pass),
            4 => prop::collection::vec(item, 4).prop_map(Step::Answer),
            1 => prop_oneof![Just(413_u16), Just(400), Just(500), Just(429), Just(204)].prop_map(Step::Whole),
            1 => Just(Step::Lost),
            1 => Just(Step::Silence),
        ]
    }

    proptest! {
        #[test]
        fn every_event_is_somewhere_and_nothing_acknowledged_is_sent_again(
            steps in prop::collection::vec(step(), 1..200), random: u32,
        ) {
            let collector = elasticsearch();
            let (mut outbox, mut now, mut number) = (Outbox::default(), NOW, 0_u32);
            let (mut events, mut stored, mut dead) = (0_u64, HashSet::new(), 0_u64);
            for step in steps {
                let before = outbox.tally();
                let sent = outbox.next_batch(&collector, now);
                if let Some(batch) = &sent {
                    for name in names(batch) {
                        prop_assert!(!stored.contains(&name), "{name} was acknowledged");
                    }
                }
                let said = match (&step, &sent) {
                    (Step::Answer(statuses), Some(batch)) => items(&statuses[..names(batch).len()]),
                    _ => String::new(),
                };
                let outcome = match (&step, &sent) {
                    (Step::Answer(_), Some(_)) => Some(answer(200, &said)),
                    (Step::Whole(status), Some(_)) => Some(answer(*status, "")),
                    (Step::Lost, Some(_)) => Some(Outcome::Failed),
                    _ => None,
                };
                if let (Some(batch), Some(outcome)) = (&sent, outcome) {
                    if let Step::Answer(statuses) = &step {
                        let answered = names(batch).into_iter().zip(statuses);
                        stored.extend(answered.filter(|(_, s)| matches!(s, 201 | 409 | 400)).map(|(name, _)| name));
                    }
                    dead += outbox.on_outcome(batch.ticket, &outcome, random, now).len() as u64;
                }
                match step {
                    Step::Push(suppressed, length) => {
                        number += 1;
                        let name = format!("{number}-{}", "x".repeat(length));
                        outbox.push(record(&name, now), suppressed, &collector);
                        events += u64::from(suppressed) + 1;
                    }
                    Step::Pass(millis) => now = now.after(Duration::from_millis(millis)),
                    _ => {}
                }
                outbox.due(random, now);
                let tally = outbox.tally();
                prop_assert!(outbox.bytes() <= collector.queue);
                prop_assert!(tally.delivered >= before.delivered && tally.refused == dead);
                prop_assert_eq!(tally.emitted, events);
                let somewhere = tally.delivered + tally.suppressed + tally.dropped + tally.refused + outbox.len() as u64;
                prop_assert_eq!(tally.emitted, somewhere);
            }
        }
    }
}
