//! What a person wants to know of all the numbers.

use crate::metrics::Sample;
use crate::{Minute, Report, Timestamp};

/// How requests end, as `requests_total` counts them.
pub(crate) const RESULTS: [&str; 9] = [
    "hit",
    "stale",
    "miss",
    "not_found",
    "denied",
    "bad_request",
    "redirect",
    "error",
    "gone",
];

/// The tiers of the cache, as `cache_operations_total` counts them, the first that is asked first.
pub(crate) const TIERS: [&str; 4] = ["memory", "shared", "redis", "disk"];

/// What happens to the tiers.
pub(crate) const OPERATIONS: [&str; 5] = ["hit", "miss", "failed", "stored", "dropped"];

/// A minute, in milliseconds.
const MINUTE: u64 = 60_000;
/// Minutes that are looked back on, the current one with them.
pub(crate) const LAST_HOUR: u64 = 60;

/// The sum of all samples of a family whose labels have these values; of a label that is not named, any.
pub(crate) fn sum(report: &Report, family: &str, labels: &[(&str, &str)]) -> u64 {
    let samples = report.samples.iter();
    let wanted = samples.filter(|(key, _)| is_of(key, family, labels));
    wanted.fold(0, |sum, (_, value)| sum.saturating_add(*value))
}

/// How many requests ended like this; those for pages are no news on one.
pub(crate) fn answers(report: &Report, result: &str) -> u64 {
    let of = |labels: &[(&str, &str)]| sum(report, "requests_total", labels);
    let pages = [("endpoint", "page"), ("result", result)];
    of(&[("result", result)]).saturating_sub(of(&pages))
}

/// Whether a family has a sample with these labels at all.
pub(crate) fn has(report: &Report, family: &str, labels: &[(&str, &str)]) -> bool {
    report
        .samples
        .iter()
        .any(|(key, _)| is_of(key, family, labels))
}

fn is_of(key: &str, family: &str, labels: &[(&str, &str)]) -> bool {
    let sample = Some(key).filter(|key| key.starts_with(family));
    sample.and_then(Sample::of).is_some_and(|sample| {
        sample.family.name == family && labels.iter().all(|label| sample.labels.contains(label))
    })
}

/// The minutes of the last hour, summed up.
pub(crate) fn last_hour(report: &Report, now: Timestamp) -> Minute {
    let minute = now.as_millis() / MINUTE;
    let mut sum = Minute {
        minute,
        ..Minute::default()
    };
    for one in &report.minutes {
        if minute.saturating_sub(one.minute) < LAST_HOUR {
            sum.requests = sum.requests.saturating_add(one.requests);
            sum.hits = sum.hits.saturating_add(one.hits);
            sum.failures = sum.failures.saturating_add(one.failures);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, busy, test};

    #[test]
    fn samples_are_added_up_over_the_labels_that_nobody_names() {
        let report = busy();
        assert_eq!(sum(&report, "requests_total", &[]), 10_000);
        assert_eq!(sum(&report, "requests_total", &[("result", "hit")]), 9_000);
        let memory = [("tier", "memory"), ("result", "miss")];
        assert_eq!(sum(&report, "cache_operations_total", &memory), 1_000);
        assert_eq!(
            sum(&report, "cache_operations", &[]),
            0,
            "no family of that name"
        );
        assert_eq!(answers(&report, "hit"), 8_900, "without those for pages");
        assert!(has(&report, "cache_operations_total", &[("tier", "redis")]));
        assert!(!has(
            &report,
            "cache_operations_total",
            &[("tier", "shared")]
        ));
    }

    #[test]
    fn an_hour_has_sixty_minutes() {
        let mut report = busy();
        let whole = last_hour(&report, NOW);
        assert_eq!((whole.requests, whole.failures), (42_300, 25));
        let later = NOW.after(std::time::Duration::from_secs(50 * 60));
        assert_eq!(last_hour(&report, later).failures, 25);
        assert_eq!(
            last_hour(&report, later.after(std::time::Duration::from_secs(600))).failures,
            0
        );
        report.minutes.clear();
        assert_eq!(last_hour(&report, NOW).requests, 0);
    }
}
