//! From a failure to a line, with every event accounted for.

use super::*;
use crate::error::ErrorType;
use crate::record::Code;
use crate::section::{ContextValue, Section};
use crate::testing::test;
use crate::testing::{elasticsearch, missing_zip, section};

const START: Timestamp = Timestamp::from_millis(1_718_400_000_000);

const GO: Asker = Asker {
    asks_first: true,
    from_caches_only: false,
};

fn at(millis: u64) -> Timestamp {
    START.after(Duration::from_millis(millis))
}

fn settings(section: Section) -> Settings {
    Settings::resolve(&section, &|_| None).unwrap()
}

fn lines_only() -> Settings {
    settings(section())
}

fn both() -> Settings {
    settings(Section {
        http: Some(elasticsearch()),
        ..section()
    })
}

fn absent_info<'a>(module: &'a str) -> Failure<'a> {
    Failure {
        kind: Kind::Info,
        ..missing_zip(module, "v1.0.0")
    }
}

/// The lines that wait, each parsed.
fn lines(journal: &mut Journal) -> Vec<serde_json::Value> {
    let text = journal.take_lines(usize::MAX).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// As many ticks as it takes until everything was looked at.
fn due(journal: &mut Journal, settings: &Settings, now: Timestamp) {
    for _ in 0..64 {
        journal.due(settings, 0, now);
    }
}

fn emitted_is_accounted_for(journal: &Journal, sink: Sink) {
    let tally = journal.tally(sink);
    let queued = journal.queued(sink) as u64;
    let somewhere = tally.delivered + tally.suppressed + tally.dropped + tally.refused + queued;
    assert_eq!(
        tally.emitted, somewhere,
        "{sink:?}: {tally:?}, {queued} queued"
    );
}

#[test]
fn a_failure_is_a_line_at_once() {
    let (mut journal, settings) = (Journal::default(), lines_only());
    assert!(!journal.has_lines());
    journal.failed(
        &missing_zip("example.com/m", "v1.0.0"),
        GO,
        &settings,
        START,
    );
    assert!(journal.has_lines());
    let lines = lines(&mut journal);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["module"]["name"], "example.com/m");
    assert_eq!(journal.take_lines(usize::MAX), None);
    assert_eq!(journal.tally(Sink::Stdout).delivered, 1);
}

#[test]
fn lines_are_taken_as_many_as_fit_and_one_at_least() {
    let (mut journal, settings) = (Journal::default(), lines_only());
    for number in 0..10 {
        journal.failed(
            &missing_zip(&format!("m{number}"), "v1.0.0"),
            GO,
            &settings,
            START,
        );
    }
    let one = journal.take_lines(0).unwrap();
    assert!(!one.contains('\n'));
    let three = journal.take_lines(one.len() * 3 + 2).unwrap();
    assert_eq!(three.lines().count(), 3);
    assert!(three.len() <= one.len() * 3 + 2);
    journal.lose_lines(&three);
    let tally = journal.tally(Sink::Stdout);
    assert_eq!(
        (tally.delivered, tally.dropped, journal.queued(Sink::Stdout)),
        (1, 3, 6)
    );
    emitted_is_accounted_for(&journal, Sink::Stdout);
}

#[test]
fn a_client_that_only_looks_around_makes_no_event() {
    let (mut journal, settings) = (Journal::default(), lines_only());
    let list = Failure {
        kind: Kind::List,
        ..missing_zip("example.com", "")
    };
    journal.failed(&list, GO, &settings, START);
    let from_caches = Asker {
        from_caches_only: true,
        ..GO
    };
    journal.failed(
        &missing_zip("example.com/m", "v1.0.0"),
        from_caches,
        &settings,
        START,
    );
    assert_eq!(
        (journal.counts().looked_around, journal.counts().noted),
        (2, 0)
    );
    assert!(!journal.has_lines());
}

