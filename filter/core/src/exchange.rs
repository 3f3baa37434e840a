//! One request's life, as a state machine: it waits on a flight, or watches the host stream an archive.
//!
//! A request that can be answered at once has no exchange. Every transition consumes it, so that nothing is answered
//! twice.

mod copying;
mod disk;
mod explaining;
mod redirecting;
mod streaming;

use std::rc::Rc;

use crate::cache::{Answered, Entry, Key, Lifetime};
use crate::callout::AnswerHead;
use crate::config::{Redirects, Serve};
use crate::flight::{Goal, Landing, Lane};
use crate::goproxy::{Endpoint, Request};
use crate::health::Sign;
use crate::metrics::CodeClass;
use crate::reply::{self, Client, Fields, Provenance, Reply, Tier};
use crate::text;
use crate::time::Timestamp;
use crate::told::{About, Asker, Over, Told};
use crate::upstream::{Source, Upstream};
use crate::verdict::{Failure, Fault, Verdict};

pub(crate) use copying::Copies;
pub use disk::Through;
pub(crate) use disk::{DiskUse, Otherwise};
use explaining::{Explaining, Trouble};
pub(crate) use redirecting::{located, without_disk};
use streaming::Streaming;

/// What of the configuration an exchange needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    /// A larger archive is not copied.
    pub(crate) max_object: usize,
    pub(crate) serve: &'a Serve,
    pub(crate) redirects: &'a Redirects,
    pub(crate) copies: &'a Copies,
}

/// What a client asked for, kept until it has its answer.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) request: Rc<Request>,
    pub(crate) key: Key,
    pub(crate) source: Source,
    pub(crate) request_id: Rc<str>,
    pub(crate) if_none_match: Option<Vec<u8>>,
    pub(crate) asker: Asker,
    /// When the request came.
    pub(crate) since: Timestamp,
    /// How many requests upstreams were sent for it so far.
    pub(crate) asked: u32,
    /// A flight for it was under way already.
    pub(crate) collapsed: bool,
    /// An old copy that memory holds: better than an outage.
    pub(crate) stale: Option<Rc<Entry>>,
    pub(crate) disk: DiskUse,
}

impl Ask {
    /// The flight that it waits on.
    pub(crate) fn lane(&self) -> Lane {
        Lane {
            key: self.key.clone(),
            caches_only: self.asker.caches_only,
        }
    }

    /// What that flight is for.
    pub(crate) fn goal(&self) -> Goal {
        match self.request.endpoint() {
            _ if self.asker.caches_only => Goal::Cached,
            Endpoint::Zip => Goal::Locate,
            _ => Goal::Fetch,
        }
    }

    /// The answer that an entry gives.
    pub(crate) fn reply(&self, entry: &Rc<Entry>, from: Provenance, now: Timestamp) -> Reply {
        reply::entry(entry, self.request.class(), from, self.client(), now)
    }

    /// What of it is told, once it is over.
    pub(crate) fn about(&self) -> About<'_> {
        About {
            request: &self.request,
            source: Some(&self.source),
            request_id: &self.request_id,
            asker: self.asker,
            since: self.since,
            asked: self.asked,
        }
    }

    /// It is over.
    fn over(self, told: Told) -> Option<Over> {
        let ask = Box::new(self);
        Some(Over { ask, told })
    }

    fn client(&self) -> Client<'_> {
        Client {
            request_id: &self.request_id,
            if_none_match: self.if_none_match.as_deref(),
        }
    }
}

/// A request that has no answer yet.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// It waits on the flight that brings it, or finds out where it is.
    Waiting(Ask),
    /// The host asks the upstream; the head of the answer is to come.
    Forwarded(Ask, Rc<Upstream>, Via),
    /// The host asks the disk cache alone; the head of the answer is to come.
    OnDisk(Ask, Otherwise),
    /// The host streams the body, of which a copy is made while it is small enough.
    Streaming(Streaming),
    /// The host streams the body of an error, of which only the words go on.
    Explaining(Explaining),
}

/// What the adapter does with the head of a forwarded answer.
#[derive(Debug)]
pub enum HeadStep {
    /// It is no business of ours.
    Pass,
    /// Status and header go to the client like this; nothing else of the upstream's header does.
    Send {
        /// The status code.
        status: u16,
        /// The header.
        fields: Fields,
    },
    /// This answer goes out in place of the upstream's.
    Replace(Reply),
}

