//! One key's way through the upstreams, as a state machine. Exchanges wait on it; it knows none of them.
//!
//! A flight has at most one callout out at a time. Every transition consumes it, so an outcome that comes twice or too
//! late finds no flight that waits for it.

use std::rc::Rc;
use std::time::Duration;

use crate::cache::{ContentType, Entry, EntryHead, Key, Lifetime};
use crate::callout::{Answer, AnswerBody, Callout, CalloutId, CalloutOutcome};
use crate::config::FallThrough;
use crate::goproxy::{Endpoint, Level, Request, Tile, body};
use crate::text::upstream_words;
use crate::time::Timestamp;
use crate::upstream::{Link, Source, Upstream};
use crate::verdict::{Failure, Fault, Missing, Verdict, is_worth_a_retry};

/// What this gateway calls itself towards upstreams.
pub(crate) const USER_AGENT: &str = concat!("goproxy-wasm/", env!("CARGO_PKG_VERSION"));

/// A callout that is refused, reset or answered 502 to 504 is sent again this often.
const RETRIES: u8 = 2;
/// The first retry goes at once, the second after this pause.
const PAUSE: Duration = Duration::from_millis(100);
/// A host that has not told a callout's outcome this long after its timeout never will: its root context is gone.
const GRACE: Duration = Duration::from_secs(2);

/// What a flight is to bring, and from where.
#[derive(Debug)]
pub(crate) struct Want {
    pub(crate) request: Rc<Request>,
    pub(crate) key: Key,
    pub(crate) source: Source,
    /// Of the client that asked first.
    pub(crate) request_id: Rc<str>,
    pub(crate) traceparent: Option<Rc<str>>,
}

/// A flight under way.
#[derive(Debug)]
pub(crate) struct Flight {
    want: Want,
    /// The place in the chain.
    hop: usize,
    /// Retries made at this place.
    retries: u8,
    /// The worst failure of the places before.
    worst: Option<Failure>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The callout was made, and waits for room among those in flight.
    Queued(CalloutId),
    /// The callout is out; its outcome is due by then.
    Asking(CalloutId, Timestamp),
    /// A pause before the next try.
    Pausing(Timestamp),
}

/// What a transition leads to.
#[derive(Debug)]
pub(crate) enum Next {
    /// The flight goes on; a callout, if there is one, must be sent.
    Fly(Flight, Option<Callout>),
    /// The flight is over.
    Land(Want, Landing),
}

/// How a flight ends.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    /// An answer, found or missing, and whether it may be stored.
    Answered { entry: Rc<Entry>, storable: bool },
    /// No upstream gave an answer that can be passed on.
    Failed(Rc<Failure>),
    /// It is there, but too large for a callout: the host must stream it.
    Oversized(Rc<Upstream>),
    /// The answer does not fit the stored form.
    Unstorable,
}

impl Flight {
    /// Starts with the first place of the chain.
    pub(crate) fn start(want: Want, call: CalloutId) -> Next {
        Self {
            want,
            hop: 0,
            retries: 0,
            worst: None,
            state: State::Queued(call),
        }
        .ask(call)
    }

    /// The callout was handed to the host.
    #[must_use]
    pub(crate) fn sent(mut self, now: Timestamp) -> Self {
        if let State::Queued(call) = self.state {
            let timeout = self
                .place()
                .map(|link| link.upstream.timeout)
                .unwrap_or_default();
            self.state = State::Asking(call, now.after(timeout).after(GRACE));
        }
        self
    }

    /// The key that it is to bring.
    pub(crate) const fn key(&self) -> &Key {
        &self.want.key
    }

    /// The callout whose outcome this flight waits for.
    pub(crate) const fn awaited(&self) -> Option<CalloutId> {
        match self.state {
            State::Queued(call) | State::Asking(call, _) => Some(call),
            State::Pausing(_) => None,
        }
    }