#[test]
fn go_get_of_a_package_below_a_module_makes_no_event() {
    let (mut journal, settings) = (Journal::default(), lines_only());
    journal.failed(&absent_info("a.b/c/d/e"), GO, &settings, at(0));
    journal.found("a.b/c", "v1.0.0", at(300));
    journal.failed(&absent_info("a.b/c/d"), GO, &settings, at(400));
    journal.failed(&absent_info("a.b"), GO, &settings, at(500));
    due(&mut journal, &settings, at(70_000));
    assert_eq!(lines(&mut journal), Vec::<serde_json::Value>::new());
    assert_eq!(
        (
            journal.counts().noted,
            journal.counts().withdrawn,
            journal.open()
        ),
        (3, 3, 0)
    );
}

#[test]
fn a_version_that_is_nowhere_is_a_line_after_two_seconds() {
    let (mut journal, settings) = (Journal::default(), lines_only());
    journal.failed(&absent_info("a.b/c"), GO, &settings, at(0));
    journal.due(&settings, 0, at(1_900));
    assert!(!journal.has_lines());
    assert_eq!(journal.open(), 1);
    journal.due(&settings, 0, at(2_000));
    let lines = lines(&mut journal);
    assert_eq!(lines.len(), 1);
    // When it happened, not when that was certain.
    assert_eq!(lines[0]["timestamp"], "2024-06-14T21:20:00.000Z");
}

#[test]
fn the_second_request_for_one_4xx_is_no_event_and_not_folded() {
    let (mut journal, settings) = (Journal::default(), lines_only());
    let again = Asker {
        asks_first: false,
        ..GO
    };
    for failure in [missing_zip("m", "v1.0.0"), absent_info("n")] {
        journal.failed(&failure, GO, &settings, at(0));
        journal.failed(&failure, again, &settings, at(50));
    }
    let refused = Failure {
        code: Code::Policy,
        error: ErrorType::PolicyDenied,
        ..missing_zip("p", "v1.0.0")
    };
    journal.failed(&refused, GO, &settings, at(0));
    journal.failed(&refused, again, &settings, at(50));
    due(&mut journal, &settings, at(5_000));
    due(&mut journal, &settings, at(120_000));
    assert_eq!(lines(&mut journal).len(), 3);
    assert_eq!(
        (journal.counts().second_requests, journal.counts().noted),
        (3, 3)
    );
    assert_eq!(journal.tally(Sink::Stdout).suppressed, 0);
}

#[test]
fn the_second_request_for_a_version_that_is_nowhere_takes_no_line_away() {
    let (mut journal, settings) = (Journal::default(), lines_only());
    let failure = absent_info("example.com/m");
    journal.failed(&failure, GO, &settings, at(0));
    let again = Asker {
        asks_first: false,
        ..GO
    };
    let shown = Failure {
        request_id: "what go shows",
        ..failure
    };
    journal.failed(&shown, again, &settings, at(5));
    assert_eq!((journal.counts().noted, journal.open()), (1, 1));
    for tick in 0..30 {
        journal.due(&settings, 0, at(100 * tick));
    }
    let lines = lines(&mut journal);
    assert_eq!(
        lines.len(),
        1,
        "{:?}, {} open",
        journal.counts(),
        journal.open()
    );
    assert_eq!(lines[0]["suppressed"], 0);
    assert_eq!(lines[0]["request_id"], "what go shows");
}

