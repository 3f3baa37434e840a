//! The time as the core sees it: given by the host, never read.

use std::time::Duration;

/// A moment of the wall clock, in milliseconds since the Unix epoch.
///
/// Arithmetic saturates: a host clock that jumps can make an entry fresh or stale too early, and nothing worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

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
}
