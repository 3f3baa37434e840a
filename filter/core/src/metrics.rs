//! What is counted. The names are fixed, and none holds a module, a version or a tenant.

use crate::redis::Missed;

macro_rules! counters {
    ($($(#[doc = $help:literal])* $name:ident,)*) => {
        /// Counts of one namespace, since the first configuration that uses it began. They wrap never: 2^64 requests take longer than any VM lives.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $help])* pub $name: u64,)*
            /// Why callouts to Redis were in vain, by the reason.
            pub redis_missed: Reasons,
            pub(crate) requests: Requests,
        }

        impl Counters {
            /// Every counter's name, its reason where it has one, and its value, always in the same order.
            pub fn all(&self) -> impl Iterator<Item = (Metric, u64)> {
                [$((Metric { name: stringify!($name), reason: "" }, self.$name),)*]
                    .into_iter()
                    .chain(self.redis_missed.all("redis_missed_total"))
            }
        }
    };
}

/// What a count is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Metric {
    /// The counter's name, without the prefix of all of them.
    pub name: &'static str,
    /// Its label `reason`; empty: it has none.
    pub reason: &'static str,
}

counters! {
    /// Requests that are the gateway's, whatever became of them.
    requests_total,
    /// Answered from memory.
    memory_hits_total,
    /// Not in memory, or no longer fresh.
    memory_misses_total,
    /// Waited on a flight that another request had started.
    coalesced_total,
    /// Callouts handed to the host, those that it refuses to send too.
    callouts_total,
    /// Flights that ended without an answer that can be passed on.
    flight_failures_total,
    /// Archives and other large objects handed to the host to stream.
    forwarded_total,
    /// Refused because too many flights were waiting.
    overloads_total,
    /// Outcomes of callouts that nothing waited for any more.
    late_outcomes_total,
    /// Answered from what the workers of the process share.
    shared_hits_total,
    /// Not in memory, and not had from what is shared.
    shared_misses_total,
    /// Found in what is shared, and no valid entry.
    shared_refused_total,
    /// Leases of flights that nobody else had in the air.
    leases_taken_total,
    /// Leases taken over from a worker that did not renew them.
    leases_taken_over_total,
    /// Flights that waited for one of another worker.
    leases_followed_total,
    /// Archives asked of the host's disk cache.
    disk_requests_total,
    /// Archives that were on the disk.
    disk_hits_total,
    /// Times that the disk cache failed, or what came through it broke off.
    disk_failures_total,
    /// Read from Redis.
    redis_hits_total,
    /// Asked of Redis, and not had from it.
    redis_misses_total,
    /// Written to Redis.
    redis_writes_total,
    /// Not written to Redis: no room in the queue, or Redis did not take it.
    redis_writes_dropped_total,
    /// Old entries served, since the upstreams failed or while they are asked anew.
    stale_served_total,
    /// Entries asked for anew in the background.
    refreshes_total,
    /// Entries put into memory.
    stored_total,
    /// Entries that had to go from memory for want of room.
    evicted_total,
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

    fn all(self, name: &'static str) -> impl Iterator<Item = (Metric, u64)> {
        let metric = move |reason| Metric { name, reason };
        Missed::names().map(metric).zip(self.0)
    }
}

/// Adds one.
pub(crate) const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

// STANDIN
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests;
impl Requests {
    pub(crate) fn note(
        &mut self,
        _e: EndpointLabel,
        _r: ResultLabel,
        _m: u64,
        _n: crate::time::Timestamp,
    ) {
    }
}
impl Counters {
    pub(crate) fn note_upstream(&mut self, _u: &std::rc::Rc<str>, _c: CodeClass) {}
    pub(crate) fn note_failure(&mut self, _e: crate::text::ErrorType) {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointLabel {
    List,
    Latest,
    Info,
    Query,
    Mod,
    Zip,
    Sumdb,
    Page,
    Other,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultLabel {
    Hit,
    Stale,
    Miss,
    NotFound,
    Denied,
    BadRequest,
    Redirect,
    Error,
    Gone,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeClass {
    C2xx,
    C3xx,
    C4xx,
    C5xx,
    Timeout,
    Connection,
}
impl ResultLabel {
    pub(crate) fn of_status(s: u16) -> Self {
        match s {
            404 | 410 => Self::NotFound,
            401 | 403 | 451 | 429 => Self::Denied,
            400 | 405 | 414 => Self::BadRequest,
            200 | 304 => Self::Hit,
            _ => Self::Error,
        }
    }
}
impl CodeClass {
    pub(crate) fn of_status(s: u16) -> Self {
        match s {
            300..=399 => Self::C3xx,
            400..=499 => Self::C4xx,
            500..=599 => Self::C5xx,
            _ => Self::C2xx,
        }
    }
    pub(crate) fn of(o: &crate::callout::CalloutOutcome) -> Option<Self> {
        use crate::callout::CalloutOutcome as O;
        Some(match o {
            O::Answer(a) => Self::of_status(a.status),
            O::Timeout => Self::Timeout,
            O::Unreachable | O::Reset | O::NotSent => Self::Connection,
            O::UnknownTarget => return None,
        })
    }
}
impl From<crate::goproxy::Endpoint> for EndpointLabel {
    fn from(e: crate::goproxy::Endpoint) -> Self {
        use crate::goproxy::Endpoint as E;
        match e {
            E::List => Self::List,
            E::Latest => Self::Latest,
            E::Info => Self::Info,
            E::Query => Self::Query,
            E::Mod => Self::Mod,
            E::Zip => Self::Zip,
            _ => Self::Sumdb,
        }
    }
}