/// What the adapter does with a piece of a forwarded answer's body.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyStep {
    /// It goes on unchanged.
    Pass,
    /// These bytes go on in its place.
    Replace(Vec<u8>),
    /// The stream is reset, so that the client sees that the answer broke off.
    Reset,
}

/// A piece of a forwarded answer's body.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its first bytes: as many as [`Gateway::wants_of_body`](crate::Gateway::wants_of_body) said, or all.
    pub bytes: &'a [u8],
    /// How long it is.
    pub size: usize,
    /// It is the last one.
    pub end_of_stream: bool,
}

/// What follows from a piece of a forwarded answer.
#[derive(Debug)]
pub(crate) struct After<S> {
    /// The exchange, if it goes on.
    pub(crate) exchange: Option<Exchange>,
    pub(crate) step: S,
    pub(crate) keep: Option<Keep>,
    /// What is told of it, if it is over.
    pub(crate) over: Option<Over>,
}

/// How a stream is over before its exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client left.
    Left,
    /// The answer that the host was sending broke off.
    Broke,
    /// The host answers a request that waits: it has waited too long.
    Overtaken,
}

/// Something to keep once an exchange is over.
#[derive(Debug)]
pub(crate) struct Keep {
    pub(crate) key: Key,
    pub(crate) entry: Rc<Entry>,
}

/// How a forwarded request came to its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// There was no choice, or it was known.
    Choice,
    /// A probe found it there.
    Probe,
    /// So many redirects led there.
    Redirect(u8),
}

impl Via {
    /// How many redirects were followed.
    pub(crate) const fn redirects(self) -> u8 {
        match self {
            Self::Choice | Self::Probe => 0,
            Self::Redirect(times) => times,
        }
    }
}

/// What a waiting stream gets from a landing.
#[derive(Debug)]
pub(crate) enum Landed {
    Reply(Box<Ask>, Reply),
    Forward {
        ask: Box<Ask>,
        upstream: Rc<Upstream>,
        path: Option<String>,
        via: Via,
    },
    /// This, unless the disk cache has it.
    Otherwise(Box<Ask>, Otherwise),
}

/// The head of a forwarded answer.
#[derive(Debug)]
pub struct ForwardedHead {
    /// The status code.
    pub status: u16,
    /// What counts of its header.
    pub head: AnswerHead,
    /// No body follows.
    pub end_of_stream: bool,
    /// Who made the answer.
    pub made_by: MadeBy,
    /// How often the host sent the request to have it, where it is an error.
    pub attempts: u32,
    /// What is said of it by those whom it passed.
    pub through: Through,
}

/// Who made the answer to a forwarded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// The upstream itself.
    Upstream,
    /// The host, because the upstream did not answer in time.
    HostAfterTimeout,
    /// The host, because there was no connection, or no answer on it.
    HostUnreachable,
    /// The host, because it does not know the target: a mistake in its configuration.
    HostWithoutTarget,
}

// === impl ForwardedHead ===

impl ForwardedHead {
    pub(crate) const fn verdict(&self) -> Verdict {
        match self.made_by {
            MadeBy::HostAfterTimeout => Verdict::Failed(Fault::Timeout),
            MadeBy::HostUnreachable => Verdict::Failed(Fault::Unreachable),
            MadeBy::HostWithoutTarget => Verdict::Failed(Fault::UnknownTarget),
            MadeBy::Upstream => Verdict::of_status(self.status),
        }
    }

    /// What it counts as among the upstream's answers.
    pub(crate) fn class(&self) -> Option<CodeClass> {
        match self.made_by {
            MadeBy::Upstream => Some(CodeClass::of_status(self.status)),
            MadeBy::HostAfterTimeout => Some(CodeClass::Timeout),
            MadeBy::HostUnreachable => Some(CodeClass::Connection),
            MadeBy::HostWithoutTarget => None,
        }
    }

    /// What is wrong with the upstream, where it had the object and does not give it: neither absence nor redirect is.
    pub(crate) fn fault(&self, ask: &Ask) -> Option<Fault> {
        match self.verdict() {
            Verdict::Found => streaming::invalid_head(ask, self).map(|_| Fault::InvalidBody),
            Verdict::Missing(_) | Verdict::Failed(Fault::Status(301..=303 | 307 | 308)) => None,
            Verdict::Failed(fault) => Some(fault),
        }
    }
}

// === impl MadeBy ===

