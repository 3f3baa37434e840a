use super::*;
use crate::testing::test;

fn samples(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    let mut samples: Vec<_> = all
        .iter()
        .map(|(key, value)| ((*key).to_owned(), *value))
        .collect();
    samples.sort();
    samples
}

#[test]
fn names_are_those_that_prometheus_advises() {
    for family in FAMILIES {
        assert_eq!(
            family.name.ends_with("_total"),
            family.shape == Shape::Counter,
            "{}",
            family.name
        );
        let is_plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        assert!(is_plain(family.name), "{}", family.name);
        assert!(
            family.labels.iter().all(|label| is_plain(label)),
            "{}",
            family.name
        );
        assert!(
            family.help.ends_with('.') && !family.help.contains(['\n', '\\']),
            "{}",
            family.name
        );
        let same = FAMILIES.iter().filter(|other| other.name == family.name);
        assert_eq!(same.count(), 1, "{}", family.name);
    }
}

#[test]
fn a_key_has_the_labels_of_its_family_in_their_order() {
    for (text, is) in [
        ("workers", true),
        ("workers.tier.memory", false),
        ("workers.", false),
        ("worker", false),
        ("workers_total", false),
        ("", false),
        ("requests_total", false),
        ("requests_total.endpoint.list", false),
        ("requests_total.endpoint.list.result.hit", true),
        ("requests_total.result.hit.endpoint.list", false),
        ("requests_total.endpoint.list.result.", false),
        ("requests_total.endpoint..result.hit", false),
        ("requests_total.endpoint.list.result.hit.le.5", false),
        ("request_duration_seconds.endpoint.list", false),
        ("request_duration_seconds_sum.endpoint.list", true),
        (
            "request_duration_seconds_bucket.endpoint.list.le.+Inf",
            true,
        ),
        (
            "request_duration_seconds_bucket.endpoint.list.le.0.005",
            true,
        ),
        ("request_duration_seconds_bucket.endpoint.list.le.", false),
        ("request_duration_seconds_bucket.endpoint.list", false),
        (
            "request_duration_seconds_sum.endpoint.list.le.5",
            true, // an endpoint of that name
        ),
        ("build_info.version.0.1.0", true),
        (
            "upstream_requests_total.upstream.proxy.example.code.2xx",
            true,
        ),
        ("upstream_aside.upstream.a b", false),
        ("upstream_aside.upstream.\u{fc}", false),
    ] {
        assert_eq!(is_key(text), is, "{text:?}");
    }
    assert!(!is_key(&key(&[
        "upstream_aside",
        "upstream",
        &"a".repeat(MAX_KEY)
    ])));
}

#[test]
fn an_upstream_may_be_called_anything_that_the_configuration_allows() {
    for name in ["a", "proxy.golang.org", "a.code.2xx", "upstream.code", ".."] {
        let key = key(&["upstream_requests_total", "upstream", name, "code", "5xx"]);
        let page = render(&samples(&[(&key, 7)]));
        let line = format!("goproxy_upstream_requests_total{{upstream=\"{name}\",code=\"5xx\"}} 7");
        assert_eq!(page.lines().last(), Some(line.as_str()));
    }
}

