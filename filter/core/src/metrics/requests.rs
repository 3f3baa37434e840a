//! Requests that ended: how many, how long they took, and the last hour by minutes.
//!
//! To note one is some additions in arrays: it is on the way of every hit.

use goproxy_pages::Minute;
use goproxy_pages::metrics::{BOUND, BOUNDS, BUCKETS};

use super::labels::{EndpointLabel, ResultLabel};
use super::{Tell, count, each_of};
use crate::time::Timestamp;

const MINUTES: usize = 60;
const MINUTE_MILLIS: u64 = 60_000;

/// Requests that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    number: u64,
    endpoints: [Counted; EndpointLabel::ALL.len()],
    /// Each in the place that its number modulo 60 says, as long as no later one is there.
    minutes: [Minute; MINUTES],
}

/// What was counted of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    results: [u64; ResultLabel::ALL.len()],
    /// Those that took as long as each bucket says, and longer than the one before.
    durations: [u64; BUCKETS.len()],
    /// Of all durations, in milliseconds.
    sum: u64,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            number: 0,
            endpoints: [Counted::default(); EndpointLabel::ALL.len()],
            minutes: [Minute::default(); MINUTES],
        }
    }
}

impl Requests {
    /// A request ended `now`, `millis` milliseconds after it had begun.
    pub fn note(
        &mut self,
        endpoint: EndpointLabel,
        result: ResultLabel,
        millis: u64,
        now: Timestamp,
    ) {
        count(&mut self.number);
        if let Some(counted) = self.endpoints.get_mut(endpoint as usize) {
            counted.note(result, millis);
        }
        // Probes come all day; they would be most of what a person sees.
        if endpoint == EndpointLabel::Page {
            return;
        }
        let minute = now.as_millis() / MINUTE_MILLIS;
        let place = usize::try_from(minute % 60).unwrap_or_default();
        let Some(counted) = self.minutes.get_mut(place) else {
            return;
        };
        // A clock that is set back begins its minutes anew.
        if counted.minute != minute {
            *counted = Minute {
                minute,
                ..Minute::default()
            };
        }
        count(&mut counted.requests);
        if result.is_hit() {
            count(&mut counted.hits);
        }
        if result == ResultLabel::Error {
            count(&mut counted.failures);
        }
    }

    /// How many there were.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The minutes of the last hour in which a request ended that was none for a page, oldest first.
    pub fn minutes(&self, now: Timestamp) -> Vec<Minute> {
        let this = now.as_millis() / MINUTE_MILLIS;
        let first = this.saturating_sub(59);
        let mut minutes = Vec::with_capacity(MINUTES);
        for minute in first..=this {
            let place = usize::try_from(minute % 60).unwrap_or_default();
            let counted = self.minutes.get(place).copied().unwrap_or_default();
            if counted.minute == minute && counted.requests > 0 {
                minutes.push(counted);
            }
        }
        minutes
    }

    /// Tells of every sample. An endpoint that was asked for tells all of its results, and every one its errors: the first is
    /// seen to come only where there was a 0 before.
    pub(super) fn each(&self, tell: &mut Tell<'_>) {
        for (endpoint, counted) in EndpointLabel::ALL.into_iter().zip(&self.endpoints) {
            let mut number = 0_u64;
            for by in counted.results {
                number = number.saturating_add(by);
            }
            let is_told = number > 0;
            let family = ["requests_total", "endpoint", endpoint];
            let results = (&ResultLabel::ALL[..], &counted.results[..]);
            each_of(&family, "result", results, is_told, tell);
            let mut buckets = counted.durations;
            let mut cumulative = 0_u64;
            for bucket in &mut buckets {
                cumulative = cumulative.saturating_add(*bucket);
                *bucket = cumulative;
            }
            let family = ["request_duration_seconds_bucket", "endpoint", endpoint];
            each_of(&family, BOUND, (&BOUNDS, &buckets), is_told, tell);
            let told = |value: u64| is_told.then_some(value);
            let family = "request_duration_seconds_sum";
            // Hosts count in whole numbers: the sum is at most a second too low.
            tell(&[family, "endpoint", endpoint], told(counted.sum / 1000));
            let family = "request_duration_seconds_count";
            tell(&[family, "endpoint", endpoint], told(number));
        }
    }
}

impl Counted {
    fn note(&mut self, result: ResultLabel, millis: u64) {
        if let Some(counter) = self.results.get_mut(result as usize) {
            count(counter);
        }
        let place = BUCKETS.iter().position(|bound| millis <= *bound);
        if let Some(counter) = place.and_then(|place| self.durations.get_mut(place)) {
            count(counter);
        }
        self.sum = self.sum.saturating_add(millis);
    }
}
