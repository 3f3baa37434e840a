//! All flights of a gateway: their callouts, and the streams that wait on them.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::StreamId;
use crate::cache::shared::Shared;
use crate::cache::{Entry, Key};
use crate::callout::{Callout, CalloutId, CalloutOutcome};
use crate::config::{Invalidation, Redirects};
use crate::flight::{Flight, Landing, Lane, Next, Turn, Want};
use crate::health::Health;
use crate::ids::IdMap;
use crate::metrics::CodeClass;
use crate::redis::Asked;
use crate::time::Timestamp;

/// Callouts that one gateway has in flight at a time.
pub(super) const MAX_CALLOUTS: usize = 512;
/// How many of them may be to one target: an upstream that hangs leaves room for the others.
pub(super) const MAX_TO_ONE: usize = 384;
/// Flights of one gateway, those that wait for room among them.
pub(super) const MAX_FLIGHTS: usize = 4096;

#[derive(Default)]
pub(super) struct Airspace {
    flights: HashMap<Lane, Airborne>,
    /// Callouts whose outcome a flight awaits.
    calls: IdMap<CalloutId, Lane>,
    /// Those of them that the host has, and to whom they are.
    sent: IdMap<CalloutId, Rc<str>>,
    lines: Vec<Line>,
    last_call: u32,
}

/// The callouts to one target.
struct Line {
    target: Rc<str>,
    /// How many of them the host has.
    sent: usize,
    queued: VecDeque<Callout>,
}

impl Line {
    fn has_callout(&self) -> bool {
        !self.queued.is_empty() && self.sent < MAX_TO_ONE
    }
}

/// How long a client waits for upstreams where an old answer can stand in for theirs.
const PATIENCE: Duration = Duration::from_secs(5);

/// A flight, since when, and who waits on it.
struct Airborne {
    flight: Box<Flight>,
    since: Timestamp,
    waiting: Vec<StreamId>,
}

/// Clients that have waited long enough, and the old answer that they get. Their flight goes on.
pub(super) struct Impatient {
    pub(super) key: Key,
    pub(super) stale: Rc<Entry>,
    pub(super) waiting: Vec<StreamId>,
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
    pub(super) invalidate: &'a [Invalidation],
    pub(super) shared: Option<&'a Shared>,
    pub(super) redis: Option<Asked<'a>>,
    pub(super) answers: &'a mut Vec<(Rc<str>, CodeClass)>,
}

impl Airspace {
    /// Waits on the flight of `lane`, if there is one.
    pub(super) fn join(&mut self, lane: &Lane, id: StreamId) -> bool {
        let flight = self.flights.get_mut(lane);
        flight.map(|airborne| airborne.waiting.push(id)).is_some()
    }

    /// Whether there is a flight of `lane`.
    pub(super) fn has(&self, lane: &Lane) -> bool {
        self.flights.contains_key(lane)
    }

    /// Whoever waited on the flight of `lane` is gone.
    pub(super) fn leave(&mut self, lane: &Lane, id: StreamId) {
        if let Some(airborne) = self.flights.get_mut(lane) {
            airborne.waiting.retain(|waiting| *waiting != id);
        }
    }

    /// Whether no further flight may start.
    pub(super) fn is_full(&self) -> bool {
        self.flights.len() >= MAX_FLIGHTS
    }

    /// Starts a flight; it can be over at once, if nobody may be asked.
    pub(super) fn start(
        &mut self,
        want: Want,
        waiting: Vec<StreamId>,
        ground: Ground<'_>,
    ) -> Option<Arrival> {
        let now = ground.now;
        let next = Flight::start(want, &mut self.turn(ground));
        self.proceed(next, now, waiting)
    }

    /// The outcome of a callout is here. An error if nothing waits for it.
    pub(super) fn on_callout(
        &mut self,
        call: CalloutId,
        outcome: CalloutOutcome,
        ground: Ground<'_>,
    ) -> Result<Option<Arrival>, TooLate> {
        let lane = self.forget(call).ok_or(TooLate)?;
        let airborne = self.flights.remove(&lane).ok_or(TooLate)?;
        let Airborne {
            flight,
            since,
            waiting,
        } = airborne;
        let next = flight.on_outcome(outcome, &mut self.turn(ground));
        Ok(self.proceed(next, since, waiting))
    }

