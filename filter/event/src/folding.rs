//! Many events of one identity become one record a minute.
//!
//! The first one is told at once; those that follow in its window are folded, and told by the next record: the number of
//! events is always the sum of 1 + `suppressed` over the records. Each record has another window, and so a name of its own.

use std::time::Duration;

use super::id::{Identity, Window};
use super::record::Event;
use crate::time::Timestamp;

/// Identities that are known at once: a table of sets, of which an identity's bits choose one. In a full set the one that
/// was heard of least lately gives way; what it has folded is told before its time. So many that a mirror's outage, ten thousand
/// modules at once, is folded; the table takes 0.9 MB, once there is an event.
const SETS: usize = 1024;
const WAYS: usize = 16;

/// So many places are looked at by one call for those whose window is over: their windows all end at once, and their
/// records shall not.
const AT_ONCE: usize = 256;

/// An identity is forgotten when nothing was heard of it for so long. The second request that `go` makes for a 4xx comes
/// within it.
const QUIET: Duration = Duration::from_secs(10);

/// A clock that is set back by more than this makes windows of its own.
const SET_BACK: Duration = Duration::from_secs(60);

/// What is known of each identity.
#[derive(Default)]
pub(super) struct Folding {
    /// Empty until the first event.
    table: Vec<Option<State>>,
    /// Where the next look for windows that are over begins.
    hand: usize,
    /// How many are folded and not told yet.
    open: u64,
}

/// A record to be made: its event, how many others it stands for, and its window.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fold {
    pub(super) event: Event,
    pub(super) suppressed: u32,
    pub(super) window: Window,
}

struct State {
    identity: Identity,
    /// Of the last record; `None`: there was none yet.
    window: Option<Window>,
    touched: Timestamp,
    /// First requests that were not followed by their second one.
    unpaired: u16,
    folded: u32,
    /// The last one that was folded.
    last: Option<Box<Event>>,
}

// === impl Folding ===

impl Folding {
    /// How many events are folded and not told yet.
    pub(super) const fn open(&self) -> u64 {
        self.open
    }

    /// Whether a 4xx is what `go` asks a second time over https, with another `User-Agent`, for what it was told already.
    ///
    /// Whoever says it is `go` itself asks the first time; who does not may be asking either time (before 1.26 `go` did
    /// not say). So the second of two is the one that does not, and has one before it that is not paired yet.
    pub(super) fn is_second_request(
        &mut self,
        identity: Identity,
        asks_first: bool,
        now: Timestamp,
        told: &mut Vec<Fold>,
    ) -> bool {
        let Some(state) = self.state(identity, now, told) else {
            return false;
        };
        let is_quiet = state.is_quiet(now);
        state.touched = now;
        if !asks_first && state.unpaired > 0 && !is_quiet {
            state.unpaired = state.unpaired.saturating_sub(1);
            return true;
        }
        if is_quiet {
            state.unpaired = 0;
        }
        state.unpaired = state.unpaired.saturating_add(1);
        false
    }

    /// `times` events happened, of which this is the last. What is to be told goes into `told`: the event itself where
    /// its window has no record yet (unless `later`), and what has to make room for it.
    pub(super) fn note(
        &mut self,
        event: Event,
        times: u32,
        later: bool,
        now: Timestamp,
        told: &mut Vec<Fold>,
    ) {
        let window = Window::of(now);
        let Some(state) = self.state(event.identity(), now, told) else {
            return;
        };
        if later && state.window.is_none() {
            state.window = Some(window);
        }
        let has_record = state.has_record(window, now);
        state.touched = now;
        if has_record {
            state.folded = state.folded.saturating_add(times);
            state.last = Some(Box::new(event));
            self.open = self.open.saturating_add(times.into());
            return;
        }
        state.window = Some(window);
        let (_, folded) = state.take();
        self.open = self.open.saturating_sub(folded.into());
        told.push(Fold {
            event,
            suppressed: folded.saturating_add(times).saturating_sub(1),
            window,
        });
    }

    /// Tells what was folded in windows that are over, some at a time, and forgets what is quiet.
    pub(super) fn due(&mut self, now: Timestamp, told: &mut Vec<Fold>) {
        let window = Window::of(now);
        for _ in 0..AT_ONCE.min(self.table.len()) {
            let hand = self.hand;
            self.hand = if hand.saturating_add(1) < self.table.len() {
                hand.saturating_add(1)
            } else {
                0
            };
            let Some(place) = self.table.get_mut(hand) else {
                return;
            };
            let is_over = |state: &mut State| state.is_quiet(now) && !state.has_record(window, now);
            let Some(mut state) = place.take_if(is_over) else {
                continue;
            };
            let (Some(event), folded) = state.take() else {
                continue;
            };
            // What follows in this window is folded: it has its record.
            *place = Some(State {
                window: Some(window),
                ..State::new(state.identity, now)
            });
            self.open = self.open.saturating_sub(folded.into());
            told.push(Fold {
                event: *event,
                suppressed: folded.saturating_sub(1),
                window,
            });
        }
    }

    /// What is known of an identity, made if nothing is. There is always one.
    fn state(
        &mut self,
        identity: Identity,
        now: Timestamp,
        told: &mut Vec<Fold>,
    ) -> Option<&mut State> {
        if self.table.is_empty() {
            self.table.resize_with(SETS.saturating_mul(WAYS), || None);
        }
        let first = identity.choose(SETS).saturating_mul(WAYS);
        let set = self.table.get(first..first.saturating_add(WAYS))?;
        let is_known = |place: &Option<State>| {
            place
                .as_ref()
                .is_some_and(|state| state.identity == identity)
        };
        let way = match set.iter().position(is_known) {
            Some(way) => way,
            // An empty place was touched before all others.
            None => {
                let touched = |(_, place): &(usize, &Option<State>)| {
                    place.as_ref().map(|state| state.touched)
                };
                set.iter().enumerate().min_by_key(touched)?.0
            }
        };
        let place = first.saturating_add(way);
        let known = self
            .table
            .get_mut(place)?
            .take_if(|state| state.identity != identity);
        if let Some(state) = known {
            self.push_out(state, now, told);
        }
        Some(
            self.table
                .get_mut(place)?
                .get_or_insert_with(|| State::new(identity, now)),
        )
    }

    /// An identity is forgotten to make room; what it has folded is told.
    fn push_out(&mut self, mut state: State, now: Timestamp, told: &mut Vec<Fold>) {
        let (Some(event), folded) = state.take() else {
            return;
        };
        self.open = self.open.saturating_sub(folded.into());
        told.push(Fold {
            event: *event,
            suppressed: folded.saturating_sub(1),
            // Its own window has a record.
            window: state.window.map_or(Window::of(now), Window::next),
        });
    }
}

// === impl State ===

impl State {
    const fn new(identity: Identity, now: Timestamp) -> Self {
        Self {
            identity,
            window: None,
            touched: now,
            unpaired: 0,
            folded: 0,
            last: None,
        }
    }

    fn is_quiet(&self, now: Timestamp) -> bool {
        self.touched.after(QUIET).is_due(QUIET, now)
    }

    /// Whether a window has its record, or the one behind it does.
    fn has_record(&self, window: Window, now: Timestamp) -> bool {
        self.touched <= now.after(SET_BACK) && self.window.is_some_and(|last| last >= window)
    }

    /// Takes the last that is folded, and how many are.
    fn take(&mut self) -> (Option<Box<Event>>, u32) {
        (self.last.take(), std::mem::take(&mut self.folded))
    }
}

#[cfg(test)]
#[path = "folding_tests.rs"]
mod tests;
