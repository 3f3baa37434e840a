//! When Redis is left alone: after some failures in a row, until it answers a probe.

use std::time::Duration;

use crate::time::Timestamp;

/// Whether Redis is asked. Open means that it is not.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    state: State,
    /// When it opened, or closed again.
    since: Option<Timestamp>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// The next probe is due then.
    Open(Timestamp),
    /// A probe is under way.
    Probing,
}

impl Breaker {
    pub(crate) fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// Whether it is open, and since when it is as it is, if that is known.
    pub(crate) fn state(&self) -> (bool, Option<Timestamp>) {
        (self.is_open(), self.since)
    }

    /// Whether it is time for a probe.
    pub(crate) fn wants_probe(&self, fail_timeout: Duration, now: Timestamp) -> bool {
        matches!(self.state, State::Open(until) if until.is_due(fail_timeout, now))
    }

    /// A probe is under way.
    pub(crate) fn probing(&mut self) {
        self.state = State::Probing;
    }

    /// What was under way when the breaker opened may still fail: that opens it for no longer.
    pub(crate) fn failed(&mut self, max_fails: u32, until: Timestamp, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.state == State::Closed && max_fails > 0 && self.failures >= max_fails {
            self.state = State::Open(until);
            self.since = Some(now);
        }
    }

    /// It works. What was asked before the breaker opened closes it too.
    pub(crate) fn worked(&mut self, now: Timestamp) {
        let since = self.is_open().then_some(now).or(self.since);
        *self = Self {
            since,
            ..Self::default()
        };
    }

    /// The probe failed, or nobody will ever hear of it.
    pub(crate) fn probe_failed(&mut self, until: Timestamp) {
        if self.state == State::Probing {
            self.state = State::Open(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    const SPAN: Duration = Duration::from_secs(2);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn failures_in_a_row_open_it_and_only_an_answer_closes_it() {
        let mut breaker = Breaker::default();
        breaker.failed(2, at(2), at(0));
        breaker.worked(at(1));
        breaker.failed(2, at(2), at(0));
        assert_eq!(breaker.state(), (false, None), "it was never open");
        breaker.failed(2, at(2), at(0));
        assert_eq!(breaker.state(), (true, Some(at(0))));
        assert!(breaker.is_open() && !breaker.wants_probe(SPAN, at(1)));
        assert!(breaker.wants_probe(SPAN, at(2)));
        breaker.probing();
        assert!(
            breaker.is_open() && !breaker.wants_probe(SPAN, at(99)),
            "one probe at a time"
        );
        breaker.probe_failed(at(4));
        assert!(!breaker.wants_probe(SPAN, at(3)) && breaker.wants_probe(SPAN, at(4)));
        assert_eq!(breaker.state(), (true, Some(at(0))), "all the time");
        breaker.worked(at(5));
        breaker.worked(at(6));
        assert_eq!(breaker.state(), (false, Some(at(5))));
    }

    #[test]
    fn late_failures_do_not_postpone_the_probe() {
        let mut breaker = Breaker::default();
        breaker.failed(1, at(2), at(0));
        breaker.failed(1, at(9), at(0));
        assert!(breaker.wants_probe(SPAN, at(2)));
    }

    #[test]
    fn without_a_limit_it_never_opens() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            breaker.failed(0, at(9), at(0));
        }
        assert!(!breaker.is_open());
    }
}
