//! The disk cache for archives, as an exchange knows it: whether it was asked, what it says, and what is said without it.

use std::rc::Rc;

use super::{After, Ask, ForwardedHead, HeadStep, MadeBy, Settings, Streaming};
use crate::reply::{self, Reply};
use crate::verdict::{Failure, Verdict};

/// Whether an archive is asked of the disk cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DiskUse {
    /// It may be.
    #[default]
    Open,
    /// It was.
    Asked,
    /// It failed for this one: the client came again to have it without.
    Avoided,
}

/// What is said of an answer by those whom it passed on its way through the disk cache. Where the disk cache was not asked
/// it means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Through {
    /// Nothing: an upstream made it.
    #[default]
    Silent,
    /// It was on the disk.
    Hit,
    /// The disk cache made it, because it failed.
    Failed,
    /// The host behind the disk cache made it, in place of an upstream.
    Behind(MadeBy),
    /// It is not on the disk, and no upstream was to be asked.
    NotStored,
}

/// What a client gets if the disk cache, which alone is asked, does not have the archive.
#[derive(Debug)]
pub(crate) enum Otherwise {
    /// Only caches were to be asked.
    NotCached,
    /// The upstreams failed.
    Failed(Rc<Failure>),
}

impl Otherwise {
    pub(crate) fn reply(&self, ask: &Ask) -> Reply {
        match self {
            Self::NotCached => reply::not_cached(&ask.request_id),
            Self::Failed(failure) => reply::failure(failure, &ask.request_id),
        }
    }

    /// Whose archive it is, as far as anybody knows.
    fn upstream(&self, ask: &Ask) -> Rc<str> {
        let first = || {
            ask.source
                .chain
                .first()
                .map(|link| link.upstream.name.clone())
        };
        match self {
            Self::Failed(failure) => failure.upstream.clone(),
            Self::NotCached => first().unwrap_or_else(|| "none".into()),
        }
    }

    /// The head of the disk cache's answer is here.
    pub(super) fn on_head(
        self,
        ask: Ask,
        answer: &ForwardedHead,
        settings: Settings<'_>,
    ) -> After<HeadStep> {
        if answer.verdict() == Verdict::Found && answer.fault(&ask).is_none() {
            let upstream = self.upstream(&ask);
            return Streaming::begin(ask, &upstream, answer, settings);
        }
        let reply = self.reply(&ask);
        After::replaced(ask, reply)
    }
}
