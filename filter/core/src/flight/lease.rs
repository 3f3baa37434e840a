//! How flights of one object in several workers become one: who has the lease goes on, the others follow.

use std::rc::Rc;
use std::time::Duration;

use super::{Flight, Goal, Landing, Next, State, Turn};
use crate::age::{age_of, is_invalidated};
use crate::cache::Entry;
use crate::cache::shared::{Claim, LONGEST, Shared};
use crate::time::Timestamp;

/// A lease is renewed so long before it ends, and many ticks fit into that.
const RENEWED: Duration = Duration::from_millis(1500);
/// Nobody follows longer, whoever renews the lease: the default time limit of an upstream.
const PATIENCE: Duration = Duration::from_secs(120);

impl Flight {
    /// Asks for the lease, if this flight is to bring an object that others could want.
    pub(super) fn claim(self, turn: &mut Turn<'_>) -> Next {
        let Some(shared) = turn.shared.filter(|_| self.want.goal == Goal::Fetch) else {
            return self.ask_redis(turn);
        };
        let claim = shared
            .leases
            .claim(self.want.key.as_str(), turn.now, || self.find(shared, turn));
        self.on_claim(claim, None, turn)
    }

    /// The lease that is followed ends, or did before a clock was set.
    pub(super) fn look_again(self, since: Timestamp, turn: &mut Turn<'_>) -> Next {
        let shared = turn
            .shared
            .filter(|_| !since.after(PATIENCE).is_due(PATIENCE, turn.now));
        let Some(shared) = shared else {
            return self.ask_redis(turn);
        };
        let key = self.want.key.as_str();
        let claim = shared
            .leases
            .look_again(key, turn.now, || self.find(shared, turn));
        self.on_claim(claim, Some(since), turn)
    }

    /// Another worker says that it has landed. Where it has put nothing for others, each goes on alone at once: nobody
    /// waits for one more answer that may be for one only.
    pub(crate) fn on_message(self, turn: &mut Turn<'_>) -> Next {
        let (State::Following { .. }, Some(shared)) = (&self.state, turn.shared) else {
            return Next::Fly(Box::new(self), None);
        };
        if let Some(entry) = self.find(shared, turn) {
            return self.land_behind(entry, true);
        }
        // Anybody can write to a queue.
        let is_followed = shared.leases.is_followed(self.want.key.as_str(), turn.now);
        if is_followed {
            return Next::Fly(Box::new(self), None);
        }
        self.ask_redis(turn)
    }

    /// Tells other workers that this flight is in the air still, if they wait for it.
    pub(crate) fn renew(&mut self, shared: &Shared, now: Timestamp) {
        let soon = now.after(RENEWED);
        if self.leads.is_some_and(|until| until.is_due(LONGEST, soon)) {
            self.leads = shared.leases.renew(self.want.key.as_str(), now);
        }
    }

    /// Whether other workers may wait for this flight.
    pub(crate) const fn leads(&self) -> bool {
        self.leads.is_some()
    }

    fn on_claim(
        mut self,
        claim: Claim,
        following_since: Option<Timestamp>,
        turn: &mut Turn<'_>,
    ) -> Next {
        match claim {
            Claim::Hit(entry) => self.land_behind(*entry, following_since.is_some()),
            Claim::Follow { until } => {
                let since = following_since.unwrap_or(turn.now);
                self.state = State::Following { until, since };
                Next::Fly(Box::new(self), None)
            }
            Claim::Lead { until } => {
                self.leads = Some(until);
                self.ask_redis(turn)
            }
            Claim::Alone => self.ask_redis(turn),
        }
    }

    fn land_behind(self, entry: Entry, followed: bool) -> Next {
        let entry = Rc::new(entry);
        Next::Land(self.want, Landing::Shared { entry, followed })
    }

    /// What the workers share of the object, if it will do.
    fn find(&self, shared: &Shared, turn: &Turn<'_>) -> Option<Entry> {
        let found = shared.slots.get(self.want.key.as_str()).ok().flatten();
        found.filter(|entry| {
            !is_invalidated(turn.invalidate, entry, &self.want.request)
                && age_of(entry, &self.want.source, turn.now) <= self.want.worst_age()
        })
    }
}