    /// The flights for which something is due.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Lane> {
        let due = self
            .flights
            .iter()
            .filter(|(_, airborne)| airborne.flight.is_due(now));
        due.map(|(lane, _)| lane.clone()).collect()
    }

    /// What was due for a flight is due.
    pub(super) fn on_due(&mut self, lane: &Lane, ground: Ground<'_>) -> Option<Arrival> {
        let Airborne {
            flight,
            since,
            waiting,
        } = self.flights.remove(lane)?;
        if let Some(call) = flight.awaited() {
            self.forget(call);
        }
        let next = flight.on_due(&mut self.turn(ground));
        self.proceed(next, since, waiting)
    }

    /// Those who have waited long for what an old answer can stand in for.
    pub(super) fn impatient(&mut self, now: Timestamp) -> Vec<Impatient> {
        let flights = self.flights.iter_mut();
        let long = flights.filter(|(_, airborne)| {
            !airborne.waiting.is_empty() && airborne.since.after(PATIENCE).is_due(PATIENCE, now)
        });
        long.filter_map(|(lane, airborne)| {
            Some(Impatient {
                key: lane.key.clone(),
                stale: airborne.flight.stale()?.clone(),
                waiting: std::mem::take(&mut airborne.waiting),
            })
        })
        .collect()
    }

    /// Another worker has something to say of what is brought.
    pub(super) fn on_message(&mut self, lane: &Lane, ground: Ground<'_>) -> Option<Arrival> {
        let Airborne {
            flight,
            since,
            waiting,
        } = self.flights.remove(lane)?;
        let next = flight.on_message(&mut self.turn(ground));
        self.proceed(next, since, waiting)
    }

    /// Tells other workers of flights that are in the air still.
    pub(super) fn renew(&mut self, shared: &Shared, now: Timestamp) {
        for airborne in self.flights.values_mut() {
            airborne.flight.renew(shared, now);
        }
    }

    /// What other workers may wait for.
    pub(super) fn leading(&self) -> impl Iterator<Item = &Key> {
        let leading = self
            .flights
            .iter()
            .filter(|(_, airborne)| airborne.flight.leads());
        leading.map(|(lane, _)| &lane.key)
    }

    /// The next callout to hand to the host, as long as there is room among those in flight.
    pub(super) fn next_callout(&mut self, now: Timestamp) -> Option<Callout> {
        if self.sent.len() >= MAX_CALLOUTS {
            return None;
        }
        let place = self.lines.iter().position(Line::has_callout)?;
        let line = self.lines.get_mut(place)?;
        let callout = line.queued.pop_front()?;
        line.sent = line.sent.saturating_add(1);
        self.sent.insert(callout.id, line.target.clone());
        // The targets take turns.
        self.lines.rotate_left(place.saturating_add(1));
        if let Some(lane) = self.calls.get(&callout.id).cloned()
            && let Some(airborne) = self.flights.get_mut(&lane)
        {
            airborne.flight.sent(now);
        }
        Some(callout)
    }

    /// Whether a callout may be handed to the host.
    pub(super) fn has_callout(&self) -> bool {
        self.sent.len() < MAX_CALLOUTS && self.lines.iter().any(Line::has_callout)
    }

    /// The name of one more callout.
    pub(super) const fn next_id(&mut self) -> CalloutId {
        self.last_call = self.last_call.wrapping_add(1);
        CalloutId(self.last_call)
    }

    /// Puts a callout into the line of its target. There are as many lines as the configuration has targets.
    pub(super) fn queue(&mut self, callout: Callout) {
        let line = self
            .lines
            .iter_mut()
            .find(|line| line.target == callout.target);
        match line {
            Some(line) => line.queued.push_back(callout),
            None => {
                let target = callout.target.clone();
                self.lines.push(Line {
                    target,
                    sent: 0,
                    queued: VecDeque::from([callout]),
                });
            }
        }
    }

    /// No outcome of the callout is awaited any more, be it with the host or still in its line.
    pub(super) fn forget(&mut self, call: CalloutId) -> Option<Lane> {
        let lane = self.calls.remove(&call);
        match self.sent.remove(&call) {
            Some(target) => {
                if let Some(line) = self.lines.iter_mut().find(|line| line.target == target) {
                    line.sent = line.sent.saturating_sub(1);
                }
            }
            None => self
                .lines
                .iter_mut()
                .for_each(|line| line.queued.retain(|callout| callout.id != call)),
        }
        lane
    }

    fn proceed(&mut self, next: Next, since: Timestamp, waiting: Vec<StreamId>) -> Option<Arrival> {
        match next {
            Next::Fly(flight, callout) => {
                let lane = flight.lane();
                if let Some(callout) = callout {
                    self.calls.insert(callout.id, lane.clone());
                    self.queue(callout);
                }
                let airborne = Airborne {
                    flight,
                    since,
                    waiting,
                };
                self.flights.insert(lane, airborne);
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
        let Ground {
            now,
            health,
            redirects,
            invalidate,
            shared,
            redis,
            answers,
        } = ground;
        Turn {
            next: self.next_id(),
            now,
            health,
            redirects,
            invalidate,
            shared,
            redis,
            answers,
        }
    }
}

/// Nothing waits for the outcome any more.
#[derive(Debug)]
pub(super) struct TooLate;
