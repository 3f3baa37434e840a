//! Passive health: which upstreams failed lately and are not asked for a while.
//!
//! The rule is nginx's (`max_fails`, `fail_timeout` of `ngx_http_upstream_module`), made safe for a module proxy: the
//! failures must be of different modules, since one module that an upstream cannot serve says little about the others.

use crate::callout::CalloutOutcome;
use crate::memo::Memo;
use crate::time::Timestamp;
use crate::upstream::Upstream;

/// Of how many upstreams a namespace remembers how they are. A configuration has far fewer.
const REMEMBERED: usize = 256;

/// How the upstreams of a namespace are.
pub(crate) struct Health {
    records: Memo<Record>,
}

#[derive(Default)]
struct Record {
    /// Modules whose requests failed in a row, each once.
    failed: Vec<Box<str>>,
    aside_until: Timestamp,
    /// When it was put aside, or when it worked again.
    since: Option<Timestamp>,
    /// It was put aside and has not answered since: one more failure is enough.
    on_probation: bool,
}

/// What an outcome says of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It works, whatever it said: 401, 403, 429, 500 and nonsense are answers.
    Well,
    /// Refused, reset, timeout, 502 to 504.
    Ill,
    /// It was not asked.
    None,
}

impl Sign {
    pub(crate) const fn of(outcome: &CalloutOutcome) -> Self {
        match outcome {
            CalloutOutcome::Answer(answer) => Self::of_status(answer.status),
            CalloutOutcome::Unreachable | CalloutOutcome::Reset | CalloutOutcome::Timeout => {
                Self::Ill
            }
            CalloutOutcome::NotSent | CalloutOutcome::UnknownTarget => Self::None,
        }
    }

    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            502..=504 => Self::Ill,
            _ => Self::Well,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            records: Memo::new(REMEMBERED),
        }
    }
}

impl Health {
    /// Whether the upstream is not to be asked where there is another.
    pub(crate) fn is_aside(&self, upstream: &Upstream, now: Timestamp) -> bool {
        self.records
            .peek(&upstream.name)
            .is_some_and(|record| !record.aside_until.is_due(upstream.fail_timeout, now))
    }

    /// For how many seconds the upstream is still not to be asked.
    pub(crate) fn aside_for(&self, upstream: &Upstream, now: Timestamp) -> Option<u64> {
        let record = self.records.peek(&upstream.name)?;
        // Rounded up: what is left alone is so for a while.
        self.is_aside(upstream, now)
            .then(|| record.aside_until.seconds_since(now).saturating_add(1))
    }

    /// A request for `module`, retries included, ended like this.
    pub(crate) fn note(&mut self, upstream: &Upstream, module: &str, sign: Sign, now: Timestamp) {
        match sign {
            Sign::None => {}
            Sign::Well => self.worked(upstream, now),
            Sign::Ill if upstream.max_fails > 0 => self.failed(upstream, module, now),
            Sign::Ill => {}
        }
    }

    /// Whether the upstream is aside, and since when it is as it is, if that is known.
    pub(crate) fn state(&self, upstream: &Upstream, now: Timestamp) -> (bool, Option<Timestamp>) {
        let is_aside = self.is_aside(upstream, now);
        let since = self.records.peek(&upstream.name).and_then(|record| {
            // Its time is over, and nobody has asked it since.
            let is_open = record.on_probation && !is_aside;
            is_open.then_some(record.aside_until).or(record.since)
        });
        (is_aside, since)
    }

    fn worked(&mut self, upstream: &Upstream, now: Timestamp) {
        let Some(record) = self.records.get_mut(&upstream.name) else {
            return;
        };
        let since = record.on_probation.then_some(now).or(record.since);
        *record = Record {
            since,
            ..Record::default()
        };
    }

    fn failed(&mut self, upstream: &Upstream, module: &str, now: Timestamp) {
        let Some(record) = self.records.get_or_default(&upstream.name) else {
            return;
        };
        if !record.failed.iter().any(|known| **known == *module) {
            record.failed.push(module.into());
        }
        let failures = u32::try_from(record.failed.len()).unwrap_or(u32::MAX);
        if record.on_probation || failures >= upstream.max_fails {
            record.failed.clear();
            if !record.on_probation {
                record.since = Some(now);
            }
            record.on_probation = true;
            record.aside_until = now.after(upstream.fail_timeout);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::test;

    /// Whether the upstream is aside after these modules failed (`+`: one worked), one a second.
    fn aside_after(max_fails: u32, modules: &str) -> bool {
        let (mut health, upstream) = (Health::default(), Upstream::example("up", max_fails));
        let mut now = Timestamp::from_millis(0);
        for module in modules.chars() {
            let sign = if module == '+' { Sign::Well } else { Sign::Ill };
            health.note(&upstream, &module.to_string(), sign, now);
            now = now.after(Duration::from_secs(1));
        }
        health.is_aside(&upstream, now)
    }

    #[test]
    fn failures_in_a_row_of_different_modules_put_an_upstream_aside() {
        for (max_fails, modules, aside) in [
            (3, "abc", true),
            (3, "ab", false),
            (3, "aaaaaa", false),
            (3, "aabbab", false),
            (3, "ab+c", false),
            (3, "ab+cde", true),
            (1, "a", true),
            (0, "abcdefgh", false),
        ] {
            assert_eq!(
                aside_after(max_fails, modules),
                aside,
                "{max_fails} {modules}"
            );
        }
    }

    #[test]
    fn after_its_time_it_is_asked_again_and_one_more_failure_is_enough() {
        let (mut health, upstream) = (Health::default(), Upstream::example("up", 2));
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        health.note(&upstream, "a", Sign::Ill, at(0));
        health.note(&upstream, "b", Sign::Ill, at(0));
        assert!(health.is_aside(&upstream, at(7)) && !health.is_aside(&upstream, at(8)));
        health.note(&upstream, "c", Sign::Ill, at(9));
        assert!(health.is_aside(&upstream, at(10)));
        health.note(&upstream, "c", Sign::Well, at(18));
        health.note(&upstream, "d", Sign::Ill, at(19));
        assert!(!health.is_aside(&upstream, at(19)));
    }

    #[test]
    fn it_is_known_since_when_an_upstream_is_aside_or_works_again() {
        let (mut health, upstream) = (Health::default(), Upstream::example("up", 1));
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let state = |health: &Health, seconds| health.state(&upstream, at(seconds));
        health.note(&upstream, "a", Sign::Well, at(1));
        assert_eq!(state(&health, 1), (false, None), "always well");
        health.note(&upstream, "a", Sign::Ill, at(10));
        assert_eq!(state(&health, 17), (true, Some(at(10))));
        assert_eq!(
            state(&health, 19),
            (false, Some(at(18))),
            "its time is over"
        );
        health.note(&upstream, "a", Sign::Ill, at(20));
        assert_eq!(state(&health, 21), (true, Some(at(10))), "all the time");
        health.note(&upstream, "a", Sign::Well, at(29));
        health.note(&upstream, "a", Sign::Well, at(31));
        assert_eq!(state(&health, 40), (false, Some(at(29))));
    }

    #[test]
    fn a_refusal_is_no_illness() {
        for (status, sign) in [
            (401, Sign::Well),
            (403, Sign::Well),
            (429, Sign::Well),
            (500, Sign::Well),
        ] {
            assert_eq!(Sign::of_status(status), sign, "{status}");
        }
        for status in 502..=504 {
            assert_eq!(Sign::of_status(status), Sign::Ill, "{status}");
        }
        assert_eq!(Sign::of(&CalloutOutcome::UnknownTarget), Sign::None);
    }
}
