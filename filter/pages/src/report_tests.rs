use super::*;
use crate::testing::test;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn place(name: &str, aside: u32, since: u64) -> Place {
    Place {
        name: name.to_owned(),
        aside,
        since: at(since),
    }
}

fn minute(minute: u64, requests: u64) -> Minute {
    Minute {
        minute,
        requests,
        hits: 1,
        failures: 2,
    }
}

fn failure(second: u32) -> Box<str> {
    format!(r#"{{"timestamp":"2026-01-01T00:00:{second:02}.000Z","module":{{"name":"a b"}}}}"#)
        .into()
}

/// What a busy worker tells.
fn busy() -> Report {
    let mut report = Report {
        at: at(2_000_000),
        since: at(1_000_000),
        workers: 1,
        digest: "0123456789abcdef".to_owned(),
        upstreams: vec![
            place("corp", 1, 1_900_000),
            place("proxy.golang.org", 0, 1_000_000),
        ],
        redis: Some(place("redis", 0, 1_000_000)),
        minutes: vec![minute(20, 7), minute(21, 8), minute(33, 9)],
        failures: vec![failure(9), failure(8), failure(8)],
        ..Report::default()
    };
    report.count("workers", 1);
    report.count("requests_total.endpoint.list.result.hit", u64::MAX);
    report.count("build_info.version.0.1.0", 1);
    report
}

#[test]
fn what_is_written_is_read() {
    let empty = Report {
        digest: "0".repeat(16),
        ..Report::default()
    };
    for report in [busy(), empty] {
        assert_eq!(Report::read(&report.write()), Some(report));
    }
}

#[test]
fn half_of_a_report_is_none() {
    let text = busy().write();
    for end in 0..text.len() {
        assert_eq!(Report::read(&text[..end]), None, "{end} bytes");
    }
}

#[test]
fn what_is_not_in_the_one_form_is_no_report() {
    let text = busy().write();
    for (from, to) in [
        ("goproxy-report 1", "goproxy-report 2"),
        ("2000000 1000000 1 ", "02000000 1000000 1 "),
        ("2000000 1000000 1 ", "+2000000 1000000 1 "),
        ("2000000 1000000 1 ", "-2000000 1000000 1 "),
        ("2000000 1000000 1 ", "2000000  1000000 1 "),
        ("2000000 1000000 1 ", "2000000 1000000 4294967296 "),
        ("2000000 1000000 1 ", "2000000 1000000 "),
        ("0123456789abcdef", "0123456789ABCDEF"),
        ("0123456789abcdef", "0123456789abcde"),
        ("s 1 workers", "s 1 employees"),
        ("s 1 workers", "s 18446744073709551616 workers"),
        ("s 1 workers", "s 1 workers "),
        ("s 1 workers", "s 1 workers\r"),
        ("s 1 workers", "s 1 workers\ns 1 workers"),
        ("s 1 workers", "s 1 workers\ns 1 cache_bytes.tier.memory"),
        ("s 1 workers", "x 1 workers"),
        ("s 1 workers", "s 1 workers\n"),
        (".list.result", ".list\u{0}.result"),
        ("u 1 1900000 corp", "u 1 1900000 zebra"),
        ("u 1 1900000 corp", "u 1 1900000 "),
        ("u 1 1900000 corp", "u 1 1900000 corp a"),
        ("r 0 1000000 redis", "r 0 1000000 redis\nr 0 1000000 redis"),
        ("m 7 1 2 20", "m 7 1 2 21"),
        ("m 7 1 2 20", "m 7 1 2 20 1"),
        ("m 7 1 2 20", "m 7 1 20"),
        ("00:09.000Z", "00:07.000Z"),
        ("00:09.000Z", "00:09\u{202e}.000Z"),
        ("00:09.000Z", "00:09\u{1b}.000Z"),
        ("f {", "f x{"),
        ("\n.\n", "\n.\n\n"),
        ("\n.\n", "\n.\n.\n"),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text, "{from:?}");
        assert_eq!(Report::read(&wrong), None, "{to:?}");
    }
}

#[test]
fn everything_in_a_report_is_bounded() {
    let head = || Report {
        digest: "0".repeat(16),
        ..Report::default()
    };
    let reads = |report: &Report| Report::read(&report.write()).is_some();
    let mut report = head();
    report.minutes = (0..60).map(|number| minute(number, 1)).collect();
    assert!(reads(&report));
    report.minutes.push(minute(60, 1));
    assert!(!reads(&report), "minutes");

    let mut report = head();
    report.failures = vec![failure(1); MAX_FAILURES];
    assert!(reads(&report));
    report.failures.push(failure(1));
    assert!(!reads(&report), "failures");

    let mut report = head();
    report.failures = vec![format!("{{{}}}", "x".repeat(1398)).into()];
    assert!(reads(&report));
    report.failures = vec![format!("{{{}}}", "x".repeat(1399)).into()];
    assert!(!reads(&report), "a failure's length");

    let mut report = head();
    for number in 0..MAX_SAMPLES {
        report.count(&format!("upstream_aside.upstream.{number:06}"), 1);
    }
    assert!(reads(&report));
    report.count("workers", 1);
    assert!(!reads(&report), "samples");

    let mut report = head();
    report.upstreams = vec![place(&"a".repeat(65), 0, 0)];
    assert!(!reads(&report), "a name's length");
    assert_eq!(Report::read(&"x".repeat(MAX_BYTES + 1)), None);
}

