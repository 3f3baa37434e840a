//! One key's way through Redis and the upstreams, or behind another worker that goes it, as a state machine. Exchanges wait on it; it knows none of them.
//!
//! A flight has at most one callout out at a time. Every transition consumes it, so an outcome that comes twice or too
//! late finds no flight that waits for it.

mod ask;
mod lease;

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use crate::age::{Age, age_of, is_invalidated};
use crate::cache::shared::{LONGEST, Shared};
use crate::cache::{Answered, ContentType, Entry, Key, Lifetime, UpstreamCacheControl};
use crate::callout::{Answer, AnswerBody, Callout, CalloutId, CalloutOutcome};
use crate::config::{FallThrough, Invalidation, Redirects};
use crate::goproxy::{Endpoint, Request, body};
use crate::health::{Health, Sign};
use crate::metrics::CodeClass;
use crate::redirect::{self, Leads, REDIRECTS};
use crate::redis::{Asked, Found};
use crate::text::upstream_words;
use crate::time::Timestamp;
use crate::upstream::{Link, Source, Upstream};
use crate::verdict::{Failure, Fault, Missing, Verdict, is_worth_a_retry};

use ask::Stage;
pub(crate) use ask::{USER_AGENT, content_type};

/// A callout that is refused, reset or answered 502 to 504 is sent again this often.
const RETRIES: u8 = 2;
/// The first retry goes at once, the second after this pause.
const PAUSE: Duration = Duration::from_millis(100);
/// A host that has not told a callout's outcome this long after its timeout never will: its root context is gone.
const GRACE: Duration = Duration::from_secs(2);
/// The same of Redis, which is to cost a client little: an outcome that comes later is not missed.
const REDIS_GRACE: Duration = Duration::from_millis(200);
/// A host's clock and its timers differ by so much at most.
const EARLY: Duration = Duration::from_millis(20);

/// What a flight is to bring, and from where.
#[derive(Debug)]
pub(crate) struct Want {
    pub(crate) request: Rc<Request>,
    pub(crate) goal: Goal,
    pub(crate) key: Key,
    pub(crate) source: Source,
    /// Of upstreams that did not give the archive just now, though they have it: they are passed over.
    pub(crate) failures: Vec<Rc<Failure>>,
    /// Redis is asked first.
    pub(crate) asks_redis: bool,
    /// An aging answer was served already; this brings a fresh one.
    pub(crate) refreshes: bool,
    /// What may be served, though it is old, if the upstreams fail.
    pub(crate) stale: Option<Rc<Entry>>,
    /// Where the host streams the object from, if no cache has it; nobody need be asked then.
    pub(crate) streamed_from: Option<Rc<Upstream>>,
    /// How many requests upstreams were sent.
    pub(crate) asked: u32,
    /// Of the client that asked first.
    pub(crate) request_id: Rc<str>,
    pub(crate) traceparent: Option<Rc<str>>,
}

impl Want {
    /// What tells this flight from others of its gateway.
    pub(crate) fn lane(&self) -> Lane {
        Lane {
            key: self.key.clone(),
            caches_only: self.goal == Goal::Cached,
        }
    }

    /// What a cache must have for nobody else to be asked.
    fn worst_age(&self) -> Age {
        match self.goal {
            Goal::Cached => Age::Old,
            _ if self.refreshes => Age::Fresh,
            Goal::Fetch | Goal::Locate => Age::Aging,
        }
    }

    fn failure_of(&self, upstream: &Upstream) -> Option<Rc<Failure>> {
        self.failures
            .iter()
            .find(|failure| failure.upstream == upstream.name)
            .cloned()
    }

    /// What a failure is of: a module, or an object of a checksum database.
    fn subject(&self) -> Cow<'_, str> {
        self.request
            .module()
            .unwrap_or_else(|| self.request.canonical().into())
    }
}

/// What a flight is told by: who wants an object from the caches only never waits for an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lane {
    pub(crate) key: Key,
    pub(crate) caches_only: bool,
}

/// What a flight is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// To bring the object.
    Fetch,
    /// To find out which upstream has it, and whether that one redirects.
    Locate,
    /// To bring the object if a cache has it.
    Cached,
}