impl MadeBy {
    /// What it says of the upstream; `None`: the status says it.
    pub(crate) const fn sign(self) -> Option<Sign> {
        match self {
            Self::Upstream => None,
            Self::HostAfterTimeout | Self::HostUnreachable => Some(Sign::Ill),
            Self::HostWithoutTarget => Some(Sign::None),
        }
    }
}

// === impl Exchange ===

impl Exchange {
    /// The flight that this exchange waits on has landed; `None` if it waits on none.
    pub(crate) fn on_landed(
        self,
        landing: &Landing,
        stored: bool,
        asked: u32,
        settings: Settings<'_>,
        now: Timestamp,
    ) -> Option<Landed> {
        let Self::Waiting(mut ask) = self else {
            return None;
        };
        ask.asked = asked;
        let reply = |ask: Ask, entry: &Rc<Entry>, from| {
            let reply = ask.reply(entry, from, now);
            Landed::Reply(Box::new(ask), reply)
        };
        let stream = |ask, upstream: &Rc<Upstream>, via| {
            let (ask, upstream) = (Box::new(ask), upstream.clone());
            Landed::Forward {
                ask,
                upstream,
                path: None,
                via,
            }
        };
        Some(match landing {
            Landing::Answered { entry, .. } => {
                let from = Provenance::Upstream {
                    collapsed: ask.collapsed,
                    stored,
                    stale: ask.stale.is_some(),
                };
                reply(ask, entry, from)
            }
            Landing::Shared { entry, followed } => {
                let from = if *followed {
                    Provenance::Upstream {
                        collapsed: true,
                        stored: true,
                        stale: ask.stale.is_some(),
                    }
                } else {
                    Provenance::Cache(Tier::Shared)
                };
                reply(ask, entry, from)
            }
            Landing::Cached(found) => {
                let from = Provenance::Cache(Tier::Redis);
                reply(ask, &found.entry, from)
            }
            Landing::Stale(entry, failure) => {
                let from = Provenance::Stale(failure.fault.status());
                reply(ask, entry, from)
            }
            Landing::NotCached => Landed::Otherwise(Box::new(ask), Otherwise::NotCached),
            Landing::Known(upstream) => stream(ask, upstream, Via::Choice),
            Landing::Located(upstream, None) | Landing::Oversized(upstream) => {
                stream(ask, upstream, Via::Probe)
            }
            Landing::Located(upstream, Some(location)) => {
                located(ask, upstream, location, 0, settings)
            }
            Landing::Failed(failure) => {
                Landed::Otherwise(Box::new(ask), Otherwise::Failed(failure.clone()))
            }
            Landing::Unstorable => {
                let reply = reply::internal(&ask.request_id);
                Landed::Reply(Box::new(ask), reply)
            }
        })
    }

    /// The head of the forwarded request's answer is here.
    pub(crate) fn on_head(
        self,
        answer: ForwardedHead,
        settings: Settings<'_>,
        now: Timestamp,
    ) -> After<HeadStep> {
        let (mut ask, upstream, via) = match self {
            Self::Forwarded(ask, upstream, via) => (ask, upstream, via),
            Self::OnDisk(ask, otherwise) => return otherwise.on_head(ask, &answer, settings),
            other => return After::goes_on(other, HeadStep::Pass),
        };
        ask.asked = ask.asked.saturating_add(answer.attempts);
        // Behind a pipe there is another: the client comes again, and this one is passed over.
        if via.redirects() == 0
            && ask.source.falls_through(&upstream)
            && answer.fault(&ask).is_some()
        {
            let reply = redirecting::again(&ask, settings);
            return After::replaced(ask, reply);
        }
        match answer.verdict() {
            Verdict::Found => Streaming::begin(ask, &upstream.name, &answer, settings),
            // It was asked alone, because it seemed to have it: so nobody knows whether the others have it.
            Verdict::Missing(_) if ask.source.only().is_none() => {
                let reply = redirecting::not_where_it_seemed(&ask, &upstream, via, settings);
                After::replaced(ask, reply)
            }
            Verdict::Missing(missing) => {
                Explaining::begin(ask, &upstream, Trouble::Missing(missing), answer, now)
            }
            // Envoy's words about its own connection are no help to a person at `go`.
            Verdict::Failed(fault) if answer.made_by != MadeBy::Upstream => {
                let words = match fault {
                    Fault::UnknownTarget => upstream.words_of_unknown_target(),
                    _ => String::new(),
                };
                let failure = Failure::new(fault, &upstream.name, words);
                let reply = reply::failure(&failure, &ask.request_id);
                After::replaced(ask, reply)
            }
            Verdict::Failed(Fault::Status(301..=303 | 307 | 308)) => {
                let reply = redirecting::redirected(&ask, &upstream, via, &answer, settings);
                After::replaced(ask, reply)
            }
            Verdict::Failed(fault) => {
                Explaining::begin(ask, &upstream, Trouble::Failed(fault), answer, now)
            }
        }
    }

