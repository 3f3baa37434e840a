//! One flight per process: who is to fetch an object holds a lease on it, in a slot of the shared data, and wakes those
//! who follow when it is there.
//!
//! A lease is short, and its leader renews it while its flight is in the air; one that is not renewed (its worker died)
//! is taken over. It saves upstream calls and is no lock: where it cannot be had, an object is fetched without.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::{TRIES, name, number_of};
use crate::cache::Entry;
use crate::capabilities::{SetError, SharedData};
use crate::metrics::count;
use crate::time::Timestamp;

/// Two objects in one slot are fetched without a lease, so there are many more than flights (30 objects in 64 slots: 14
/// collided). An empty one costs its name, some 100 bytes.
const COUNT: u32 = 4096;
const KIND: &str = "flight";

/// How long followers wait for a leader that died.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// No lease seems to last longer, unless the clock was set back. Another worker reads the clock as its callback begins, and
/// may be kept waiting before it looks: what was taken meanwhile ends later than it seems it could.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);
/// No queue has this number.
const NOBODY: u32 = 0;
/// Followers of one flight in other workers; more than that fetch for themselves.
const MOST_QUEUES: usize = 256;

/// What a flight is to do.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Nothing: the object is there.
    Hit(Box<Entry>),
    /// Fetch it, hold the lease until then, and release it.
    Lead {
        /// Until when, unless it is renewed.
        until: Timestamp,
    },
    /// Wait for a message; look again if none has come by then.
    Follow {
        /// When the leader's lease ends.
        until: Timestamp,
    },
    /// Fetch it without a lease.
    Alone,
}

/// How often something became of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) taken: u64,
    pub(crate) taken_over: u64,
    pub(crate) followed: u64,
}

/// The leases.
pub(crate) struct Leases {
    host: Rc<dyn SharedData>,
    counts: Cell<Counts>,
}

impl Leases {
    /// Makes the slots, once in a process. There is no create-if-absent: a name that does not exist takes any version. So
    /// this is called while configuring, which the host does in its main thread before any worker does.
    pub(super) fn open(host: Rc<dyn SharedData>) -> Self {
        // The last one is made last, and so tells that all are there.
        if COUNT
            .checked_sub(1)
            .is_some_and(|last| host.get(&name(KIND, last)).is_none())
        {
            for number in 0..COUNT {
                let name = name(KIND, number);
                if host.get(&name).is_none() {
                    let _ = host.set(&name, &[], None);
                }
            }
        }
        Self {
            host,
            counts: Cell::default(),
        }
    }

    /// What became of claims since this was called last.
    pub(crate) fn take_counts(&self) -> Counts {
        self.counts.take()
    }

    /// Asks for the lease of an object. `find` looks for the object itself, where a leader puts it before it lets go.
    pub(crate) fn claim(
        &self,
        key: &str,
        now: Timestamp,
        find: impl Fn() -> Option<Entry>,
    ) -> Claim {
        let claim = self.ask(key, now, find, false);
        if matches!(claim, Claim::Follow { .. }) {
            self.count(|counts| &mut counts.followed);
        }
        claim
    }

    /// Looks again, since no message has come by the end of the lease that is followed. Where there is no lease any more
    /// the leader has ended without the object, and its message was lost: nobody queues up anew.
    pub(crate) fn look_again(
        &self,
        key: &str,
        now: Timestamp,
        find: impl Fn() -> Option<Entry>,
    ) -> Claim {
        self.ask(key, now, find, true)
    }

    fn ask(
        &self,
        key: &str,
        now: Timestamp,
        find: impl Fn() -> Option<Entry>,
        again: bool,
    ) -> Claim {
        let (Some(me), Some(slot)) = (self.host.own_queue(), self.slot(key)) else {
            return Claim::Alone;
        };
        for _ in 0..TRIES {
            // The slot is read before the object is looked for: if a leader publishes in between, the version is another.
            let Some((value, version)) = self.host.get(&slot) else {
                return Claim::Alone;
            };
            if let Some(entry) = find() {
                return Claim::Hit(Box::new(entry));
            }
            let mut lease = match Lease::read(&value) {
                Some(lease) if lease.key == key.as_bytes() => lease,
                Some(other) if other.is_held(now) => return Claim::Alone,
                _ if again => return Claim::Alone,
                _ => Lease::new(key),
            };
            let is_followed = lease.is_held(now) && lease.holder != me;
            let is_taken_over = !is_followed && lease.holder != NOBODY;
            if !is_followed {
                lease.take(me, now);
            } else if !lease.add(me) {
                return Claim::Alone;
            }
            match self.host.set(&slot, &lease.write(), Some(version)) {
                Ok(()) if is_followed => return Claim::Follow { until: lease.until },
                Ok(()) => {
                    self.count(|counts| match is_taken_over {
                        true => &mut counts.taken_over,
                        false => &mut counts.taken,
                    });
                    return Claim::Lead { until: lease.until };
                }
                Err(SetError::Changed) => {}
                Err(SetError::Refused) => return Claim::Alone,
            }
        }
        Claim::Alone
    }

