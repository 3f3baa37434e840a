//! The time as the core sees it: given by the host, never read.

use std::time::Duration;

/// A moment of the wall clock, in milliseconds since the Unix epoch.
///
/// Arithmetic saturates. The host's clock can be set: freshness follows it, and a deadline that was made before it was set
/// back does not wait for it, see [`Timestamp::is_due`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The last moment that can be told.
    pub const MAX: Self = Self(u64::MAX);

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `by` later, or the last one that can be told.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// Whether a deadline, made `span` ahead of the time then, is reached `now`. One that lies further ahead than its own
    /// span was made before the clock was set back: it is reached too, since waiting longer helps nobody.
    pub fn is_due(self, span: Duration, now: Self) -> bool {
        self <= now || self > now.after(span)
    }

    /// Whole seconds from `earlier` to this moment; 0 if the clock went backwards.
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn a_clock_that_goes_backwards_gives_no_negative_age() {
        let early = Timestamp::from_millis(1_000);
        assert_eq!(early.seconds_since(early.after(Duration::from_secs(5))), 0);
        assert_eq!(early.after(Duration::MAX).as_millis(), u64::MAX);
    }

    #[test]
    fn a_deadline_does_not_wait_for_a_clock_that_was_set_back() {
        let (now, span) = (Timestamp::from_millis(3_600_000), Duration::from_secs(1));
        let deadline = now.after(span);
        assert!(!deadline.is_due(span, now) && deadline.is_due(span, deadline));
        assert!(deadline.is_due(span, Timestamp::from_millis(1_000)));
    }
}