/// A flight under way.
#[derive(Debug)]
pub(crate) struct Flight {
    want: Want,
    /// The place in the chain.
    hop: usize,
    stage: Stage,
    /// Retries made at this place.
    retries: u8,
    /// The worst failure of the places before.
    worst: Option<Failure>,
    /// What those that say that it is not there forbid.
    absence: UpstreamCacheControl,
    state: State,
    /// Of the callout.
    timeout: Duration,
    /// Until when other workers wait for this flight.
    leads: Option<Timestamp>,
}

#[derive(Debug)]
enum State {
    /// The callout was made, and waits for room among those in flight until then.
    Queued(CalloutId, Timestamp),
    /// The callout is out; its outcome is due by then.
    Asking(CalloutId, Timestamp),
    /// A pause before the next try.
    Pausing(Timestamp),
    /// Another worker has it in flight. It tells when it is there; if it has not by then, it may be dead.
    Following { until: Timestamp, since: Timestamp },
}

/// What a transition is made with.
pub(crate) struct Turn<'a> {
    /// Names the next callout, should there be one.
    pub(crate) next: CalloutId,
    pub(crate) now: Timestamp,
    pub(crate) health: &'a mut Health,
    pub(crate) redirects: &'a Redirects,
    pub(crate) invalidate: &'a [Invalidation],
    pub(crate) shared: Option<&'a Shared>,
    pub(crate) redis: Option<Asked<'a>>,
    /// What came of requests to upstreams, to be counted.
    pub(crate) answers: &'a mut Vec<(Rc<str>, CodeClass)>,
}

/// What a transition leads to.
#[derive(Debug)]
pub(crate) enum Next {
    /// The flight goes on; a callout, if there is one, must be sent.
    Fly(Box<Flight>, Option<Callout>),
    /// The flight is over.
    Land(Want, Landing),
}

/// How a flight ends.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    /// An upstream's answer, found or missing, and whether it may be stored.
    Answered { entry: Rc<Entry>, storable: bool },
    /// The workers share it; and this flight has waited for another worker's.
    Shared { entry: Rc<Entry>, followed: bool },
    /// Redis has it.
    Cached(Found),
    /// No upstream gave an answer, but a cache holds an old one.
    Stale(Rc<Entry>, Rc<Failure>),
    /// No cache has it, and nobody else was to be asked.
    NotCached,
    /// No cache has it, and nobody had to be asked where it is.
    Known(Rc<Upstream>),
    /// This upstream has it, and redirects there.
    Located(Rc<Upstream>, Option<Rc<str>>),
    /// No upstream gave an answer that can be passed on.
    Failed(Rc<Failure>),
    /// It is there, but too large for a callout: the host must stream it.
    Oversized(Rc<Upstream>),
    /// The answer does not fit the stored form.
    Unstorable,
}

impl Flight {
    /// Starts behind another worker, if that is on its way already; else with Redis, if that is asked, else with the first
    /// place of the chain.
    pub(crate) fn start(want: Want, turn: &mut Turn<'_>) -> Next {
        let state = State::Queued(turn.next, turn.now);
        Self {
            want,
            hop: 0,
            stage: Stage::Direct,
            retries: 0,
            worst: None,
            absence: UpstreamCacheControl::default(),
            state,
            timeout: Duration::ZERO,
            leads: None,
        }
        .claim(turn)
    }

    /// The callout was handed to the host.
    pub(crate) fn sent(&mut self, now: Timestamp) {
        if let State::Queued(call, _) = self.state {
            self.state = State::Asking(call, now.after(self.timeout).after(self.grace()));
        }
    }

    /// What may be served in place of what it brings.
    pub(crate) const fn stale(&self) -> Option<&Rc<Entry>> {
        self.want.stale.as_ref()
    }

    /// What tells it from the others.
    pub(crate) fn lane(&self) -> Lane {
        self.want.lane()
    }

    /// The callout whose outcome this flight waits for.
    pub(crate) const fn awaited(&self) -> Option<CalloutId> {
        match self.state {
            State::Queued(call, _) | State::Asking(call, _) => Some(call),
            State::Pausing(_) | State::Following { .. } => None,
        }
    }