#[test]
fn a_flood_is_two_lines_whose_sum_is_right() {
    let (mut journal, settings) = (Journal::default(), lines_only());
    let timeout = Failure {
        code: Code::Timeout,
        error: ErrorType::Timeout,
        ..missing_zip("m", "v1.0.0")
    };
    for number in 0..1_000 {
        journal.failed(&timeout, GO, &settings, at(number));
    }
    due(&mut journal, &settings, at(120_000));
    let lines = lines(&mut journal);
    let counts: Vec<u64> = lines
        .iter()
        .map(|line| line["suppressed"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [0, 998]);
    assert_ne!(lines[0]["event_id"], lines[1]["event_id"]);
    let tally = journal.tally(Sink::Stdout);
    assert_eq!(
        (tally.emitted, tally.delivered, tally.suppressed),
        (1_000, 2, 998)
    );
}

#[test]
fn the_same_failure_has_the_same_name_in_every_worker_and_another_in_another_pod() {
    let id = |pod: &str| {
        let settings = settings(Section {
            context: vec![("pod_uid".to_owned(), ContextValue::Text(pod.to_owned()))],
            ..section()
        });
        let mut journal = Journal::default();
        journal.failed(&missing_zip("m", "v1.0.0"), GO, &settings, START);
        lines(&mut journal)[0]["event_id"].clone()
    };
    assert_eq!(id("a"), id("a"));
    assert_ne!(id("a"), id("b"));
}

#[test]
fn downloads_are_told_once_a_minute_and_only_where_it_is_wanted() {
    let mut journal = Journal::default();
    let audited = settings(Section {
        audit: true,
        ..section()
    });
    for (settings, count) in [(&lines_only(), 5), (&audited, 3)] {
        for _ in 0..count {
            journal.downloaded(Kind::Zip, "m", "v1.0.0", "ci", settings, START);
        }
    }
    due(&mut journal, &audited, at(61_000));
    let lines = lines(&mut journal);
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["count"], &lines[0]["identity"]),
        (&3.into(), &"ci".into())
    );
}

#[test]
fn what_waits_outlives_the_configuration() {
    let mut journal = Journal::default();
    journal.failed(&missing_zip("m", "v1.0.0"), GO, &both(), START);
    // The next configuration has another collector, which takes an array.
    let mut next = elasticsearch();
    next.format = crate::section::Format::Json;
    let next = settings(Section {
        http: Some(next),
        ..section()
    });
    let batch = journal.next_batch(&next, at(5_000)).unwrap();
    assert_eq!(
        journal.queued(Sink::Http),
        1,
        "what is on its way is queued"
    );
    assert!(batch.body.starts_with(b"[{\"timestamp\""));
}

