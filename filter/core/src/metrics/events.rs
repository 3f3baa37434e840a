//! What became of events, as their journal counts it.

use super::{Tell, each_of};
use crate::event::{Journal, Sink};

/// The sinks, and what they are called.
const SINKS: [(Sink, &str); 2] = [(Sink::Stdout, "stdout"), (Sink::Http, "http")];

/// What becomes of an event.
const RESULTS: [&str; 5] = ["emitted", "delivered", "suppressed", "dropped", "refused"];

/// What only grows, added up.
pub(super) fn sum(journal: &Journal) -> u64 {
    let counts = journal.counts();
    let mut sum = counts
        .looked_around
        .wrapping_add(counts.second_requests)
        .wrapping_add(counts.withdrawn);
    for (sink, _) in SINKS {
        let tally = journal.tally(sink);
        for value in [
            tally.emitted,
            tally.delivered,
            tally.suppressed,
            tally.dropped,
            tally.refused,
        ] {
            sum = sum.wrapping_add(value);
        }
    }
    sum
}

/// Tells of what only grows.
pub(super) fn each(journal: &Journal, tell: &mut Tell<'_>) {
    for (sink, name) in SINKS {
        let tally = journal.tally(sink);
        let values = [
            tally.emitted,
            tally.delivered,
            tally.suppressed,
            tally.dropped,
            tally.refused,
        ];
        let family = ["events_total", "sink", name];
        each_of(&family, "result", (&RESULTS, &values), true, tell);
    }
    let counts = journal.counts();
    for (reason, value) in [
        ("looked_around", counts.looked_around),
        ("second_request", counts.second_requests),
        ("withdrawn", counts.withdrawn),
    ] {
        tell(&["failures_ignored_total", "reason", reason], Some(value));
    }
}
