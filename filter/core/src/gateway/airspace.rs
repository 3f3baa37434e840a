//! All flights of a gateway: their callouts, and the streams that wait on them.

use std::collections::{HashMap, VecDeque};

use super::StreamId;
use crate::cache::Key;
use crate::callout::{Callout, CalloutId, CalloutOutcome};
use crate::config::Redirects;
use crate::flight::{Flight, Landing, Next, Turn, Want};
use crate::health::Health;
use crate::time::Timestamp;

/// Callouts that one gateway has in flight at a time.
pub(super) const MAX_CALLOUTS: usize = 512;
/// Callouts that wait for room among them.
pub(super) const MAX_QUEUED: usize = 4096;

#[derive(Default)]
pub(super) struct Airspace {
    flights: HashMap<Key, Airborne>,
    /// Callouts whose outcome is awaited.
    calls: HashMap<CalloutId, Key>,
    /// How many of them the host has.
    sent: usize,
    outbox: VecDeque<Callout>,
    last_call: u32,
}

/// A flight, and who waits on it.
struct Airborne {
    flight: Box<Flight>,
    waiting: Vec<StreamId>,
}

/// A flight that is over, and who waited on it.
pub(super) struct Arrival {
    pub(super) want: Want,
    pub(super) landing: Landing,
    pub(super) waiting: Vec<StreamId>,
}

/// What flights share with the rest of a gateway.
pub(super) struct Ground<'a> {
    pub(super) now: Timestamp,
    pub(super) health: &'a mut Health,
    pub(super) redirects: &'a Redirects,
}

impl Airspace {
    /// Waits on the flight of `key`, if there is one.
    pub(super) fn join(&mut self, key: &Key, id: StreamId) -> bool {
        let flight = self.flights.get_mut(key);
        flight.map(|airborne| airborne.waiting.push(id)).is_some()
    }

    /// Whether no further flight may start.
    pub(super) fn is_full(&self) -> bool {
        self.outbox.len() >= MAX_QUEUED
    }

    /// Starts a flight; it can be over at once, if nobody may be asked.
    pub(super) fn start(
        &mut self,
        want: Want,
        id: StreamId,
        ground: Ground<'_>,
    ) -> Option<Arrival> {
        let next = Flight::start(want, &mut self.turn(ground));
        self.proceed(next, vec![id])
    }

    /// The outcome of a callout is here. An error if nothing waits for it.
    pub(super) fn on_callout(
        &mut self,
        call: CalloutId,
        outcome: CalloutOutcome,
        ground: Ground<'_>,
    ) -> Result<Option<Arrival>, TooLate> {
        let key = self.calls.remove(&call).ok_or(TooLate)?;
        self.sent = self.sent.saturating_sub(1);
        let Airborne { flight, waiting } = self.flights.remove(&key).ok_or(TooLate)?;
        let next = flight.on_outcome(outcome, &mut self.turn(ground));
        Ok(self.proceed(next, waiting))
    }

    /// The flights for which something is due.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Key> {
        let due = self
            .flights
            .iter()
            .filter(|(_, airborne)| airborne.flight.is_due(now));
        due.map(|(key, _)| key.clone()).collect()
    }

    /// What was due for a flight is due.
    pub(super) fn on_due(&mut self, key: &Key, ground: Ground<'_>) -> Option<Arrival> {
        let Airborne { flight, waiting } = self.flights.remove(key)?;
        if let Some(call) = flight.awaited() {
            self.calls.remove(&call);
            self.sent = self.sent.saturating_sub(1);
        }
        let next = flight.on_due(&mut self.turn(ground));
        self.proceed(next, waiting)
    }

    /// The next callout to hand to the host, as long as there is room among those in flight.
    pub(super) fn next_callout(&mut self, now: Timestamp) -> Option<Callout> {
        if self.sent >= MAX_CALLOUTS {
            return None;
        }
        let callout = self.outbox.pop_front()?;
        if let Some(key) = self.calls.get(&callout.id).cloned()
            && let Some(Airborne { flight, waiting }) = self.flights.remove(&key)
        {
            self.flights.insert(
                key,
                Airborne {
                    flight: Box::new(flight.sent(now)),
                    waiting,
                },
            );
        }
        self.sent = self.sent.saturating_add(1);
        Some(callout)
    }

    /// Whether a callout may be handed to the host.
    pub(super) fn has_callout(&self) -> bool {
        !self.outbox.is_empty() && self.sent < MAX_CALLOUTS
    }

    fn proceed(&mut self, next: Next, waiting: Vec<StreamId>) -> Option<Arrival> {
        match next {
            Next::Fly(flight, callout) => {
                let key = flight.key().clone();
                if let Some(callout) = callout {
                    self.calls.insert(callout.id, key.clone());
                    self.outbox.push_back(callout);
                }
                self.flights.insert(key, Airborne { flight, waiting });
                None
            }
            Next::Land(want, landing) => Some(Arrival {
                want,
                landing,
                waiting,
            }),
        }
    }

    fn turn<'a>(&mut self, ground: Ground<'a>) -> Turn<'a> {
        self.last_call = self.last_call.wrapping_add(1);
        let Ground {
            now,
            health,
            redirects,
        } = ground;
        Turn {
            next: CalloutId(self.last_call),
            now,
            health,
            redirects,
        }
    }
}

/// Nothing waits for the outcome any more.
#[derive(Debug)]
pub(super) struct TooLate;
