//! What became of events, as their journal counts it.

use super::Tell;
use crate::event::{Journal, Sink};

/// The sinks, and what they are called.
const SINKS: [(Sink, &str); 2] = [(Sink::Stdout, "stdout"), (Sink::Http, "http")];

/// Tells of what only grows.
pub(super) fn each(journal: &Journal, tell: &mut Tell<'_>) {
    for (sink, name) in SINKS {
        let tally = journal.tally(sink);
        for (result, value) in [
            ("emitted", tally.emitted),
            ("delivered", tally.delivered),
            ("suppressed", tally.suppressed),
            ("dropped", tally.dropped),
            ("refused", tally.refused),
        ] {
            let parts = ["events_total", "sink", name, "result", result];
            tell(&parts, Some(value));
        }
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