#[test]
fn every_family_is_told_of_once_and_in_one_piece() {
    let page = render(&samples(&[
        ("requests_total.endpoint.list.result.hit", 5),
        ("requests_total.endpoint.mod.result.error", 1),
        ("cache_bytes.tier.memory", 4096),
        ("workers", 2),
        ("build_info.version.0.1.0", 1),
        ("not_ours", 1),
        ("events_queued.sink.http", 3),
        ("events_queued_bytes.sink.http", 900),
    ]));
    let expected = "\
# HELP goproxy_requests_total Requests of clients, by what was asked for and what became of it.
# TYPE goproxy_requests_total counter
goproxy_requests_total{endpoint=\"list\",result=\"hit\"} 5
goproxy_requests_total{endpoint=\"mod\",result=\"error\"} 1
# HELP goproxy_cache_bytes Bytes that a tier of the cache holds.
# TYPE goproxy_cache_bytes gauge
goproxy_cache_bytes{tier=\"memory\"} 4096
# HELP goproxy_events_queued Records of events that wait for a sink.
# TYPE goproxy_events_queued gauge
goproxy_events_queued{sink=\"http\"} 3
# HELP goproxy_events_queued_bytes Bytes of the records that wait for a sink.
# TYPE goproxy_events_queued_bytes gauge
goproxy_events_queued_bytes{sink=\"http\"} 900
# HELP goproxy_workers Workers that have served a request and are alive.
# TYPE goproxy_workers gauge
goproxy_workers 2
# HELP goproxy_build_info Always 1; the label says which version this is.
# TYPE goproxy_build_info gauge
goproxy_build_info{version=\"0.1.0\"} 1
";
    assert_eq!(page, expected);
}

#[test]
fn a_bucket_is_called_as_its_bound() {
    for (bound, name) in BUCKETS.into_iter().zip(BOUNDS) {
        let seconds = match bound {
            u64::MAX => "+Inf".to_owned(),
            millis => (f64::from(u32::try_from(millis).unwrap()) / 1000.0).to_string(),
        };
        assert_eq!(seconds, name);
    }
    assert!(BUCKETS.is_sorted());
}

#[test]
fn a_histogram_is_one_family_with_its_bounds_in_order() {
    let mut all = Vec::new();
    for endpoint in ["mod", "list"] {
        let name = "request_duration_seconds";
        for (place, bound) in BOUNDS.iter().enumerate() {
            let key = format!("{name}_bucket.endpoint.{endpoint}.le.{bound}");
            all.push((key, u64::try_from(place).unwrap()));
        }
        all.push((format!("{name}_sum.endpoint.{endpoint}"), 12_345));
        all.push((format!("{name}_count.endpoint.{endpoint}"), 14));
    }
    all.sort();
    let page = render(&all);
    let bounds: Vec<&str> = page
        .lines()
        .filter(|line| line.contains("endpoint=\"list\""))
        .filter_map(|line| line.split_once("le=\"")?.1.split_once('"'))
        .map(|(bound, _)| bound)
        .collect();
    assert_eq!(
        bounds,
        [
            "0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10",
            "30", "60", "+Inf"
        ]
    );
    assert_eq!(page.matches("# TYPE").count(), 1, "{page}");
    assert!(page.contains("# TYPE goproxy_request_duration_seconds histogram\n"));
    assert!(page.ends_with(
        "goproxy_request_duration_seconds_sum{endpoint=\"mod\"} 12345\n\
         goproxy_request_duration_seconds_count{endpoint=\"mod\"} 14\n"
    ));
    assert_eq!(page.lines().count(), 2 + 2 * 17);
}

#[test]
fn gauges_that_have_changed_are_told_and_those_that_are_gone_are_0() {
    let all = samples(&[("coalesced_total", 1), ("redis_aside", 2), ("workers", 3)]);
    let before = gauges(&all);
    assert_eq!(before, samples(&[("redis_aside", 2), ("workers", 3)]));
    assert_eq!(changed(&[], &before), before);
    assert_eq!(changed(&before, &before), []);
    let now = samples(&[("events_queued.sink.http", 0), ("workers", 3)]);
    let told = [("redis_aside", 0), ("events_queued.sink.http", 0)];
    let told = told.map(|(key, value)| (key.to_owned(), value));
    assert_eq!(changed(&before, &now), told);
}

#[test]
fn a_value_of_a_label_cannot_end_it() {
    let page = render(&samples(&[("upstream_aside.upstream.a\"} 1\n\\", 2)]));
    assert!(page.ends_with("goproxy_upstream_aside{upstream=\"a\\\"} 1\\n\\\\\"} 2\n"));
}