    /// What the client asked for, where the disk cache was asked for it.
    pub(crate) fn asked_of_disk(&self) -> Option<&Ask> {
        let ask = match self {
            Self::Waiting(ask) | Self::Forwarded(ask, ..) | Self::OnDisk(ask, _) => ask,
            Self::Streaming(streaming) => streaming.ask(),
            Self::Explaining(_) => return None,
        };
        (ask.disk == DiskUse::Asked).then_some(ask)
    }

    /// Whether the exchange has something to say about the answer that the host is sending.
    pub(crate) const fn is_watching(&self) -> bool {
        !matches!(self, Self::Waiting(_))
    }

    /// How many bytes of the next piece of the body are looked at.
    pub(crate) fn wants_of_body(&self) -> usize {
        match self {
            Self::Streaming(streaming) => streaming.wants(),
            Self::Explaining(explaining) => explaining.room(),
            Self::Waiting(_) | Self::Forwarded(..) | Self::OnDisk(..) => 0,
        }
    }

    /// A piece of the forwarded request's answer is here.
    pub(crate) fn on_body(self, piece: Piece<'_>, now: Timestamp) -> After<BodyStep> {
        match self {
            Self::Streaming(streaming) => streaming.on_body(piece, now),
            Self::Explaining(explaining) => explaining.on_body(piece, now),
            Self::Waiting(_) | Self::Forwarded(..) | Self::OnDisk(..) => {
                After::goes_on(self, BodyStep::Pass)
            }
        }
    }

    /// The disk cache failed: this is what the client gets instead.
    pub(crate) fn replaced(self, step: &HeadStep) -> Option<Over> {
        let HeadStep::Replace(reply) = step else {
            return None;
        };
        match self {
            Self::Waiting(ask) | Self::Forwarded(ask, ..) | Self::OnDisk(ask, _) => {
                ask.over(reply.told.clone())
            }
            Self::Streaming(_) | Self::Explaining(_) => None,
        }
    }

    /// The stream is over before its exchange is.
    pub(crate) fn end(self, end: End) -> Option<Over> {
        match self {
            Self::Waiting(ask) if end == End::Overtaken => ask.over(Told::overtaken()),
            Self::Waiting(ask) | Self::OnDisk(ask, _) => ask.over(Told::gone()),
            Self::Forwarded(ask, upstream, _) if end == End::Broke => {
                let told = Told::broken(Fault::Reset, &upstream.name);
                ask.over(told)
            }
            Self::Forwarded(ask, ..) => ask.over(Told::gone()),
            Self::Streaming(streaming) => streaming.end(end),
            // The client was told the status before the words.
            Self::Explaining(explaining) => explaining.end(),
        }
    }
}

// === impl After ===

impl<S> After<S> {
    pub(super) const fn goes_on(exchange: Exchange, step: S) -> Self {
        Self {
            exchange: Some(exchange),
            step,
            keep: None,
            over: None,
        }
    }

    fn over(ask: Ask, told: Told, step: S) -> Self {
        Self {
            exchange: None,
            step,
            keep: None,
            over: ask.over(told),
        }
    }
}

impl After<HeadStep> {
    /// This answer goes out in place of the upstream's.
    fn replaced(ask: Ask, reply: Reply) -> Self {
        let told = reply.told.clone();
        Self::over(ask, told, HeadStep::Replace(reply))
    }
}

fn keep(key: &Key, answer: Answered<'_>, lifetime: Lifetime, now: Timestamp) -> Option<Keep> {
    if !lifetime.is_storable() {
        return None;
    }
    // What does not fit the stored form is passed on without being kept.
    let entry = Rc::new(Entry::of(answer, key.as_str(), lifetime, now).ok()?);
    Some(Keep {
        key: key.clone(),
        entry,
    })
}

/// The id under which a client's request is told about, `-` without one.
pub(crate) fn request_id(value: Option<&[u8]>) -> Rc<str> {
    text::request_id(value).into()
}
