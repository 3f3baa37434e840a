//! What is counted. The names are fixed, and none holds a module, a version or a tenant.

macro_rules! counters {
    ($($(#[doc = $help:literal])* $name:ident,)*) => {
        /// Counts of one namespace, since the first configuration that uses it began. They wrap never: 2^64 requests take longer than any VM lives.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $help])* pub $name: u64,)*
        }

        impl Counters {
            /// Every counter's name and value, always in the same order.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
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
    /// Entries put into memory.
    stored_total,
    /// Entries that had to go from memory for want of room.
    evicted_total,
}

/// Adds one.
pub(crate) const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
