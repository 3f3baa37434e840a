//! What the workers of one process share, as a gateway uses it: entries in slots, leases on flights, and messages.

use std::rc::Rc;

use super::Gateway;
use crate::age::{Age, age_of, is_invalidated};
use crate::cache::shared::Counts;
use crate::cache::{Entry, Key};
use crate::flight::{Goal, Lane, Want};
use crate::goproxy::Request;
use crate::time::Timestamp;
use crate::upstream::Source;

impl Gateway {
    /// Another worker, or whoever else knows this gateway's queue, has put a message into it: the name of what landed.
    pub fn on_message(&mut self, message: &[u8], now: Timestamp) {
        let Ok(name) = std::str::from_utf8(message) else {
            return;
        };
        let lane = Lane {
            key: Key::named(name),
            caches_only: false,
        };
        if self.airspace.has(&lane) {
            let arrival =
                self.with_ground(now, |airspace, ground| airspace.on_message(&lane, ground));
            self.land(arrival, now);
        }
    }

    /// What the workers share of an object, if it may be served at all.
    pub(super) fn shared(
        &self,
        key: &Key,
        request: &Request,
        source: &Source,
        now: Timestamp,
    ) -> Option<(Rc<Entry>, Age)> {
        let found = self.shared.as_ref()?.slots.get(key.as_str());
        if found.is_err() {
            self.count(|counters| &mut counters.shared_refused_total);
        }
        let entry = found.ok().flatten()?;
        let age = age_of(&entry, source, now);
        let is_dead = age == Age::Dead || is_invalidated(&self.invalidate, &entry, request);
        (!is_dead).then(|| (Rc::new(entry), age))
    }

    /// Puts an entry where all workers find it, and wakes those who wait for it; tells whether it is there.
    pub(super) fn share(&self, key: &Key, entry: &Entry) -> bool {
        let Some(shared) = &self.shared else {
            return false;
        };
        let is_there = shared.slots.put(key.as_str(), entry);
        if is_there {
            self.count(|counters| &mut counters.shared_stored_total);
            shared.leases.published(key.as_str());
        }
        is_there
    }

    /// A flight has landed. If it held the lease still, it has nothing for those who follow it.
    pub(super) fn let_go(&self, want: &Want) {
        if let Some(shared) = &self.shared
            && want.goal == Goal::Fetch
        {
            shared.leases.release(want.key.as_str());
        }
    }

    /// Time has passed: leases are renewed, and the size in force may be another.
    pub(super) fn tend_shared(&mut self, now: Timestamp) {
        if let Some(shared) = &self.shared {
            shared.slots.refresh();
            self.airspace.renew(shared, now);
        }
    }

    /// Flights that end untold, since this gateway ends.
    pub(super) fn abandon_leases(&self) {
        if let Some(shared) = &self.shared {
            for key in self.airspace.leading() {
                shared.leases.release(key.as_str());
            }
        }
    }

    pub(super) fn count_leases(&self) {
        let Some(shared) = &self.shared else {
            return;
        };
        let Counts {
            taken,
            taken_over,
            followed,
        } = shared.leases.take_counts();
        let counters = &mut self.space.borrow_mut().counters;
        for (counter, by) in [
            (&mut counters.leases_taken_total, taken),
            (&mut counters.leases_taken_over_total, taken_over),
            (&mut counters.leases_followed_total, followed),
        ] {
            *counter = counter.saturating_add(by);
        }
    }
}
