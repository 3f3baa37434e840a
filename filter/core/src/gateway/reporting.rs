//! What a gateway tells of what was counted: to the host, to the other workers, and to people.
//!
//! A worker tells the others everything, in a slot of the shared data: at once, if something has changed, but at most once a
//! second. The host adds up counters by itself. Gauges it only takes as they are, so one worker speaks for all.

use std::rc::{Rc, Weak};
use std::time::Duration;

use goproxy_pages::{Own, Place, Report, metrics};

use super::Gateway;
use crate::event::Sink;
use crate::metrics::Counters;
use crate::store::Namespace;
use crate::time::Timestamp;
use crate::upstream::Upstream;

/// What has changed is told this often at most,
const OFTEN: Duration = Duration::from_secs(1);
/// and what has not, too: it says that this worker lives.
const SELDOM: Duration = Duration::from_secs(5);

/// What one configuration has to be told of.
pub(super) struct Configured {
    pub(super) upstreams: Vec<Rc<Upstream>>,
    pub(super) redis: bool,
    /// Of the configuration's bytes.
    pub(super) digest: u64,
}

/// What a namespace has told.
#[derive(Default)]
pub(crate) struct Reporting {
    /// What is told of, of each configuration that is at work; the last one came last.
    configured: Vec<Weak<Configured>>,
    /// Counting since.
    since: Option<Timestamp>,
    own: Option<Own>,
    /// When the last report was written.
    at: Timestamp,
    has_changed: bool,
    /// The gauges that the host has.
    gauges: Vec<(String, u64)>,
}

impl Reporting {
    /// Whether it is time for a report.
    fn is_due(&self, now: Timestamp) -> bool {
        let span = if self.has_changed { OFTEN } else { SELDOM };
        self.at.after(span).is_due(span, now)
    }
}

impl Gateway {
    /// What was counted in this gateway's namespace.
    pub fn counters(&self) -> Counters {
        self.space.borrow().counters.clone()
    }

    /// What was counted in this gateway's namespace since this was called last, by any gateway of the namespace: keys and
    /// increments.
    #[inline(never)]
    pub fn take_counts(&mut self) -> Vec<(String, u64)> {
        let mut space = self.space.borrow_mut();
        let Namespace {
            counters,
            exported,
            journal,
            reporting,
            ..
        } = &mut *space;
        let counts = exported.take(counters, journal);
        reporting.has_changed |= !counts.is_empty();
        counts
    }

    /// On every tick: tells the other workers what was counted here. If this one speaks to the host for all of them, what comes
    /// back are the gauges that have changed: keys and values.
    #[inline(never)]
    pub fn publish(&mut self, now: Timestamp) -> Vec<(String, u64)> {
        let mut space = self.space.borrow_mut();
        space.reporting.since.get_or_insert(now);
        if !space.reporting.is_due(now) {
            return Vec::new();
        }
        let report = space.report(now);
        let own = self.slots.as_ref().and_then(|slots| {
            slots.put(space.reporting.own, &space.worker, &self.namespace, &report)
        });
        space.reporting.own = own;
        space.reporting.at = now;
        space.reporting.has_changed = false;
        let gauges = match (&self.slots, own) {
            (Some(slots), Some(own)) if slots.is_first(own, now) => slots.gauges(now),
            // Somebody else does, or nobody knows who.
            (Some(_), _) => return Vec::new(),
            (None, _) => metrics::gauges(&report.samples),
        };
        let before = std::mem::replace(&mut space.reporting.gauges, gauges);
        metrics::changed(&before, &space.reporting.gauges)
    }

    /// What all workers of the process tell of this namespace, added up.
    pub fn process_report(&self, now: Timestamp) -> Report {
        let space = self.space.borrow();
        let mut sum = space.report(now);
        if let Some(slots) = &self.slots {
            slots.each(space.reporting.own, now, &mut |found| {
                if !found.is_own && *found.namespace == *self.namespace {
                    sum.add(found.report);
                }
            });
        }
        // Whoever wrote last may have another configuration still.
        sum.at = now;
        sum.digest = hex(self.configured.digest);
        sum
    }

    /// Nobody tells of this namespace any more.
    pub(super) fn withdraw_report(&self) {
        if Rc::strong_count(&self.space) == 1
            && let Some(slots) = &self.slots
            && let Ok(space) = self.space.try_borrow()
            && let Some(own) = space.reporting.own
        {
            slots.release(own);
        }
    }
}

impl Namespace {
    /// A configuration is put to work.
    pub(super) fn expect(&mut self, configured: &Rc<Configured>) {
        for upstream in &configured.upstreams {
            self.counters.expect_upstream(&upstream.name);
        }
        let all = &mut self.reporting.configured;
        all.retain(|one| one.strong_count() > 0);
        all.push(Rc::downgrade(configured));
    }

    /// What this worker tells.
    #[inline(never)]
    fn report(&self, now: Timestamp) -> Report {
        let since = self.reporting.since.unwrap_or(now);
        let mut report = Report {
            at: now,
            since,
            workers: 1,
            minutes: self.counters.requests.minutes(now),
            ..Report::default()
        };
        self.counters.each(&self.journal, &mut |parts, value| {
            if let Some(value) = value {
                report.count(&metrics::key(parts), value);
            }
        });
        report.count("workers", 1);
        let version = ["build_info", "version", env!("CARGO_PKG_VERSION")];
        report.count(&metrics::key(&version), 1);
        report.count("cache_bytes.tier.memory", number(self.memory.bytes()));
        report.count("cache_entries.tier.memory", number(self.memory.len()));
        for (sink, name) in [(Sink::Stdout, "stdout"), (Sink::Http, "http")] {
            let (queued, bytes) = (self.journal.queued(sink), self.journal.queued_bytes(sink));
            report.count(&["events_queued.sink.", name].concat(), number(queued));
            report.count(&["events_queued_bytes.sink.", name].concat(), number(bytes));
        }
        for line in self.journal.recent() {
            report.remember((**line).into());
        }
        for configured in self.reporting.configured.iter().filter_map(Weak::upgrade) {
            report.digest = hex(configured.digest);
            for upstream in &configured.upstreams {
                self.report_upstream(&mut report, upstream, now);
            }
            if configured.redis && report.redis.is_none() {
                let (is_aside, at) = self.redis.breaker.state();
                let place = place("redis", is_aside, at, since);
                report.count("redis_aside", u64::from(place.aside));
                let queue = self.redis.writes.bytes();
                report.count("redis_queue_bytes", number(queue));
                report.redis = Some(place);
            }
        }
        report
    }

    /// Two configurations may name the same one.
    fn report_upstream(&self, report: &mut Report, upstream: &Upstream, now: Timestamp) {
        let known = report
            .upstreams
            .binary_search_by(|known| (*known.name).cmp(&*upstream.name));
        let Err(at) = known else {
            return;
        };
        let (is_aside, since) = self.health.state(upstream, now);
        let place = place(&upstream.name, is_aside, since, report.since);
        let key = ["upstream_aside.upstream.", &upstream.name].concat();
        report.count(&key, u64::from(place.aside));
        report.upstreams.insert(at, place);
    }
}

/// A place, and since when it is as it is: from the start, if nothing else is known.
fn place(name: &str, is_aside: bool, since: Option<Timestamp>, start: Timestamp) -> Place {
    Place {
        name: name.to_owned(),
        aside: u32::from(is_aside),
        since: since.unwrap_or(start),
    }
}

fn number(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// 16 hex digits.
fn hex(number: u64) -> String {
    let digits = number.to_be_bytes().into_iter();
    let digits = digits.flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
