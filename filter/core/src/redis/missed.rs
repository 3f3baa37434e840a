//! Why Redis did not give what it was asked for, by names that are counted.

use crate::cache::redis::Refused;
use crate::callout::{AnswerBody, CalloutOutcome};

/// Why a callout to Redis was in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// Its gateway answered, and that is of no use.
    Refused(Refused),
    /// No connection, or none that lived until an answer.
    Unreachable,
    /// The answer broke off.
    Reset,
    /// No answer in time.
    Timeout,
    /// The host did not send it.
    NotSent,
    /// The host has no such target.
    UnknownTarget,
}

impl Missed {
    /// How many there are.
    pub(crate) const NUMBER: usize = Refused::ALL.len() + 5;

    /// Its place among all of them.
    pub(crate) const fn place(self) -> usize {
        const OWN: usize = Refused::ALL.len();
        match self {
            Self::Refused(refused) => refused as usize,
            Self::Unreachable => OWN,
            Self::Reset => OWN + 1,
            Self::Timeout => OWN + 2,
            Self::NotSent => OWN + 3,
            Self::UnknownTarget => OWN + 4,
        }
    }

    /// The names by which they are counted, each at its place.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        let own = [
            "unreachable",
            "reset",
            "timeout",
            "not_sent",
            "unknown_target",
        ];
        Refused::ALL.into_iter().map(Refused::name).chain(own)
    }

    /// Whether it says that Redis, or its gateway, does not work. A value that does not verify comes from one that does, and
    /// so does a refusal that is of one key, or of writes only.
    pub(crate) const fn is_outage(self) -> bool {
        match self {
            Self::Unreachable | Self::Reset | Self::Timeout | Self::UnknownTarget => true,
            Self::Refused(refused) => matches!(
                refused,
                Refused::Loading
                    | Refused::NoAuth
                    | Refused::Status
                    | Refused::NotResp
                    | Refused::Truncated
            ),
            Self::NotSent => false,
        }
    }
}

impl From<Refused> for Missed {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Status and body of an answer.
pub(super) fn answered(outcome: CalloutOutcome) -> Result<(u16, Vec<u8>), Missed> {
    match outcome {
        CalloutOutcome::Answer(answer) => match answer.body {
            AnswerBody::Whole(body) => Ok((answer.status, body)),
            AnswerBody::TooLarge => Err(Refused::TooLarge.into()),
        },
        CalloutOutcome::Unreachable => Err(Missed::Unreachable),
        CalloutOutcome::Reset => Err(Missed::Reset),
        CalloutOutcome::Timeout => Err(Missed::Timeout),
        CalloutOutcome::NotSent => Err(Missed::NotSent),
        CalloutOutcome::UnknownTarget => Err(Missed::UnknownTarget),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn each_has_a_place_and_a_name_of_its_own() {
        let names: Vec<_> = Missed::names().collect();
        assert_eq!(names.len(), Missed::NUMBER);
        for (missed, name) in [
            (Missed::Refused(Refused::OutOfMemory), "oom"),
            (Missed::Refused(Refused::Field), "field"),
            (Missed::Unreachable, "unreachable"),
            (Missed::UnknownTarget, "unknown_target"),
        ] {
            assert_eq!(names[missed.place()], name);
        }
    }
}
