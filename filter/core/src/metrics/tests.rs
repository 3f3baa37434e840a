use std::collections::BTreeMap;

use goproxy_pages::metrics;

use super::*;
use crate::callout::{Answer, AnswerBody, AnswerHead, CalloutOutcome};
use crate::testing::test;
use crate::time::Timestamp;

fn at(minutes: u64, millis: u64) -> Timestamp {
    Timestamp::from_millis(minutes * 60_000 + millis)
}

/// All that is told, by key.
fn told(counters: &Counters) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    counters.each(&Journal::default(), &mut |parts, value| {
        if let Some(value) = value {
            let known = all.insert(metrics::key(parts), value);
            assert_eq!(known, None, "{parts:?} twice");
        }
    });
    all
}

fn noted(endpoint: EndpointLabel, result: ResultLabel, millis: u64) -> Counters {
    let mut counters = Counters::default();
    counters.requests.note(endpoint, result, millis, at(0, 0));
    counters
}

#[test]
fn every_key_is_one_of_the_list() {
    let mut counters = noted(EndpointLabel::List, ResultLabel::Hit, 1);
    counters.note_upstream(&"proxy.golang.org".into(), CodeClass::C2xx);
    for key in told(&counters).keys() {
        assert!(metrics::is_key(key), "{key}");
    }
}

#[test]
fn what_cannot_be_many_is_told_from_the_start_and_the_rest_once_it_is_asked_for() {
    let all = told(&Counters::default());
    for key in [
        "coalesced_total",
        "cache_operations_total.tier.redis.result.dropped",
        "redis_missed_total.reason.oom",
        "failures_total.reason.upstream_5xx",
        "leases_total.result.taken_over",
        "events_total.sink.http.result.dropped",
        "failures_ignored_total.reason.withdrawn",
    ] {
        assert_eq!(all.get(key), Some(&0), "{key}");
    }
    assert!(!all.contains_key("failures_total.reason.bad_request"));
    assert_eq!(
        all.get("requests_total.endpoint.list.result.error"),
        Some(&0)
    );
    assert!(!all.contains_key("requests_total.endpoint.list.result.hit"));
    assert!(!all.keys().any(|key| key.starts_with("request_duration")));
    let all = told(&noted(EndpointLabel::Zip, ResultLabel::Miss, 7));
    assert_eq!(
        all.get("requests_total.endpoint.zip.result.error"),
        Some(&0)
    );
    assert_eq!(all.get("requests_total.endpoint.zip.result.miss"), Some(&1));
    assert!(!all.contains_key("requests_total.endpoint.mod.result.miss"));
}

#[test]
fn each_label_has_its_place() {
    use {EndpointLabel as E, ResultLabel as R};
    for (endpoint, result, name) in [
        (E::List, R::Hit, "endpoint.list.result.hit"),
        (E::Latest, R::Stale, "endpoint.latest.result.stale"),
        (E::Info, R::Miss, "endpoint.info.result.miss"),
        (E::Query, R::NotFound, "endpoint.query.result.not_found"),
        (E::Mod, R::Denied, "endpoint.mod.result.denied"),
        (E::Zip, R::BadRequest, "endpoint.zip.result.bad_request"),
        (E::Sumdb, R::Redirect, "endpoint.sumdb.result.redirect"),
        (E::Page, R::Error, "endpoint.page.result.error"),
        (E::Other, R::Gone, "endpoint.other.result.gone"),
    ] {
        let all = told(&noted(endpoint, result, 0));
        let key = ["requests_total.", name].concat();
        assert_eq!(all.get(&key), Some(&1), "{name}");
        let sum: u64 = all
            .iter()
            .filter(|(key, _)| key.starts_with("requests_total"))
            .map(|(_, value)| value)
            .sum();
        assert_eq!(sum, 1, "{name}");
    }
    let mut counters = Counters::default();
    for error in ErrorType::ALL {
        for _ in 0..=error as usize {
            counters.note_failure(error);
        }
    }
    let all = told(&counters);
    for (place, error) in ErrorType::ALL.into_iter().enumerate().skip(1) {
        let key = ["failures_total.reason.", error.as_str()].concat();
        assert_eq!(
            all.get(&key).copied(),
            u64::try_from(place + 1).ok(),
            "{key}"
        );
    }
}

#[test]
fn a_bucket_counts_what_took_no_longer() {
    let mut counters = Counters::default();
    for millis in [0, 1, 2, 5, 6, 60_000, 60_001, u64::MAX] {
        let requests = &mut counters.requests;
        requests.note(EndpointLabel::Mod, ResultLabel::Hit, millis, at(0, 0));
    }
    let all = told(&counters);
    let name = "request_duration_seconds";
    for (bound, expected) in [
        ("0.001", 2),
        ("0.005", 4),
        ("0.01", 5),
        ("30", 5),
        ("60", 6),
        ("+Inf", 8),
    ] {
        let key = format!("{name}_bucket.endpoint.mod.le.{bound}");
        assert_eq!(all.get(&key), Some(&expected), "{bound}");
    }
    assert_eq!(all.get(&format!("{name}_count.endpoint.mod")), Some(&8));
    assert_eq!(
        all.get(&format!("{name}_sum.endpoint.mod")),
        Some(&(u64::MAX / 1000))
    );
}

#[test]
fn statuses_have_their_results() {
    use ResultLabel as R;
    for (status, result) in [
        (200, R::Hit),
        (304, R::Hit),
        (302, R::Redirect),
        (400, R::BadRequest),
        (401, R::Denied),
        (403, R::Denied),
        (404, R::NotFound),
        (405, R::BadRequest),
        (410, R::NotFound),
        (414, R::BadRequest),
        (429, R::Denied),
        (451, R::Denied),
        (500, R::Error),
        (502, R::Error),
        (503, R::Error),
        (504, R::Error),
        (0, R::Error),
    ] {
        assert_eq!(ResultLabel::of_status(status), result, "{status}");
    }
}