#[test]
fn a_dead_letter_is_in_the_log_with_its_reason() {
    let (mut journal, settings) = (Journal::default(), both());
    journal.failed(&missing_zip("m", "v1.0.0"), GO, &settings, START);
    let batch = journal.next_batch(&settings, at(2_000)).unwrap();
    let body = br#"{"errors":true,"items":[{"create":{"status":400,"error":{"type":"mapper_parsing_exception"}}}]}"#;
    let outcome = Outcome::Answer {
        status: 200,
        retry_after: None,
        body: Some(body),
    };
    journal.on_outcome(batch.ticket, &outcome, 0, at(2_000));
    let line = journal.take_log_line().unwrap();
    let (reason, record) = line.split_once(": {").unwrap();
    assert_eq!(
        reason,
        "event refused by the collector with 400, mapper_parsing_exception"
    );
    assert!(record.contains(r#""name":"m""#));
    assert_eq!(journal.take_log_line(), None);
    emitted_is_accounted_for(&journal, Sink::Http);
}

#[test]
fn what_is_lost_is_said_once_a_minute() {
    let (mut journal, settings) = (Journal::default(), both());
    journal.due(&settings, 0, at(0));
    for number in 0..1_000 {
        journal.failed(
            &missing_zip(&format!("m{number}"), "v1.0.0"),
            GO,
            &settings,
            at(1),
        );
    }
    journal.due(&settings, 0, at(59_000));
    assert_eq!(journal.take_log_line(), None);
    journal.due(&settings, 0, at(60_000));
    let dropped = journal.tally(Sink::Stdout).dropped;
    assert!(dropped > 500);
    let said = format!(
        "events for standard output dropped: {dropped} in the last minute, {dropped} in all"
    );
    assert_eq!(journal.take_log_line().as_deref(), Some(&*said));
    assert!(
        journal
            .take_log_line()
            .unwrap()
            .starts_with("events for the collector dropped: ")
    );
    due(&mut journal, &settings, at(120_000));
    assert_eq!(journal.take_log_line(), None, "nothing new is lost");
}

#[test]
fn a_burst_of_a_hundred_thousand_is_accounted_for() {
    let (mut journal, settings) = (Journal::default(), both());
    for round in 0..10 {
        for number in 0..10_000 {
            journal.failed(
                &missing_zip(&format!("m{number}"), "v1.0.0"),
                GO,
                &settings,
                at(round * 100),
            );
        }
    }
    let mut millis = 0;
    while journal.open() > 0 {
        millis += 100;
        journal.due(&settings, 0, at(millis));
        journal.take_lines(100_000);
    }
    assert_eq!(journal.counts().noted, 100_000);
    for sink in [Sink::Stdout, Sink::Http] {
        assert_eq!(journal.tally(sink).emitted, 100_000);
        emitted_is_accounted_for(&journal, sink);
        assert!(journal.queued_bytes(sink) <= 64 * 1024);
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod property {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Failed(usize, bool, bool),
        Found(usize),
        Downloaded(usize),
        Due(u64),
        Lines(usize),
        Batch(u16),
        Reconfigured(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0_usize..6, any::<bool>(), any::<bool>()).prop_map(|(m, info, first)| Step::Failed(m, info, first)),
            2 => (0_usize..6).prop_map(Step::Found),
            2 => (0_usize..6).prop_map(Step::Downloaded),
            4 => (0_u64..70_000).prop_map(Step::Due),
            1 => (0_usize..3_000).prop_map(Step::Lines),
            2 => prop_oneof![Just(201_u16), Just(400), Just(429), Just(503), Just(413)].prop_map(Step::Batch),
            1 => any::<bool>().prop_map(Step::Reconfigured),
        ]
    }

    proptest! {
        #[test]
        fn no_event_is_lost_whatever_comes(steps in prop::collection::vec(step(), 1..300)) {
            let modules = ["a", "a/b", "a/b/c", "d", "d/e", "f"];
            let with = |http| settings(Section { http, audit: true, ..section() });
            let mut settings = with(Some(elasticsearch()));
            let (mut journal, mut now) = (Journal::default(), START);
            for step in steps {
                match step {
                    Step::Failed(module, info, asks_first) => {
                        let failure = if info { absent_info(modules[module]) } else { missing_zip(modules[module], "v1.0.0") };
                        journal.failed(&failure, Asker { asks_first, ..GO }, &settings, now);
                    }
                    Step::Found(module) => journal.found(modules[module], "v1.0.0", now),
                    Step::Downloaded(module) => journal.downloaded(Kind::Zip, modules[module], "v1.0.0", "", &settings, now),
                    Step::Due(millis) => {
                        now = now.after(Duration::from_millis(millis));
                        journal.due(&settings, 7, now);
                    }
                    Step::Lines(max) => drop(journal.take_lines(max)),
                    Step::Batch(status) => if let Some(batch) = journal.next_batch(&settings, now) {
                        let count = journal.queued(Sink::Http).min(4);
                        let items = vec![format!(r#"{{"create":{{"status":{status}}}}}"#); count].join(",");
                        let body = format!(r#"{{"errors":true,"items":[{items}]}}"#);
                        let outcome = Outcome::Answer {
                            status: if status == 413 { 413 } else { 200 },
                            retry_after: None,
                            body: Some(body.as_bytes()),
                        };
                        journal.on_outcome(batch.ticket, &outcome, 7, now);
                    },
                    Step::Reconfigured(http) => settings = with(http.then(elasticsearch)),
                }
                for sink in [Sink::Stdout, Sink::Http] {
                    emitted_is_accounted_for(&journal, sink);
                }
                let told = journal.tally(Sink::Stdout).emitted;
                prop_assert_eq!(journal.counts().noted, told + journal.counts().withdrawn + journal.open());
            }
        }
    }
}