    /// Whether something is due: the end of a pause, or an outcome that will not come any more.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        match self.state {
            State::Queued(_, until) => until.is_due(self.timeout, now),
            State::Asking(_, until) => until.is_due(self.timeout.saturating_add(self.grace()), now),
            State::Pausing(until) => until.is_due(PAUSE, now),
            State::Following { until, .. } => until.is_due(LONGEST, now),
        }
    }

    /// The awaited outcome is here.
    pub(crate) fn on_outcome(self, outcome: CalloutOutcome, turn: &mut Turn<'_>) -> Next {
        let outcome = self.told_apart(outcome, turn.now);
        if self.stage == Stage::Redis {
            return self.on_redis(outcome, turn);
        }
        let name = self.place().map(|link| link.upstream.name.clone());
        let class = CodeClass::of(&outcome);
        turn.answers.extend(name.zip(class));
        if self.retries < RETRIES && is_worth_a_retry(&outcome) {
            return self.retry(turn);
        }
        self.note(Sign::of(&outcome), turn);
        match outcome {
            CalloutOutcome::Answer(answer) => self.on_answer(answer, turn),
            CalloutOutcome::Unreachable | CalloutOutcome::NotSent => {
                self.fail(Fault::Unreachable, String::new(), turn)
            }
            CalloutOutcome::Reset => self.fail(Fault::Reset, String::new(), turn),
            CalloutOutcome::Timeout => self.fail(Fault::Timeout, String::new(), turn),
            CalloutOutcome::UnknownTarget => {
                let words = self
                    .place()
                    .map(|link| link.upstream.words_of_unknown_target());
                self.fail(Fault::UnknownTarget, words.unwrap_or_default(), turn)
            }
        }
    }

    /// What was due is due.
    pub(crate) fn on_due(self, turn: &mut Turn<'_>) -> Next {
        match self.state {
            State::Pausing(_) => self.ask(turn),
            State::Following { since, .. } => self.look_again(since, turn),
            // That we ask too much at a time says nothing of Redis.
            State::Queued(..) if self.stage == Stage::Redis => {
                self.on_outcome(CalloutOutcome::NotSent, turn)
            }
            State::Queued(..) | State::Asking(..) => self.on_outcome(CalloutOutcome::Timeout, turn),
        }
    }

    /// A host whose time limit passes in the middle of an answer tells a reset.
    fn told_apart(&self, outcome: CalloutOutcome, now: Timestamp) -> CalloutOutcome {
        match (outcome, &self.state) {
            (CalloutOutcome::Reset, State::Asking(_, until))
                if *until <= now.after(self.grace()).after(EARLY) =>
            {
                CalloutOutcome::Timeout
            }
            (outcome, _) => outcome,
        }
    }

    fn ask_redis(mut self, turn: &mut Turn<'_>) -> Next {
        let asked = turn.redis.as_ref().filter(|_| self.want.asks_redis);
        let Some(callout) = asked.and_then(|redis| redis.read(turn.next, &self.want.key)) else {
            return self.descend(turn);
        };
        self.stage = Stage::Redis;
        self.timeout = callout.timeout;
        self.state = State::Queued(turn.next, turn.now.after(self.timeout));
        Next::Fly(Box::new(self), Some(callout))
    }

    fn on_redis(mut self, outcome: CalloutOutcome, turn: &mut Turn<'_>) -> Next {
        let Some(redis) = &mut turn.redis else {
            return self.descend(turn);
        };
        let found = redis.on_read(outcome, &self.want.key, turn.now);
        let valid =
            |found: &Found| !is_invalidated(turn.invalidate, &found.entry, &self.want.request);
        match found.filter(valid) {
            Some(found)
                if age_of(&found.entry, &self.want.source, turn.now) <= self.want.worst_age() =>
            {
                Next::Land(self.want, Landing::Cached(found))
            }
            Some(Found { entry, .. })
                if age_of(&entry, &self.want.source, turn.now) != Age::Dead =>
            {
                let stored_at = |entry: &Rc<Entry>| entry.head().stored_at;
                if self
                    .want
                    .stale
                    .as_ref()
                    .is_none_or(|known| stored_at(known) < stored_at(&entry))
                {
                    self.want.stale = Some(entry);
                }
                self.descend(turn)
            }
            _ => self.descend(turn),
        }
    }

    /// No cache has it: on to the upstreams.
    fn descend(mut self, turn: &mut Turn<'_>) -> Next {
        self.stage = Stage::Direct;
        match (self.want.goal, self.want.streamed_from.take()) {
            (Goal::Cached, _) => Next::Land(self.want, Landing::NotCached),
            (Goal::Locate, Some(upstream)) => Next::Land(self.want, Landing::Known(upstream)),
            (Goal::Locate | Goal::Fetch, _) => self.arrive(turn),
        }
    }

    fn retry(mut self, turn: &mut Turn<'_>) -> Next {
        let first = self.retries == 0;
        self.retries = self.retries.saturating_add(1);
        if first {
            return self.ask(turn);
        }
        self.state = State::Pausing(turn.now.after(PAUSE));
        Next::Fly(Box::new(self), None)
    }

    fn on_answer(self, answer: Answer, turn: &mut Turn<'_>) -> Next {
        if let (301..=303 | 307 | 308, Some(location)) = (answer.status, &answer.head.location) {
            return self.on_redirect(answer.status, location.clone(), turn);
        }
        match Verdict::of_status(answer.status) {
            Verdict::Found if self.is_head() && answer.head.is_page() => {
                self.fail(Fault::InvalidBody, String::new(), turn)
            }
            Verdict::Found if self.want.goal == Goal::Locate => self.located(None),
            Verdict::Found => self.on_found(answer, turn),
            Verdict::Missing(missing) => self.on_missing(missing, &answer, turn),
            // HEAD is refused: what has the `.info` has the archive.
            Verdict::Failed(Fault::Status(400 | 405 | 501)) if self.is_head() => Self {
                stage: Stage::Info,
                ..self
            }
            .ask(turn),
            Verdict::Failed(fault) => {
                let words = upstream_words(&answer.head, whole(&answer.body));
                self.fail_with(fault, words, answer.head.retry_after, turn)
            }
        }
    }

    fn on_found(self, answer: Answer, turn: &mut Turn<'_>) -> Next {
        let Some(upstream) = self.place().map(|link| link.upstream.clone()) else {
            return self.lost();
        };
        let bytes = match answer.body {
            AnswerBody::Whole(bytes) => bytes,
            AnswerBody::TooLarge if self.want.request.endpoint() == Endpoint::Mod => {
                return Next::Land(self.want, Landing::Oversized(upstream));
            }
            AnswerBody::TooLarge => {
                return self.fail(Fault::InvalidBody, "the answer is too large".into(), turn);
            }
        };
        if answer.head.encoded {
            let words = "the upstream's answer has an encoding that was not asked for".into();
            return self.fail(Fault::InvalidBody, words, turn);
        }
        let bytes = match body::validate(&self.want.request, bytes) {
            Ok(bytes) => bytes,
            Err(error) => {
                let words = format!("the upstream's answer is not what was asked for: {error}");
                return self.fail(Fault::InvalidBody, words, turn);
            }
        };
        let lifetime = Lifetime::of_found(&self.want.source.freshness, self.want.request.class())
            .unless_forbidden(answer.head.cache_control);
        let content_type = content_type(self.want.request.endpoint());
        self.land(
            200,
            content_type,
            &upstream.name,
            &bytes,
            lifetime,
            turn.now,
        )
    }

    fn on_missing(mut self, missing: Missing, answer: &Answer, turn: &mut Turn<'_>) -> Next {
        self.absence = self.absence.with(answer.head.cache_control);
        if self.next_place().is_some() {
            return self.advance(turn);
        }
        // Not all said that it is not there, so nobody knows.
        if let Some(worst) = self.worst.take() {
            return self.end_badly(worst);
        }
        let Some(upstream) = self.place().map(|link| link.upstream.name.clone()) else {
            return self.lost();
        };
        let words = upstream_words(&answer.head, whole(&answer.body));
        let lifetime =
            Lifetime::of_missing(&self.want.source.freshness).unless_forbidden(self.absence);
        let status = crate::reply::status_of_missing(missing);
        self.land(
            status,
            ContentType::Text,
            &upstream,
            words.as_bytes(),
            lifetime,
            turn.now,
        )
    }

    /// Metadata follows a redirect to a target that is listed; an archive's is only remembered.
    fn on_redirect(self, status: u16, location: Rc<str>, turn: &mut Turn<'_>) -> Next {
        if self.want.goal == Goal::Locate {
            // What the `.info` redirects to is not the archive.
            let location = Some(location).filter(|_| self.is_head());
            return self.located(location);
        }
        let Some(upstream) = self.place().map(|link| link.upstream.clone()) else {
            return self.lost();
        };
        let followed = self.stage.redirects();
        let words = match redirect::follow(&location, self.stage.place(&upstream), turn.redirects) {
            Leads::Known { .. } if followed >= REDIRECTS => {
                format!("the upstream redirects more than {REDIRECTS} times")
            }
            Leads::Known {
                target,
                authority,
                path,
            } => {
                let times = followed.saturating_add(1);
                let stage = Stage::Redirected {
                    target,
                    authority,
                    path,
                    times,
                };
                return Self { stage, ..self }.ask(turn);
            }
            Leads::Unlisted(host) => {
                format!("the upstream redirects to {host}, which is not listed")
            }
            Leads::Nowhere => {
                "the upstream redirects to what is no address of an object".to_owned()
            }
        };
        self.fail(Fault::Status(status), words, turn)
    }

    fn located(self, location: Option<Rc<str>>) -> Next {
        match self.place().map(|link| link.upstream.clone()) {
            Some(upstream) => Next::Land(self.want, Landing::Located(upstream, location)),
            None => self.lost(),
        }
    }

    fn fail(self, fault: Fault, words: String, turn: &mut Turn<'_>) -> Next {
        self.fail_with(fault, words, None, turn)
    }

    fn fail_with(
        mut self,
        fault: Fault,
        words: String,
        retry_after: Option<Rc<str>>,
        turn: &mut Turn<'_>,
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
            return self.advance(turn);
        }
        self.end_badly(worst)
    }

    /// No upstream gave an answer: an old one may have to do.
    fn end_badly(mut self, worst: Failure) -> Next {
        let stale = self.want.stale.take().filter(|_| worst.fault.is_outage());
        let worst = Rc::new(worst);
        let landing = match stale {
            Some(entry) => Landing::Stale(entry, worst),
            None => Landing::Failed(worst),
        };
        Next::Land(self.want, landing)
    }

    fn advance(mut self, turn: &mut Turn<'_>) -> Next {
        self.hop = self.hop.saturating_add(1);
        self.retries = 0;
        self.stage = Stage::Direct;
        self.arrive(turn)
    }

    /// Asks the upstream of this place, unless it is aside; the last one is always asked.
    fn arrive(self, turn: &mut Turn<'_>) -> Next {
        let is_last = self.next_place().is_none();
        let failed = self
            .place()
            .and_then(|link| self.want.failure_of(&link.upstream))
            .filter(|_| !is_last);
        if let Some(failure) = failed {
            return self.fail(failure.fault, failure.words.clone(), turn);
        }
        let is_aside = self
            .place()
            .is_some_and(|link| turn.health.is_aside(&link.upstream, turn.now));
        // Nobody waits for one that fails, where an old answer will do.
        if is_aside && (!is_last || self.want.stale.is_some()) {
            // An upstream that fails is no upstream that says 404: a comma stops here.
            return self.fail(Fault::Aside, String::new(), turn);
        }
        self.ask(turn)
    }

    fn ask(mut self, turn: &Turn<'_>) -> Next {
        let Some(link) = self.place() else {
            return self.lost();
        };
        let callout = ask::callout(&self.want, &link.upstream, &self.stage, turn.next);
        self.want.asked = self.want.asked.saturating_add(1);
        self.timeout = callout.timeout;
        self.state = State::Queued(turn.next, turn.now.after(self.timeout));
        Next::Fly(Box::new(self), Some(callout))
    }

    fn note(&self, sign: Sign, turn: &mut Turn<'_>) {
        // Where a redirect led says nothing of the upstream.
        if let Some(link) = self.place().filter(|_| self.stage.redirects() == 0) {
            turn.health
                .note(&link.upstream, &self.want.subject(), sign, turn.now);
        }
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
        let answer = Answered {
            status,
            content_type,
            upstream,
            body,
        };
        let landing = match Entry::of(answer, self.want.key.as_str(), lifetime, now) {
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

    fn grace(&self) -> Duration {
        if self.stage == Stage::Redis {
            REDIS_GRACE
        } else {
            GRACE
        }
    }

    fn place(&self) -> Option<&Link> {
        self.want.source.chain.get(self.hop)
    }

    fn next_place(&self) -> Option<&Link> {
        self.want.source.chain.get(self.hop.saturating_add(1))
    }

    fn is_head(&self) -> bool {
        self.want.goal == Goal::Locate && matches!(self.stage, Stage::Direct)
    }
}

fn whole(body: &AnswerBody) -> &[u8] {
    match body {
        AnswerBody::Whole(bytes) => bytes,
        AnswerBody::TooLarge => &[],
    }
}