    /// Whether something is due: the end of a pause, or an outcome that will not come any more.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        match self.state {
            State::Queued(_) => false,
            State::Asking(_, until) | State::Pausing(until) => until <= now,
        }
    }

    /// The awaited outcome is here. `next` names the next callout, should there be one.
    pub(crate) fn on_outcome(
        self,
        outcome: CalloutOutcome,
        next: CalloutId,
        now: Timestamp,
    ) -> Next {
        if self.retries < RETRIES && is_worth_a_retry(&outcome) {
            return self.retry(next, now);
        }
        match outcome {
            CalloutOutcome::Answer(answer) => self.on_answer(answer, next, now),
            CalloutOutcome::Unreachable => self.fail(Fault::Unreachable, String::new(), next),
            CalloutOutcome::Reset => self.fail(Fault::Reset, String::new(), next),
            CalloutOutcome::Timeout => self.fail(Fault::Timeout, String::new(), next),
            CalloutOutcome::UnknownTarget => self.fail(Fault::UnknownTarget, String::new(), next),
        }
    }

    /// What was due is due.
    pub(crate) fn on_due(self, next: CalloutId, now: Timestamp) -> Next {
        match self.state {
            State::Pausing(_) => self.ask(next),
            State::Queued(_) | State::Asking(..) => {
                self.on_outcome(CalloutOutcome::Timeout, next, now)
            }
        }
    }

    fn retry(mut self, next: CalloutId, now: Timestamp) -> Next {
        let first = self.retries == 0;
        self.retries = self.retries.saturating_add(1);
        if first {
            return self.ask(next);
        }
        self.state = State::Pausing(now.after(PAUSE));
        Next::Fly(self, None)
    }

    fn on_answer(self, answer: Answer, next: CalloutId, now: Timestamp) -> Next {
        match Verdict::of_status(answer.status) {
            Verdict::Found => self.on_found(answer, next, now),
            Verdict::Missing(missing) => self.on_missing(missing, &answer, next, now),
            Verdict::Failed(fault) => {
                let words = upstream_words(&answer.head, whole(&answer.body));
                self.fail_with(fault, words, answer.head.retry_after, next)
            }
        }
    }

    fn on_found(self, answer: Answer, next: CalloutId, now: Timestamp) -> Next {
        let Some(upstream) = self.place().map(|link| link.upstream.clone()) else {
            return self.lost();
        };
        let bytes = match answer.body {
            AnswerBody::Whole(bytes) => bytes,
            AnswerBody::TooLarge if self.want.request.endpoint() == Endpoint::Mod => {
                return Next::Land(self.want, Landing::Oversized(upstream));
            }
            AnswerBody::TooLarge => {
                return self.fail(Fault::InvalidBody, "the answer is too large".into(), next);
            }
        };
        if answer.head.encoded {
            let words = "the upstream's answer has an encoding that was not asked for".into();
            return self.fail(Fault::InvalidBody, words, next);
        }
        let bytes = match body::validate(&self.want.request, bytes) {
            Ok(bytes) => bytes,
            Err(error) => {
                let words = format!("the upstream's answer is not what was asked for: {error}");
                return self.fail(Fault::InvalidBody, words, next);
            }
        };
        let lifetime = Lifetime::of_found(&self.want.source.freshness, self.want.request.class())
            .unless_forbidden(answer.head.cache_control);
        let content_type = content_type(self.want.request.endpoint());
        self.land(200, content_type, &upstream.name, &bytes, lifetime, now)
    }

    fn on_missing(
        mut self,
        missing: Missing,
        answer: &Answer,
        next: CalloutId,
        now: Timestamp,
    ) -> Next {
        if self.has_next() {
            return self.advance(next);
        }
        // Not all said that it is not there, so nobody knows.
        if let Some(worst) = self.worst.take() {
            return Next::Land(self.want, Landing::Failed(Rc::new(worst)));
        }
        let Some(upstream) = self.place().map(|link| link.upstream.name.clone()) else {
            return self.lost();
        };
        let words = upstream_words(&answer.head, whole(&answer.body));
        let lifetime = Lifetime::of_missing(&self.want.source.freshness)
            .unless_forbidden(answer.head.cache_control);
        let status = crate::reply::status_of_missing(missing);
        self.land(
            status,
            ContentType::Text,
            &upstream,
            words.as_bytes(),
            lifetime,
            now,
        )
    }

    fn fail(self, fault: Fault, words: String, next: CalloutId) -> Next {
        self.fail_with(fault, words, None, next)
    }

    fn fail_with(
        mut self,
        fault: Fault,
        words: String,
        retry_after: Option<Rc<str>>,
        next: CalloutId,
    ) -> Next {
        let Some(upstream) = self.place().map(|link| link.upstream.name.clone()) else {
            return self.lost();
        };
        let failure = Failure {
            retry_after,
            ..Failure::new(fault, &upstream, words)
        };
        let worst = Failure::worst(self.worst.take(), failure);
        if self
            .next_place()
            .is_some_and(|link| link.on == FallThrough::AnyError)
        {
            self.worst = Some(worst);
            return self.advance(next);
        }
        Next::Land(self.want, Landing::Failed(Rc::new(worst)))
    }

    fn advance(mut self, next: CalloutId) -> Next {
        self.hop = self.hop.saturating_add(1);
        self.retries = 0;
        self.ask(next)
    }

    fn ask(mut self, call: CalloutId) -> Next {
        let Some(link) = self.place() else {
            return self.lost();
        };
        let callout = callout(&self.want, &link.upstream, call);
        self.state = State::Queued(call);
        Next::Fly(self, Some(callout))
    }

    fn land(
        self,
        status: u16,
        content_type: ContentType,
        upstream: &str,
        body: &[u8],
        lifetime: Lifetime,
        now: Timestamp,
    ) -> Next {
        let fresh_until = now.after(lifetime.fresh);
        let head = EntryHead {
            status,
            content_type,
            stored_at: now,
            fresh_until,
            stale_until: fresh_until,
        };
        let landing = match Entry::new(head, self.want.key.as_str(), upstream, body) {
            Ok(entry) => Landing::Answered {
                entry: Rc::new(entry),
                storable: lifetime.is_storable(),
            },
            Err(_) => Landing::Unstorable,
        };
        Next::Land(self.want, landing)
    }

    /// No place in the chain: a configuration that was compiled has none that is empty.
    fn lost(self) -> Next {
        let failure = Failure::new(Fault::UnknownTarget, &"none".into(), String::new());
        Next::Land(self.want, Landing::Failed(Rc::new(failure)))
    }

    fn place(&self) -> Option<&Link> {
        self.want.source.chain.get(self.hop)
    }

    fn next_place(&self) -> Option<&Link> {
        self.want.source.chain.get(self.hop.saturating_add(1))
    }

    fn has_next(&self) -> bool {
        self.next_place().is_some()
    }
}