#[test]
fn the_largest_report_that_is_written_is_read() {
    let mut report = busy();
    report.failures = vec![format!("{{{}}}", "x".repeat(1398)).into(); MAX_FAILURES];
    report.minutes = (u64::MAX - 60..u64::MAX).map(|m| minute(m, m)).collect();
    for upstream in 0..64 {
        let name = format!("{upstream:064}");
        for code in ["2xx", "3xx", "4xx", "5xx", "timeout", "connection"] {
            let key = ["upstream_requests_total", "upstream", &name, "code", code];
            report.count(&metrics::key(&key), u64::MAX);
        }
    }
    let text = report.write();
    assert!(text.len() < MAX_BYTES, "{}", text.len());
    assert_eq!(Report::read(&text), Some(report));
}

#[test]
fn reports_add_up() {
    let (mut sum, mut other) = (busy(), busy());
    other.at = at(2_000_500);
    other.since = at(500_000);
    other.digest = "f".repeat(16);
    other.samples = Vec::new();
    for (key, by) in [
        ("workers", 1),
        ("cache_bytes.tier.memory", 5),
        ("build_info.version.0.1.0", 1),
        ("requests_total.endpoint.list.result.hit", 1),
    ] {
        other.count(key, by);
    }
    other.minutes = vec![minute(19, 1), minute(21, 1)];
    other.failures = vec![failure(59), failure(1)];
    other.upstreams = vec![place("a", 0, 5), place("corp", 1, 1_800_000)];
    let (forwards, mut backwards) = (
        {
            sum.add(other.clone());
            sum
        },
        other,
    );
    backwards.add(busy());
    assert_eq!(forwards, backwards, "whatever the order");
    assert_eq!(forwards.workers, 2);
    assert_eq!(forwards.since, at(500_000));
    assert_eq!(
        (forwards.at, forwards.digest.as_str()),
        (at(2_000_500), "ffffffffffffffff")
    );
    let value = |key: &str| metrics::value(&forwards.samples, key);
    assert_eq!(value("workers"), Some(2));
    assert_eq!(value("cache_bytes.tier.memory"), Some(5));
    assert_eq!(
        value("build_info.version.0.1.0"),
        Some(1),
        "it says no number"
    );
    assert_eq!(
        value("requests_total.endpoint.list.result.hit"),
        Some(u64::MAX)
    );
    assert_eq!(value("coalesced_total"), None);
    let minutes: Vec<_> = forwards
        .minutes
        .iter()
        .map(|m| (m.minute, m.requests))
        .collect();
    assert_eq!(minutes, [(19, 1), (20, 7), (21, 9), (33, 9)]);
    assert_eq!(
        forwards.failures,
        [failure(59), failure(9), failure(8), failure(8), failure(1)]
    );
    assert_eq!(
        forwards.upstreams,
        [
            place("a", 0, 5),
            place("corp", 2, 1_800_000),
            place("proxy.golang.org", 0, 1_000_000)
        ]
    );
    assert!(Report::read(&forwards.write()).is_some());
}

#[test]
fn a_sum_begins_with_nothing() {
    let mut sum = Report::default();
    sum.add(busy());
    assert_eq!(sum, busy());
}

#[test]
fn a_sum_is_as_bounded_as_what_is_added() {
    let mut sum = Report::default();
    for worker in 0..8_u32 {
        let mut report = busy();
        report.minutes = (0..60)
            .map(|m| minute(u64::from(worker) * 30 + m, 1))
            .collect();
        report.failures = (0..20)
            .map(|number| failure(59 - number - worker))
            .collect();
        sum.add(report);
    }
    assert_eq!(sum.minutes.len(), 60);
    assert_eq!(sum.minutes.first().unwrap().minute, 7 * 30);
    assert_eq!(sum.failures.len(), MAX_FAILURES);
    assert_eq!(sum.failures[0], failure(59));
    assert_eq!(sum.workers, 8);
}

#[test]
fn one_worker_that_leaves_a_place_alone_is_told_of() {
    for (mine, theirs, sum) in [
        ((0, 5), (0, 9), (0, 9)),
        ((1, 5), (0, 9), (1, 5)),
        ((0, 5), (1, 9), (1, 9)),
        ((1, 5), (1, 9), (2, 5)),
    ] {
        let mut known = place("up", mine.0, mine.1);
        known.add(&place("up", theirs.0, theirs.1));
        assert_eq!(known, place("up", sum.0, sum.1), "{mine:?} {theirs:?}");
    }
}

#[test]
fn every_line_that_an_event_can_be_is_one_that_a_report_can_hold() {
    let mut report = busy();
    let odd = "\u{202e}e\u{301}\"\\\n\u{0}\u{1f980}";
    report.failures = vec![
        crate::testing::failure_line(&odd.repeat(90), &odd.repeat(30), &odd.repeat(99)).into(),
    ];
    let read = Report::read(&report.write());
    assert_eq!(read.map(|read| read.failures), Some(report.failures));
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(noise in "\\PC*", at in 0_usize..600, cut in 0_usize..40) {
            let text = busy().write();
            let (head, tail) = (text.get(..at).unwrap_or(&text), text.get(at + cut..).unwrap_or(""));
            for text in [[head, &noise, tail].concat(), noise] {
                if let Some(report) = Report::read(&text) {
                    prop_assert_eq!(report.write(), text);
                }
            }
        }
    }
}
