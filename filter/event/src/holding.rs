//! `.info` of a version that is not there: held back until it is certain that `go` did not only look for the module.
//!
//! `go get a/b/c@v1.0.0` asks for `a/b/c`, `a/b` and `a` at once. If one of them is there, that the others are not is no
//! failure.

use std::time::Duration;

use super::record::Event;
use crate::time::Timestamp;

/// How long an absence is held back, and how long a find counts.
pub(super) const SPAN: Duration = Duration::from_secs(2);

/// So many are held back; above that the oldest is told before its time.
const MAX_HELD: usize = 256;

/// So many finds are remembered, the newest.
const MAX_FOUND: usize = 512;

/// What is held back, and what was found lately.
#[derive(Default)]
pub(super) struct Holding {
    held: Vec<Held>,
    /// A ring.
    found: Vec<Found>,
    /// Where the next one goes: the place of the oldest, or the end.
    next: usize,
}

struct Held {
    event: Event,
    times: u32,
    until: Timestamp,
}

struct Found {
    module: Box<str>,
    version: Box<str>,
    until: Timestamp,
}

impl Holding {
    /// How many events are held back.
    pub(super) fn open(&self) -> u64 {
        self.held
            .iter()
            .fold(0, |sum, held| sum.saturating_add(held.times.into()))
    }

    /// Holds an event back, and says what became of it.
    pub(super) fn hold(&mut self, event: Event, now: Timestamp) -> Fate {
        let is_near = |found: &Found| {
            !found.until.is_due(SPAN, now)
                && *found.version == *event.version
                && are_nested(&found.module, &event.module)
        };
        if self.found.iter().any(is_near) {
            return Fate::Withdrawn;
        }
        let same = self
            .held
            .iter_mut()
            .find(|held| held.event.identity() == event.identity());
        if let Some(held) = same {
            held.times = held.times.saturating_add(1);
            held.event = event;
            return Fate::Held;
        }
        let full = self.held.len() >= MAX_HELD;
        let pushed_out = full.then(|| self.held.remove(0));
        self.held.push(Held {
            event,
            times: 1,
            until: now.after(SPAN),
        });
        pushed_out.map_or(Fate::Held, |held| Fate::PushedOut(held.event, held.times))
    }

    /// The same client was told the same again: what it was told last is what `go` shows.
    pub(super) fn again(&mut self, event: Event) {
        let mut all = self.held.iter_mut();
        if let Some(held) = all.find(|held| held.event.identity() == event.identity()) {
            held.event = event;
        }
    }

    /// A version was found: how many events are no failures therefore.
    pub(super) fn found(&mut self, module: &str, version: &str, now: Timestamp) -> u64 {
        let before = self.open();
        if !self.held.is_empty() {
            self.held.retain(|held| {
                *held.event.version != *version || !are_nested(module, &held.event.module)
            });
        }
        let found = Found {
            module: module.into(),
            version: version.into(),
            until: now.after(SPAN),
        };
        match self.found.get_mut(self.next) {
            Some(oldest) => *oldest = found,
            None => self.found.push(found),
        }
        self.next = if self.next.saturating_add(1) < MAX_FOUND {
            self.next.saturating_add(1)
        } else {
            0
        };
        before.saturating_sub(self.open())
    }

    /// The next event whose time is over, with its count.
    pub(super) fn next_due(&mut self, now: Timestamp) -> Option<(Event, u32)> {
        let is_due = self
            .held
            .first()
            .is_some_and(|held| held.until.is_due(SPAN, now));
        let held = is_due.then(|| self.held.remove(0));
        held.map(|held| (held.event, held.times))
    }
}

/// What became of an event that was to be held back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is held back.
    Held,
    /// It is held back, and this one must be told now in its place, with its count.
    PushedOut(Event, u32),
    /// It is no failure: its version was found at another path just now.
    Withdrawn,
}

/// Whether one path is the other, or below it.
fn are_nested(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() {
        (one, other)
    } else {
        (other, one)
    };
    long.strip_prefix(short)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::failure;
    use crate::testing::test;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn at(millis: u64) -> Timestamp {
        NOW.after(Duration::from_millis(millis))
    }

    fn absent(module: &str) -> Event {
        failure(module, "v1.0.0", NOW)
    }

    #[test]
    fn an_absence_is_told_after_two_seconds() {
        let mut holding = Holding::default();
        assert_eq!(holding.hold(absent("a/b"), NOW), Fate::Held);
        assert_eq!(holding.next_due(at(1_999)), None);
        assert_eq!(holding.next_due(at(2_000)), Some((absent("a/b"), 1)));
        assert_eq!(holding.next_due(at(2_000)), None);
    }

    #[test]
    fn what_is_found_at_a_longer_or_shorter_path_withdraws_it_in_either_order() {
        for (absent_at, found_at, version, withdrawn) in [
            ("a/b", "a/b/c", "v1.0.0", true),
            ("a/b", "a", "v1.0.0", true),
            ("a/b", "a/b", "v1.0.0", true),
            ("a/b", "a/bc", "v1.0.0", false),
            ("a/b", "a/c", "v1.0.0", false),
            ("a/b", "a/b/c", "v1.0.1", false),
        ] {
            let mut after = Holding::default();
            after.hold(absent(absent_at), NOW);
            assert_eq!(
                after.found(found_at, version, at(1_500)),
                u64::from(withdrawn),
                "{found_at} {version}"
            );
            assert_eq!(
                after.next_due(at(5_000)).is_none(),
                withdrawn,
                "{found_at} {version}"
            );

            let mut before = Holding::default();
            before.found(found_at, version, NOW);
            let expected = if withdrawn {
                Fate::Withdrawn
            } else {
                Fate::Held
            };
            assert_eq!(
                before.hold(absent(absent_at), at(1_500)),
                expected,
                "{found_at} {version}"
            );
        }
    }

    #[test]
    fn a_find_counts_for_two_seconds() {
        let mut holding = Holding::default();
        holding.found("a", "v1.0.0", NOW);
        assert_eq!(holding.hold(absent("a/b"), at(2_000)), Fate::Held);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_for_longer() {
        let mut holding = Holding::default();
        holding.hold(absent("a"), at(100_000));
        assert!(holding.next_due(NOW).is_some());
    }

    #[test]
    fn the_same_absence_is_held_once_and_counted() {
        let mut holding = Holding::default();
        for _ in 0..3 {
            assert_eq!(holding.hold(absent("a"), NOW), Fate::Held);
        }
        assert_eq!(holding.open(), 3);
        assert_eq!(holding.next_due(at(2_000)).map(|(_, times)| times), Some(3));
    }

    #[test]
    fn what_is_held_is_bounded_and_nothing_is_lost() {
        let mut holding = Holding::default();
        let mut told = 0;
        for number in 0..1_000 {
            if let Fate::PushedOut(_, times) = holding.hold(absent(&format!("m{number}")), NOW) {
                told += u64::from(times);
            }
        }
        assert_eq!(holding.held.len(), MAX_HELD);
        assert_eq!(told + holding.open(), 1_000);
        for number in 0..10_000 {
            holding.found(&format!("f{number}"), "v2.0.0", NOW);
        }
        assert_eq!(holding.found.len(), MAX_FOUND);
    }
}
