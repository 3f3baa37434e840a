//! What an upstream's answer means: there, not there, or a failure.

use std::rc::Rc;
use std::time::Duration;

use crate::callout::CalloutOutcome;
use crate::text::ErrorType;

/// What a status code says of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 200: the only success that `go` knows.
    Found,
    /// 404 and 410, the two that `go` falls through on.
    Missing(Missing),
    /// Anything else.
    Failed(Fault),
}

/// The two ways of not being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// 404
    NotFound,
    /// 410
    Gone,
}

/// Ways to fail, from the mildest to the worst: in a chain the worst one is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// 403: the upstream's policy.
    Forbidden,
    /// 451.
    UnavailableForLegalReasons,
    /// 429.
    RateLimited,
    /// 401: what is missing is the gateway's credential, not the client's.
    Unauthorized,
    /// Any other status, by its code.
    Status(u16),
    /// 200 with a body that is not the object.
    InvalidBody,
    /// The host knows no such target.
    UnknownTarget,
    /// Not asked: it failed lately.
    Aside,
    /// The answer broke off.
    Reset,
    /// No answer at all.
    Unreachable,
    /// No answer in time.
    Timeout,
}

impl Verdict {
    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            200 => Self::Found,
            404 => Self::Missing(Missing::NotFound),
            410 => Self::Missing(Missing::Gone),
            401 => Self::Failed(Fault::Unauthorized),
            403 => Self::Failed(Fault::Forbidden),
            429 => Self::Failed(Fault::RateLimited),
            451 => Self::Failed(Fault::UnavailableForLegalReasons),
            other => Self::Failed(Fault::Status(other)),
        }
    }
}

impl Missing {
    pub(crate) const fn error_type(self) -> ErrorType {
        match self {
            Self::NotFound => ErrorType::NotFound,
            Self::Gone => ErrorType::Gone,
        }
    }
}

impl Fault {
    pub(crate) const fn error_type(self) -> ErrorType {
        match self {
            Self::Forbidden | Self::UnavailableForLegalReasons => ErrorType::PolicyDenied,
            Self::RateLimited | Self::Unauthorized | Self::Status(400..=499) => {
                ErrorType::Upstream4xx
            }
            Self::Status(_) => ErrorType::Upstream5xx,
            Self::InvalidBody => ErrorType::InvalidBody,
            Self::Aside | Self::Unreachable | Self::UnknownTarget => ErrorType::Connection,
            Self::Reset => ErrorType::Truncated,
            Self::Timeout => ErrorType::Timeout,
        }
    }

    /// The upstream's status, where it gave one.
    pub(crate) const fn status(self) -> Option<u16> {
        match self {
            Self::Forbidden => Some(403),
            Self::UnavailableForLegalReasons => Some(451),
            Self::RateLimited => Some(429),
            Self::Unauthorized => Some(401),
            Self::Status(status) => Some(status),
            Self::InvalidBody => Some(200),
            Self::UnknownTarget | Self::Aside | Self::Reset | Self::Unreachable | Self::Timeout => {
                None
            }
        }
    }

    /// Whether an old answer may stand in for it. A refusal is an answer, and no outage.
    pub(crate) const fn is_outage(self) -> bool {
        !matches!(
            self,
            Self::Forbidden
                | Self::UnavailableForLegalReasons
                | Self::RateLimited
                | Self::Unauthorized
        )
    }

    /// The sentence for the person at `go`, where the upstream itself said nothing.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Forbidden => "the upstream refused: 403 Forbidden".to_owned(),
            Self::UnavailableForLegalReasons => {
                "the upstream refused: 451 Unavailable For Legal Reasons".to_owned()
            }
            Self::RateLimited => {
                "the upstream asks for fewer requests: 429 Too Many Requests".to_owned()
            }
            Self::Unauthorized => {
                "the upstream wants a credential that the gateway does not have: 401".to_owned()
            }
            Self::Status(status @ 300..=399) => {
                format!("the upstream redirects ({status}), which is not followed")
            }
            Self::Status(status) => format!("the upstream answered {status}"),
            Self::InvalidBody => "the upstream's answer is not what was asked for".to_owned(),
            Self::UnknownTarget => {
                "the gateway's host has no such target: a mistake in its configuration".to_owned()
            }
            Self::Aside => {
                "the upstream failed again and again, and is not asked for some seconds".to_owned()
            }
            Self::Reset => "the upstream's answer broke off".to_owned(),
            Self::Unreachable => "the upstream cannot be reached".to_owned(),
            Self::Timeout => "the upstream did not answer in time".to_owned(),
        }
    }
}

/// Whether a callout with this outcome is sent once more: refused, reset, 502 to 504; never after a timeout.
pub(crate) const fn is_worth_a_retry(outcome: &CalloutOutcome) -> bool {
    match outcome {
        // Who says when to come back is not asked before.
        CalloutOutcome::Answer(answer) => {
            matches!(answer.status, 502..=504) && answer.head.retry_after.is_none()
        }
        CalloutOutcome::Unreachable | CalloutOutcome::NotSent | CalloutOutcome::Reset => true,
        CalloutOutcome::Timeout | CalloutOutcome::UnknownTarget => false,
    }
}

/// One upstream's failure, as it is told to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) upstream: Rc<str>,
    /// What the upstream said, or our own sentence.
    pub(crate) words: String,
    pub(crate) retry_after: Option<Rc<str>>,
}

impl Failure {
    pub(crate) fn new(fault: Fault, upstream: &Rc<str>, words: String) -> Self {
        let words = match fault {
            // What came with it is a piece of the object, and no words for people.
            Fault::Status(200..=299) => fault.describe(),
            _ if words.trim().is_empty() => fault.describe(),
            _ => words,
        };
        Self {
            fault,
            upstream: upstream.clone(),
            words,
            retry_after: None,
        }
    }

    /// How long the upstream wants to be left alone with this object: `Retry-After` in seconds, at most five minutes.
    pub(crate) fn wait(&self) -> Option<Duration> {
        const MOST: u64 = 300;
        if !matches!(self.fault, Fault::RateLimited | Fault::Status(503)) {
            return None;
        }
        let seconds: u64 = self.retry_after.as_deref()?.parse().ok()?;
        (seconds > 0).then(|| Duration::from_secs(seconds.min(MOST)))
    }

    pub(crate) fn worst(first: Option<Self>, second: Self) -> Self {
        match first {
            Some(first) if first.fault > second.fault => first,
            _ => second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn only_200_is_success_and_only_404_and_410_are_not_here() {
        for status in 100..600 {
            let verdict = Verdict::of_status(status);
            assert_eq!(verdict == Verdict::Found, status == 200, "{status}");
            assert_eq!(
                matches!(verdict, Verdict::Missing(_)),
                matches!(status, 404 | 410),
                "{status}"
            );
        }
    }

    #[test]
    fn a_piece_of_the_object_is_not_taken_for_words() {
        let words =
            |status| Failure::new(Fault::Status(status), &"up".into(), "piece".into()).words;
        assert_eq!(words(206), "the upstream answered 206");
        assert_eq!(words(500), "piece");
    }

    #[test]
    fn an_outage_is_worse_than_a_refusal() {
        let failure = |fault| Failure::new(fault, &"up".into(), String::new());
        let refused = failure(Fault::Forbidden);
        let worst = Failure::worst(Some(failure(Fault::Status(503))), refused);
        assert_eq!(worst.fault, Fault::Status(503));
        let worst = Failure::worst(Some(failure(Fault::Status(503))), failure(Fault::Timeout));
        assert_eq!(worst.fault, Fault::Timeout);
    }
}