    /// The leader's flight is in the air still. Gives the new end, or `None` if another has the lease by now.
    pub(crate) fn renew(&self, key: &str, now: Timestamp) -> Option<Timestamp> {
        let slot = self.slot(key)?;
        for _ in 0..TRIES {
            let (value, version) = self.host.get(&slot)?;
            let mut lease = self.own(&value, key)?;
            lease.until = now.after(LEASE);
            match self.host.set(&slot, &lease.write(), Some(version)) {
                Ok(()) => return Some(lease.until),
                Err(SetError::Changed) => {}
                Err(SetError::Refused) => return None,
            }
        }
        None
    }

    /// The flight is over without an object for others: who follows it fetches for itself. Only the leader may say so.
    pub(crate) fn release(&self, key: &str) {
        self.end(key, |value| self.own(value, key));
    }

    /// The object is in its slot: who waits for it looks there, whoever was to fetch it.
    pub(crate) fn published(&self, key: &str) {
        self.end(key, |value| of(value, key));
    }

    /// Whether a message is still to come for one who follows.
    pub(crate) fn is_followed(&self, key: &str, now: Timestamp) -> bool {
        let value = self.slot(key).and_then(|slot| self.host.get(&slot));
        let lease = value.as_ref().and_then(|(value, _)| of(value, key));
        lease.is_some_and(|lease| {
            let me = self.host.own_queue();
            lease.is_held(now) && lease.queues.iter().any(|queue| Some(*queue) == me)
        })
    }

    /// Empties a slot and wakes who is named in it. If others change it all the time, the lease just ends.
    fn end<'k>(&self, key: &'k str, may_end: impl for<'v> Fn(&'v [u8]) -> Option<Lease<'v>>) {
        let Some(slot) = self.slot(key) else {
            return;
        };
        for _ in 0..TRIES {
            let Some((value, version)) = self.host.get(&slot) else {
                return;
            };
            let Some(lease) = may_end(&value) else {
                return;
            };
            match self.host.set(&slot, &[], Some(version)) {
                Ok(()) => {
                    for queue in lease.queues {
                        // Nobody is left there if this fails.
                        let _ = self.host.enqueue(queue, key.as_bytes());
                    }
                    return;
                }
                Err(SetError::Changed) => {}
                Err(SetError::Refused) => return,
            }
        }
    }

    /// The lease of `key`, if it is this worker's.
    fn own<'v>(&self, value: &'v [u8], key: &str) -> Option<Lease<'v>> {
        let me = self.host.own_queue()?;
        of(value, key).filter(|lease| lease.holder == me)
    }

    fn count(&self, counter: impl FnOnce(&mut Counts) -> &mut u64) {
        let mut counts = self.counts.get();
        count(counter(&mut counts));
        self.counts.set(counts);
    }

    fn slot(&self, key: &str) -> Option<String> {
        number_of(key, COUNT).map(|number| name(KIND, number))
    }
}

fn of<'v>(value: &'v [u8], key: &str) -> Option<Lease<'v>> {
    Lease::read(value).filter(|lease| lease.key == key.as_bytes())
}

/// What is in a slot: when the lease ends (u64, milliseconds), who holds it and how many follow (u32), their queues (u32),
/// little-endian, and the key. An empty slot is idle, and so is one that holds anything else.
struct Lease<'a> {
    until: Timestamp,
    /// The leader's queue; what tells it from other workers and configurations.
    holder: u32,
    queues: Vec<u32>,
    key: &'a [u8],
}

impl<'a> Lease<'a> {
    const fn new(key: &'a str) -> Self {
        Self {
            until: Timestamp::from_millis(0),
            holder: NOBODY,
            queues: Vec::new(),
            key: key.as_bytes(),
        }
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        let (until, value) = value.split_first_chunk::<8>()?;
        let (holder, value) = value.split_first_chunk::<4>()?;
        let (count, value) = value.split_first_chunk::<4>()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        if count > MOST_QUEUES {
            return None;
        }
        let (queues, key) = value.split_at_checked(count.checked_mul(4)?)?;
        let queues = queues.as_chunks::<4>().0.iter();
        Some(Self {
            until: Timestamp::from_millis(u64::from_le_bytes(*until)),
            holder: u32::from_le_bytes(*holder),
            queues: queues.map(|queue| u32::from_le_bytes(*queue)).collect(),
            key,
        })
    }

    fn write(&self) -> Vec<u8> {
        let count = u32::try_from(self.queues.len()).unwrap_or_default();
        let mut value = Vec::with_capacity(self.key.len().saturating_add(64));
        value.extend_from_slice(&self.until.as_millis().to_le_bytes());
        for number in [self.holder, count].iter().chain(&self.queues) {
            value.extend_from_slice(&number.to_le_bytes());
        }
        value.extend_from_slice(self.key);
        value
    }

    /// A lease that ends later than one can was made before the clock was set back, or is none.
    fn is_held(&self, now: Timestamp) -> bool {
        !self.until.is_due(LONGEST, now)
    }

    /// Who followed the leader before follows this one.
    fn take(&mut self, holder: u32, now: Timestamp) {
        self.until = now.after(LEASE);
        self.holder = holder;
        self.queues.retain(|queue| *queue != holder);
    }

    fn add(&mut self, queue: u32) -> bool {
        if self.queues.contains(&queue) {
            return true;
        }
        let fits = self.queues.len() < MOST_QUEUES;
        if fits {
            self.queues.push(queue);
        }
        fits
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