fn callout(want: &Want, upstream: &Upstream, id: CalloutId) -> Callout {
    let mut headers: Vec<(&'static str, Rc<str>)> = Vec::with_capacity(3);
    headers.push(("user-agent", USER_AGENT.into()));
    if &*want.request_id != "-" {
        headers.push(("x-request-id", want.request_id.clone()));
    }
    headers.extend(
        want.traceparent
            .iter()
            .map(|value| ("traceparent", value.clone())),
    );
    Callout {
        id,
        target: upstream.target.clone(),
        authority: upstream.authority.clone(),
        path: upstream.path_of(want.request.upstream_path()),
        headers,
        timeout: upstream.timeout,
        body_limit: body_limit(want.request.endpoint()),
    }
}

fn whole(body: &AnswerBody) -> &[u8] {
    match body {
        AnswerBody::Whole(bytes) => bytes,
        AnswerBody::TooLarge => &[],
    }
}

/// The largest body that a callout may bring: generous for what real modules have, small enough for the VM.
const fn body_limit(endpoint: Endpoint) -> usize {
    const KIB: usize = 1024;
    match endpoint {
        Endpoint::Info | Endpoint::Query | Endpoint::Latest => 64 * KIB,
        Endpoint::List => 8 * KIB * KIB,
        Endpoint::SumLookup | Endpoint::SumLatest | Endpoint::SumSupported => 64 * KIB,
        Endpoint::SumTile(Tile {
            level: Level::Hash(_),
            ..
        }) => 8 * KIB,
        Endpoint::Mod | Endpoint::Zip | Endpoint::SumTile(_) => KIB * KIB,
    }
}

/// What an object's body is, whatever its upstream calls it.
pub(crate) const fn content_type(endpoint: Endpoint) -> ContentType {
    match endpoint {
        Endpoint::Info | Endpoint::Query | Endpoint::Latest => ContentType::Json,
        Endpoint::List
        | Endpoint::Mod
        | Endpoint::SumSupported
        | Endpoint::SumLookup
        | Endpoint::SumLatest => ContentType::Text,
        Endpoint::SumTile(Tile {
            level: Level::Data, ..
        }) => ContentType::Text,
        Endpoint::SumTile(_) => ContentType::Binary,
        Endpoint::Zip => ContentType::Zip,
    }
}
