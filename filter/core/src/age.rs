//! What an entry is good for, by its age and by what the configuration says of it.

use crate::cache::Entry;
use crate::config::Invalidation;
use crate::goproxy::Request;
use crate::time::Timestamp;
use crate::upstream::Source;

/// What an entry is good for, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Age {
    /// It is served.
    Fresh,
    /// It is served, and asked for anew (RFC 5861, section 3).
    Aging,
    /// It is served if the upstreams fail (RFC 5861, section 4).
    Old,
    /// It is not served.
    Dead,
}

/// What an entry is good for now. What says that an object is not there is never served for longer than it is fresh.
pub(crate) fn age_of(entry: &Entry, source: &Source, now: Timestamp) -> Age {
    let head = entry.head();
    if now < head.fresh_until {
        return Age::Fresh;
    }
    let freshness = &source.freshness;
    if head.status != 200 || now >= head.stale_until {
        Age::Dead
    } else if head.stale_until == Timestamp::MAX {
        // What never changes is served for as long as it is held.
        Age::Aging
    } else if now < head.fresh_until.after(freshness.stale_while_revalidate) {
        Age::Aging
    } else {
        Age::Old
    }
}

/// Whether the configuration says that an entry is too old to be served at all.
pub(crate) fn is_invalidated(rules: &[Invalidation], entry: &Entry, request: &Request) -> bool {
    if rules.is_empty() {
        return false;
    }
    let module = request.module().unwrap_or_default();
    let matches = |rule: &Invalidation| rule.modules.iter().any(|pattern| pattern.matches(&module));
    rules
        .iter()
        .any(|rule| entry.head().stored_at.as_millis() < rule.before && matches(rule))
}