#[test]
fn what_an_upstream_says_has_a_class() {
    let answer = |status| {
        CalloutOutcome::Answer(Answer {
            status,
            head: AnswerHead::default(),
            body: AnswerBody::default(),
        })
    };
    for (outcome, class) in [
        (answer(200), Some(CodeClass::C2xx)),
        (answer(206), Some(CodeClass::C2xx)),
        (answer(302), Some(CodeClass::C3xx)),
        (answer(404), Some(CodeClass::C4xx)),
        (answer(503), Some(CodeClass::C5xx)),
        (answer(999), Some(CodeClass::C5xx)),
        (CalloutOutcome::Timeout, Some(CodeClass::Timeout)),
        (CalloutOutcome::Unreachable, Some(CodeClass::Connection)),
        (CalloutOutcome::Reset, Some(CodeClass::Connection)),
        (CalloutOutcome::UnknownTarget, Some(CodeClass::Connection)),
        (CalloutOutcome::NotSent, None),
    ] {
        assert_eq!(CodeClass::of(&outcome), class, "{outcome:?}");
    }
}

#[test]
fn upstreams_are_bounded_and_none_is_lost() {
    let mut counters = Counters::default();
    for number in 0..1000 {
        counters.note_upstream(&number.to_string().into(), CodeClass::Timeout);
    }
    counters.note_upstream(&"0".into(), CodeClass::C2xx);
    let all = told(&counters);
    let of = |name: &str, code: &str| {
        let parts = ["upstream_requests_total", "upstream", name, "code", code];
        all.get(&metrics::key(&parts)).copied()
    };
    assert_eq!((of("0", "2xx"), of("0", "timeout")), (Some(1), Some(1)));
    assert_eq!(of("1", "5xx"), Some(0), "all codes of one that was asked");
    assert_eq!(of("127", "timeout"), Some(873));
    assert_eq!(of("128", "timeout"), None);
    let mut counters = Counters::default();
    counters.expect_upstream(&"quiet".into());
    let key = "upstream_requests_total.upstream.quiet.code.timeout";
    assert_eq!(told(&counters).get(key), Some(&0));
}

#[test]
fn a_place_in_the_order_is_never_another_samples() {
    let order = |counters: &Counters| {
        let mut keys = Vec::new();
        counters.each(&Journal::default(), &mut |parts, _| {
            keys.push(metrics::key(parts))
        });
        keys
    };
    let mut counters = Counters::default();
    let mut before = order(&counters);
    for upstream in ["b", "a", "c"] {
        counters.note_upstream(&upstream.into(), CodeClass::C2xx);
        counters
            .requests
            .note(EndpointLabel::List, ResultLabel::Hit, 1, at(0, 0));
        let after = order(&counters);
        assert!(after.starts_with(&before) && after.len() > before.len());
        before = after;
    }
}

#[test]
fn whatever_is_counted_is_told() {
    let mut exported = Exported::default();
    let mut counters = Counters::default();
    let journal = Journal::default();
    let mut told = |counters: &Counters| exported.take(counters, &journal).len();
    assert!(told(&counters) > 50);
    assert_eq!(told(&counters), 0);
    counters.note_failure(ErrorType::Timeout);
    assert_eq!(told(&counters), 1);
    counters.redis_missed.count(Missed::Timeout);
    assert_eq!(told(&counters), 1);
    count(&mut counters.late_outcomes_total);
    assert_eq!(told(&counters), 1);
    counters.expect_upstream(&"up".into());
    assert_eq!(told(&counters), CodeClass::ALL.len());
    counters.note_upstream(&"up".into(), CodeClass::C2xx);
    assert_eq!(told(&counters), 1);
    let requests = &mut counters.requests;
    requests.note(EndpointLabel::List, ResultLabel::Hit, 0, at(0, 0));
    assert!(told(&counters) > 20, "all of the endpoint");
    assert_eq!(told(&counters), 0);
}

#[test]
fn minutes_are_those_of_the_last_hour() {
    let mut requests = Requests::default();
    let mut note =
        |minute, result| requests.note(EndpointLabel::List, result, 1, at(minute, 59_999));
    note(1000, ResultLabel::Hit);
    note(1000, ResultLabel::Error);
    note(1000, ResultLabel::NotFound);
    note(1001, ResultLabel::Stale);
    note(1059, ResultLabel::Miss);
    let minutes = |requests: &Requests, now| -> Vec<_> {
        let minutes = requests.minutes(at(now, 0));
        let all = minutes.iter();
        all.map(|m| (m.minute, m.requests, m.hits, m.failures))
            .collect()
    };
    let (first, second, last) = ((1000, 3, 1, 1), (1001, 1, 1, 0), (1059, 1, 0, 0));
    assert_eq!(minutes(&requests, 1059), [first, second, last]);
    assert_eq!(minutes(&requests, 1060), [second, last]);
    assert_eq!(minutes(&requests, 1119), []);
    assert_eq!(minutes(&requests, 0), [], "a clock that was set back");
    // The place of 1000 is that of 1060.
    requests.note(EndpointLabel::List, ResultLabel::Hit, 1, at(1060, 0));
    requests.note(EndpointLabel::Page, ResultLabel::Hit, 1, at(1060, 0));
    assert_eq!(minutes(&requests, 1060), [second, last, (1060, 1, 1, 0)]);
}
