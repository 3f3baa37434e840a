//! What is counted, where it is counted, and under which keys it is told. The keys are those of `goproxy_pages::metrics`, and
//! none holds a module, a version or a tenant.

mod events;
mod exported;
mod labels;
mod requests;

use std::rc::Rc;

use crate::event::Journal;
use crate::redis::Missed;
use crate::text::ErrorType;

pub(crate) use exported::Exported;
pub use labels::{CodeClass, EndpointLabel, ResultLabel};
pub use requests::Requests;

/// Of how many upstreams is counted how they answer. A configuration has 80 at most; those of old ones count too.
const MAX_UPSTREAMS: usize = 128;

/// Takes a sample's key in parts, and its value; `None`: it is not told yet.
pub(crate) type Tell<'a> = dyn FnMut(&[&str], Option<u64>) + 'a;

macro_rules! counters {
    ($($(#[doc = $help:literal])* $name:ident => $key:literal,)*) => {
        /// Counts of one namespace, since the first configuration that uses it began. They wrap never: 2^64 requests take longer than any VM lives.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $help])* pub $name: u64,)*
            /// Requests that ended.
            pub requests: Requests,
            /// Why callouts to Redis were in vain, by the reason.
            pub redis_missed: Reasons,
            failures: [u64; ErrorType::ALL.len()],
            upstreams: Vec<(Rc<str>, [u64; CodeClass::ALL.len()])>,
        }

        impl Counters {
            const KEYS: &[&str] = &[$($key,)*];

            fn plain(&self) -> impl Iterator<Item = u64> {
                [$(self.$name,)*].into_iter()
            }
        }
    };
}

counters! {
    /// Answered from memory.
    memory_hits_total => "cache_operations_total.tier.memory.result.hit",
    /// Not in memory, or no longer fresh.
    memory_misses_total => "cache_operations_total.tier.memory.result.miss",
    /// Entries put into memory.
    stored_total => "cache_operations_total.tier.memory.result.stored",
    /// Entries that had to go from memory for want of room.
    evicted_total => "cache_evictions_total.tier.memory",
    /// Answered from what the workers of the process share.
    shared_hits_total => "cache_operations_total.tier.shared.result.hit",
    /// Not in memory, and not had from what is shared.
    shared_misses_total => "cache_operations_total.tier.shared.result.miss",
    /// Found in what is shared, and no valid entry: a miss too.
    shared_refused_total => "cache_operations_total.tier.shared.result.failed",
    /// Put where all workers find it.
    shared_stored_total => "cache_operations_total.tier.shared.result.stored",
    /// Read from Redis.
    redis_hits_total => "cache_operations_total.tier.redis.result.hit",
    /// Asked of Redis, and not had from it.
    redis_misses_total => "cache_operations_total.tier.redis.result.miss",
    /// Asked of Redis in vain: a miss too, and told by its reason as well.
    redis_failures_total => "cache_operations_total.tier.redis.result.failed",
    /// Written to Redis.
    redis_writes_total => "cache_operations_total.tier.redis.result.stored",
    /// Not written to Redis: no room in the queue, or Redis did not take it.
    redis_writes_dropped_total => "cache_operations_total.tier.redis.result.dropped",
    /// Archives that were on the disk.
    disk_hits_total => "cache_operations_total.tier.disk.result.hit",
    /// Archives asked of the host's disk cache that were not there, or that it did not give.
    disk_misses_total => "cache_operations_total.tier.disk.result.miss",
    /// Times that the disk cache failed, or what came through it broke off.
    disk_failures_total => "cache_operations_total.tier.disk.result.failed",
    /// Waited on a flight that another request had started.
    coalesced_total => "coalesced_total",
    /// Old entries served, since the upstreams failed or while they are asked anew.
    stale_served_total => "stale_served_total",
    /// Entries asked for anew in the background.
    refreshes_total => "refreshes_total",
    /// Archives and other large objects handed to the host to stream.
    forwarded_total => "forwarded_total",
    /// Refused because too many flights were waiting.
    overloads_total => "overloads_total",
    /// Callouts handed to the host, those that it refuses to send too.
    callouts_total => "callouts_total",
    /// Outcomes of callouts that nothing waited for any more.
    late_outcomes_total => "late_outcomes_total",
    /// Flights that ended without an answer that can be passed on.
    flight_failures_total => "flight_failures_total",
    /// Leases of flights that nobody else had in the air.
    leases_taken_total => "leases_total.result.taken",
    /// Leases taken over from a worker that did not renew them.
    leases_taken_over_total => "leases_total.result.taken_over",
    /// Flights that waited for one of another worker.
    leases_followed_total => "leases_total.result.followed",
}

impl Counters {
    /// A request to an upstream ended like this.
    pub fn note_upstream(&mut self, upstream: &Rc<str>, code: CodeClass) {
        let place = self.place_of(upstream);
        let counts = self.upstreams.get_mut(place);
        if let Some(counter) = counts.and_then(|(_, counts)| counts.get_mut(code as usize)) {
            count(counter);
        }
    }

    /// An upstream may be asked from now on.
    pub(crate) fn expect_upstream(&mut self, upstream: &Rc<str>) {
        self.place_of(upstream);
    }

    /// Where an upstream is counted. Beyond the bound the last one stands for the others.
    fn place_of(&mut self, upstream: &Rc<str>) -> usize {
        let known = self.upstreams.iter().position(|(name, _)| name == upstream);
        if known.is_none() && self.upstreams.len() < MAX_UPSTREAMS {
            self.upstreams.push((upstream.clone(), Default::default()));
        }
        known.unwrap_or(self.upstreams.len().saturating_sub(1))
    }

    /// A download failed, and that is told.
    pub fn note_failure(&mut self, error: ErrorType) {
        if let Some(counter) = self.failures.get_mut(error as usize) {
            count(counter);
        }
    }

    /// Tells of every sample, always in the same order; what comes to be known later comes last.
    #[inline(never)]
    pub(crate) fn each(&self, journal: &Journal, tell: &mut Tell<'_>) {
        for (key, value) in Self::KEYS.iter().zip(self.plain()) {
            tell(&[key], Some(value));
        }
        for (reason, value) in Missed::names().zip(self.redis_missed.0) {
            tell(&["redis_missed_total", "reason", reason], Some(value));
        }
        for (error, value) in ErrorType::ALL.into_iter().zip(self.failures) {
            // What `go` does not send is no download.
            let value = (error != ErrorType::BadRequest).then_some(value);
            tell(&["failures_total", "reason", error.as_str()], value);
        }
        self.requests.each(tell);
        events::each(journal, tell);
        for (name, counts) in &self.upstreams {
            let family = ["upstream_requests_total", "upstream", name];
            each_of(&family, "code", (&CodeClass::ALL, counts), true, tell);
        }
    }

    /// All counts added up: it is another as soon as one of them is. A tick of an idle worker need not look at each.
    #[inline(never)]
    fn sum(&self, journal: &Journal) -> u64 {
        let mut sum = events::sum(journal).wrapping_add(self.requests.number());
        let upstreams = self.upstreams.iter().flat_map(|(_, counts)| counts);
        let arrays = self.redis_missed.0.iter().chain(&self.failures);
        for value in self.plain().chain(arrays.chain(upstreams).copied()) {
            sum = sum.wrapping_add(value);
        }
        // A new upstream has no count yet.
        let upstreams = u64::try_from(self.upstreams.len()).unwrap_or_default();
        sum.wrapping_add(upstreams)
    }

    /// The value of a sample that is not an event's, by its key.
    pub fn get(&self, key: &str) -> Option<u64> {
        let mut found = None;
        self.each(&Journal::default(), &mut |parts, value| {
            if value.is_some() && goproxy_pages::metrics::key(parts) == key {
                found = value;
            }
        });
        found
    }
}

/// Tells of all values of one label. Errors are told of in any case: the first is seen to come only where there was a 0 before.
#[inline(never)]
fn each_of(
    family: &[&str; 3],
    label: &str,
    (names, values): (&[&str], &[u64]),
    is_told: bool,
    tell: &mut Tell<'_>,
) {
    let [family, first, value_of_first] = *family;
    for (name, value) in names.iter().zip(values) {
        let is_told = is_told || *name == "error";
        let parts = [family, first, value_of_first, label, *name];
        tell(&parts, is_told.then_some(*value));
    }
}

/// Why callouts to Redis were in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons([u64; Missed::NUMBER]);

impl Reasons {
    pub(crate) fn count(&mut self, missed: Missed) {
        if let Some(counter) = self.0.get_mut(missed.place()) {
            count(counter);
        }
    }
}

/// Adds one.
pub(crate) const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests;
