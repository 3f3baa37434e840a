//! An upstream's error on its way to the client: only its words go on, in a form that `go` shows.

use std::rc::Rc;

use super::{After, Ask, BodyStep, Exchange, ForwardedHead, HeadStep, Keep, Piece, keep};
use crate::cache::{Answered, ContentType, Lifetime};
use crate::callout::AnswerHead;
use crate::reply::{self, Reply};
use crate::text::{MAX_UPSTREAM_BYTES, error_text, upstream_words};
use crate::time::Timestamp;
use crate::told::{Over, Told};
use crate::upstream::Upstream;
use crate::verdict::{Failure, Fault, Missing};

/// Why a forwarded request has no object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Missing(Missing),
    Failed(Fault),
}

/// The body of an upstream's error, of which the words are kept.
#[derive(Debug)]
pub(crate) struct Explaining {
    ask: Ask,
    upstream: Rc<Upstream>,
    trouble: Trouble,
    head: AnswerHead,
    lifetime: Lifetime,
    words: Vec<u8>,
}

impl Explaining {
    pub(super) fn begin(
        ask: Ask,
        upstream: &Rc<Upstream>,
        trouble: Trouble,
        answer: ForwardedHead,
        now: Timestamp,
    ) -> After<HeadStep> {
        let lifetime = match trouble {
            // Of a longer chain only one upstream was asked.
            Trouble::Missing(_) if ask.source.only().is_some() => {
                Lifetime::of_missing(&ask.source.freshness)
                    .unless_forbidden(answer.head.cache_control)
            }
            Trouble::Missing(_) | Trouble::Failed(_) => Lifetime::NONE,
        };
        let (status, fields) = match trouble {
            Trouble::Missing(missing) => (
                reply::status_of_missing(missing),
                reply::missing_fields(lifetime),
            ),
            Trouble::Failed(fault) => {
                let mut failure = Failure::new(fault, &upstream.name, String::new());
                failure.retry_after = answer.head.retry_after.clone();
                (reply::status_of(fault), reply::failure_fields(&failure))
            }
        };
        let without_body = answer.end_of_stream || ask.asker.is_head;
        let (upstream, head, words) = (upstream.clone(), answer.head, Vec::new());
        let explaining = Self {
            ask,
            upstream,
            trouble,
            head,
            lifetime,
            words,
        };
        if !without_body {
            return After::goes_on(
                Exchange::Explaining(explaining),
                HeadStep::Send { status, fields },
            );
        }
        let reply = Reply {
            status,
            fields,
            body: reply::Body::Text(explaining.text()),
            told: explaining.told(),
        };
        // What a HEAD brings has no words, and would hide those of a GET.
        let keep = if explaining.ask.asker.is_head {
            None
        } else {
            explaining.keep(now)
        };
        After {
            keep,
            ..After::replaced(explaining.ask, reply)
        }
    }

    pub(super) fn on_body(mut self, piece: Piece<'_>, now: Timestamp) -> After<BodyStep> {
        let words = piece
            .bytes
            .get(..self.room().min(piece.bytes.len()))
            .unwrap_or_default();
        self.words.extend_from_slice(words);
        if !piece.end_of_stream {
            return After::goes_on(Exchange::Explaining(self), BodyStep::Replace(Vec::new()));
        }
        let text = self.text().into_bytes();
        let (keep, told) = (self.keep(now), self.told());
        After {
            keep,
            ..After::over(self.ask, told, BodyStep::Replace(text))
        }
    }

    /// The stream ends before its body does.
    pub(super) fn end(self) -> Option<Over> {
        let told = self.told();
        self.ask.over(told)
    }

    pub(super) fn room(&self) -> usize {
        MAX_UPSTREAM_BYTES.saturating_sub(self.words.len())
    }

    fn told(&self) -> Told {
        let words = upstream_words(&self.head, &self.words);
        match self.trouble {
            Trouble::Missing(missing) => Told::missing(missing, words, &self.upstream.name),
            Trouble::Failed(fault) => {
                Told::failure(&Failure::new(fault, &self.upstream.name, words))
            }
        }
    }

    fn text(&self) -> String {
        let words = upstream_words(&self.head, &self.words);
        let (error, words) = match self.trouble {
            Trouble::Missing(missing) => (missing.error_type(), words),
            Trouble::Failed(fault) => (
                fault.error_type(),
                Failure::new(fault, &self.upstream.name, words).words,
            ),
        };
        error_text(
            &words,
            error,
            Some(&self.upstream.name),
            &self.ask.request_id,
        )
    }

    fn keep(&self, now: Timestamp) -> Option<Keep> {
        let Trouble::Missing(missing) = self.trouble else {
            return None;
        };
        let words = upstream_words(&self.head, &self.words);
        let answer = Answered {
            status: reply::status_of_missing(missing),
            content_type: ContentType::Text,
            upstream: &self.upstream.name,
            body: words.as_bytes(),
        };
        keep(&self.ask.key, answer, self.lifetime, now)
    }
}
