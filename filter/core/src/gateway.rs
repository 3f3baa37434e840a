//! One compiled configuration, and the way in: requests, outcomes and ticks go in, steps and callouts come out.
//!
//! A gateway belongs to a root context of the host, and so do its flights: the host tells a callout's outcome to the
//! root context that sent it. What outlives a configuration is in the [`Store`].

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use crate::cache::{Entry, Key};
use crate::callout::{Callout, CalloutId, CalloutOutcome};
use crate::config::{Config, Invalidation, Serve};
use crate::exchange::{
    Ask, BodyStep, Exchange, ForwardedHead, HeadStep, Keep, Landed, Piece, Settings, request_id,
};
use crate::flight::{Flight, Landing, Next, USER_AGENT, Want};
use crate::goproxy::{Endpoint, Request};
use crate::head::{Relevant, RequestHead};
use crate::metrics::{Counters, count};
use crate::reply::{self, Client, Provenance, Reply};
use crate::store::{Location, Namespace, Store};
use crate::time::Timestamp;
use crate::upstream::{Source, Sources, Upstream};

/// Callouts that one gateway has in flight at a time.
const MAX_CALLOUTS: usize = 512;
/// Callouts that wait for room among them.
const MAX_QUEUED: usize = 4096;

/// Names a client's request; the host never uses one twice while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// What the adapter does with a client's request.
#[derive(Debug)]
pub enum Step {
    /// It is no business of ours: the host goes on as if there were no filter.
    Pass,
    /// The host answers it like this.
    Reply(Reply),
    /// The host sends it on like this.
    Forward(Forward),
    /// It waits; [`Gateway::next_step`] will name it.
    Wait,
}

/// How the host sends a request on: with these fields, and none of the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// What the host knows the upstream by: on Envoy a cluster.
    pub target: Rc<str>,
    /// The value of `:authority`.
    pub authority: Rc<str>,
    /// The value of `:path`.
    pub path: String,
    /// The value of `user-agent`.
    pub user_agent: &'static str,
}

/// One compiled configuration at work.
pub struct Gateway {
    serve: Serve,
    sources: Sources,
    invalidate: Vec<Invalidation>,
    namespace: Box<str>,
    max_object: usize,
    space: Rc<RefCell<Namespace>>,
    flights: HashMap<Key, Airborne>,
    /// Callouts whose outcome is awaited.
    calls: HashMap<CalloutId, Key>,
    /// How many of them the host has.
    sent: usize,
    outbox: VecDeque<Callout>,
    exchanges: HashMap<StreamId, Exchange>,
    landed: VecDeque<(StreamId, Rc<Touchdown>)>,
    last_call: u32,
}

/// A flight, and who waits on it.
struct Airborne {
    flight: Flight,
    waiting: Vec<StreamId>,
}

/// How a flight ended, for all who wait on it.
struct Touchdown {
    landing: Landing,
    stored: bool,
}

impl Gateway {
    /// Puts a configuration to work; what its namespace holds is found in `store`.
    pub fn new(config: &Config, store: &Rc<RefCell<Store>>) -> Self {
        let space = store
            .borrow_mut()
            .namespace(&config.namespace, config.memory.size);
        Self {
            serve: config.serve.clone(),
            sources: Sources::new(config),
            invalidate: config.invalidate.clone(),
            namespace: (*config.namespace).into(),
            max_object: config.memory.max_object,
            space,
            flights: HashMap::new(),
            calls: HashMap::new(),
            sent: 0,
            outbox: VecDeque::new(),
            exchanges: HashMap::new(),
            landed: VecDeque::new(),
            last_call: 0,
        }
    }

    /// A request's head is here.
    pub fn begin(&mut self, id: StreamId, head: &RequestHead<'_>, now: Timestamp) -> Step {
        let found = Relevant::of(head);
        if !self.serve.accepts_host(found.authority) {
            return Step::Pass;
        }
        let Some(path) = self.serve.strip(found.path) else {
            return Step::Pass;
        };
        self.count(|counters| &mut counters.requests_total);
        let request_id_text = crate::text::request_id(found.request_id);
        let is_head = found.method == b"HEAD";
        if !is_head && found.method != b"GET" {
            return Step::Reply(reply::method_not_allowed(request_id_text));
        }
        if !head.end_of_stream {
            return Step::Reply(reply::body_not_allowed(request_id_text));
        }
        if let Some(page) = probe(path) {
            return Step::Reply(page);
        }
        match Request::parse(path) {
            Err(error) => Step::Reply(reply::bad_path(&error, request_id_text)),
            Ok(request) => self.serve_object(id, request, is_head, &found, now),
        }
    }

    /// Whether there is something to say about the answer that the host is sending on this stream.
    pub fn watches(&self, id: StreamId) -> bool {
        self.exchanges.get(&id).is_some_and(Exchange::is_watching)
    }

    /// How many bytes of the next piece of a forwarded answer's body are looked at.
    pub fn wants_of_body(&self, id: StreamId) -> usize {
        self.exchanges
            .get(&id)
            .map(Exchange::wants_of_body)
            .unwrap_or_default()
    }

    /// The head of a forwarded request's answer is here.
    pub fn on_forwarded_head(&mut self, id: StreamId, answer: ForwardedHead) -> HeadStep {
        let Some(exchange) = self.exchanges.remove(&id) else {
            return HeadStep::Pass;
        };
        let (exchange, step) = exchange.on_head(
            answer,
            Settings {
                max_object: self.max_object,
                base_path: self.serve.base_path(),
            },
        );
        self.exchanges
            .extend(exchange.map(|exchange| (id, exchange)));
        step
    }

    /// A piece of a forwarded request's answer is here.
    pub fn on_forwarded_body(
        &mut self,
        id: StreamId,
        piece: Piece<'_>,
        now: Timestamp,
    ) -> BodyStep {
        let Some(exchange) = self.exchanges.remove(&id) else {
            return BodyStep::Pass;
        };
        let (exchange, step, keep) = exchange.on_body(piece, now);
        self.exchanges
            .extend(exchange.map(|exchange| (id, exchange)));
        if let Some(Keep { key, entry }) = keep {
            self.keep(key, entry);
        }
        step
    }

    /// The client has its answer, or is gone. Nothing is said to it any more.
    pub fn on_closed(&mut self, id: StreamId) {
        self.exchanges.remove(&id);
    }

    /// The outcome of a callout is here; one that nothing waits for is counted and dropped.
    pub fn on_callout(&mut self, call: CalloutId, outcome: CalloutOutcome, now: Timestamp) {
        let Some(key) = self.calls.remove(&call) else {
            self.count(|counters| &mut counters.late_outcomes_total);
            return;
        };
        self.sent = self.sent.saturating_sub(1);
        if let Some(airborne) = self.flights.remove(&key) {
            let next = self.next_call_id();
            self.proceed(
                airborne.flight.on_outcome(outcome, next, now),
                airborne.waiting,
            );
        }
    }

    /// Time has passed: pauses end, and outcomes that never came are timeouts.
    pub fn on_tick(&mut self, now: Timestamp) {
        let due: Vec<Key> = self
            .flights
            .iter()
            .filter(|(_, one)| one.flight.is_due(now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let Some(airborne) = self.flights.remove(&key) else {
                continue;
            };
            if let Some(call) = airborne.flight.awaited() {
                self.calls.remove(&call);
                self.sent = self.sent.saturating_sub(1);
            }
            let next = self.next_call_id();
            self.proceed(airborne.flight.on_due(next, now), airborne.waiting);
        }
    }

    /// The next callout to hand to the host, as long as there is room among those in flight.
    pub fn next_callout(&mut self, now: Timestamp) -> Option<Callout> {
        if self.sent >= MAX_CALLOUTS {
            return None;
        }
        let callout = self.outbox.pop_front()?;
        if let Some(key) = self.calls.get(&callout.id)
            && let Some(airborne) = self.flights.remove(key)
        {
            let Airborne { flight, waiting } = airborne;
            self.flights.insert(
                key.clone(),
                Airborne {
                    flight: flight.sent(now),
                    waiting,
                },
            );
        }
        self.sent = self.sent.saturating_add(1);
        self.count(|counters| &mut counters.callouts_total);
        Some(callout)
    }

    /// The next stream that waits no longer, and what it gets. Streams that are gone are passed over.
    pub fn next_step(&mut self, now: Timestamp) -> Option<(StreamId, Step)> {
        while let Some((id, touchdown)) = self.landed.pop_front() {
            let Some(exchange) = self.exchanges.remove(&id) else {
                continue;
            };
            match exchange.on_landed(&touchdown.landing, touchdown.stored, now) {
                None => {}
                Some(Landed::Reply(reply)) => return Some((id, Step::Reply(reply))),
                Some(Landed::Forward(ask, upstream)) => {
                    return Some((id, self.forward(id, *ask, upstream)));
                }
            }
        }
        None
    }

    /// Whether a callout or a step is ready.
    pub fn has_work(&self) -> bool {
        !self.landed.is_empty() || (!self.outbox.is_empty() && self.sent < MAX_CALLOUTS)
    }

    /// What was counted in this gateway's namespace.
    pub fn counters(&self) -> Counters {
        self.space.borrow().counters
    }

    /// What was counted in this gateway's namespace since this was called last, by any gateway of the namespace.
    pub fn take_counts(&mut self) -> Vec<(&'static str, u64)> {
        let mut space = self.space.borrow_mut();
        let now = space.counters;
        let before = std::mem::replace(&mut space.told, now);
        let pairs = now.all().zip(before.all());
        pairs
            .map(|((name, now), (_, before))| (name, now.saturating_sub(before)))
            .filter(|(_, by)| *by > 0)
            .collect()
    }

    /// Bytes in the namespace's memory cache.
    pub fn memory_bytes(&self) -> usize {
        self.space.borrow().memory.bytes()
    }

    fn serve_object(
        &mut self,
        id: StreamId,
        request: Request,
        is_head: bool,
        found: &Relevant<'_>,
        now: Timestamp,
    ) -> Step {
        let client = Client {
            request_id: crate::text::request_id(found.request_id),
            if_none_match: found.if_none_match,
        };
        let source = match self.source_of(&request) {
            Ok(source) => source.clone(),
            Err(no_source) => return Step::Reply(no_source(client.request_id)),
        };
        if request.endpoint() == Endpoint::SumSupported {
            return Step::Reply(reply::database_supported());
        }
        let key = Key::public(&self.namespace, request.canonical());
        if let Some(entry) = self.remembered(&key, &request, now) {
            return Step::Reply(reply::entry(
                &entry,
                request.class(),
                Provenance::Memory,
                client,
                now,
            ));
        }
        if found.fetch_disabled || request.cached_only() {
            return Step::Reply(reply::not_cached(client.request_id));
        }
        let ask = Ask {
            request: Rc::new(request),
            key,
            source,
            is_head,
            request_id: request_id(found.request_id),
            if_none_match: found.if_none_match.map(<[u8]>::to_vec),
            collapsed: false,
        };
        if let Some(upstream) = self.streamed_from(&ask) {
            return self.forward(id, ask, upstream);
        }
        let traceparent = traceparent(found.traceparent);
        match info_of(&ask.request) {
            Some(info) => self.locate(id, ask, info, traceparent, now),
            None => {
                let (request, key) = (ask.request.clone(), ask.key.clone());
                self.wait(id, Exchange::Waiting, ask, request, key, traceparent)
            }
        }
    }

    /// Finds out which upstream of a chain has an archive: the one that has its `.info`.
    fn locate(
        &mut self,
        id: StreamId,
        ask: Ask,
        info: Request,
        traceparent: Option<Rc<str>>,
        now: Timestamp,
    ) -> Step {
        let key = Key::public(&self.namespace, info.canonical());
        let Some(entry) = self.remembered(&key, &info, now) else {
            return self.wait(id, Exchange::Locating, ask, Rc::new(info), key, traceparent);
        };
        let known = Landing::Answered {
            entry,
            storable: false,
        };
        match Exchange::Locating(ask).on_landed(&known, true, now) {
            Some(Landed::Forward(ask, upstream)) => self.forward(id, *ask, upstream),
            Some(Landed::Reply(reply)) => Step::Reply(reply),
            None => Step::Pass,
        }
    }

    fn source_of(&self, request: &Request) -> Result<&Source, fn(&str) -> Reply> {
        if let Some(database) = request.sumdb() {
            return self.sources.of_database(database).ok_or(reply::no_database);
        }
        let module = request.module().unwrap_or_default();
        self.sources.of_module(&module).ok_or(reply::no_route)
    }

    /// The entry of `key`, if memory has it and it may be served.
    fn remembered(&mut self, key: &Key, request: &Request, now: Timestamp) -> Option<Rc<Entry>> {
        let mut space = self.space.borrow_mut();
        let entry = space
            .memory
            .get(key)
            .filter(|entry| now < entry.head().fresh_until);
        let entry = match entry {
            Some(entry) if is_invalidated(&self.invalidate, &entry, request) => {
                space.memory.remove(key);
                None
            }
            other => other,
        };
        match entry {
            Some(_) => count(&mut space.counters.memory_hits_total),
            None => count(&mut space.counters.memory_misses_total),
        }
        entry
    }

    /// The upstream that the host streams an object from; `None` for what a callout brings.
    fn streamed_from(&self, ask: &Ask) -> Option<Rc<Upstream>> {
        let location = self.location(ask.request.canonical());
        match ask.request.endpoint() {
            Endpoint::Zip => {}
            Endpoint::Mod if location.as_ref().is_some_and(|known| known.oversized_mod) => {}
            _ => return None,
        }
        let known = location
            .as_ref()
            .and_then(|known| ask.source.named(&known.upstream));
        known.or_else(|| ask.source.only()).cloned()
    }

    fn forward(&mut self, id: StreamId, ask: Ask, upstream: Rc<Upstream>) -> Step {
        self.count(|counters| &mut counters.forwarded_total);
        let forward = Forward {
            target: upstream.target.clone(),
            authority: upstream.authority.clone(),
            path: upstream.path_of(ask.request.upstream_path()),
            user_agent: USER_AGENT,
        };
        self.exchanges
            .insert(id, Exchange::Forwarded(ask, upstream));
        Step::Forward(forward)
    }

    /// Waits on the flight of `key`, which starts if there is none.
    fn wait(
        &mut self,
        id: StreamId,
        state: fn(Ask) -> Exchange,
        mut ask: Ask,
        request: Rc<Request>,
        key: Key,
        traceparent: Option<Rc<str>>,
    ) -> Step {
        if let Some(airborne) = self.flights.get_mut(&key) {
            ask.collapsed = true;
            airborne.waiting.push(id);
            self.exchanges.insert(id, state(ask));
            self.count(|counters| &mut counters.coalesced_total);
            return Step::Wait;
        }
        if self.outbox.len() >= MAX_QUEUED {
            self.count(|counters| &mut counters.overloads_total);
            return Step::Reply(reply::overload(&ask.request_id));
        }
        let (source, request_id) = (ask.source.clone(), ask.request_id.clone());
        let want = Want {
            request,
            key,
            source,
            request_id,
            traceparent,
        };
        self.exchanges.insert(id, state(ask));
        let call = self.next_call_id();
        let next = Flight::start(want, call);
        self.proceed(next, vec![id]);
        Step::Wait
    }

    fn proceed(&mut self, next: Next, waiting: Vec<StreamId>) {
        match next {
            Next::Fly(flight, callout) => {
                let key = flight.key().clone();
                if let Some(callout) = callout {
                    self.calls.insert(callout.id, key.clone());
                    self.outbox.push_back(callout);
                }
                self.flights.insert(key, Airborne { flight, waiting });
            }
            Next::Land(want, landing) => self.land(&want, landing, waiting),
        }
    }

    fn land(&mut self, want: &Want, landing: Landing, waiting: Vec<StreamId>) {
        let mut stored = false;
        match &landing {
            Landing::Answered { entry, storable } => {
                self.remember_location(want, entry.head().status == 200, entry.upstream(), false);
                stored = *storable && self.keep(want.key.clone(), entry.clone());
            }
            Landing::Oversized(upstream) => {
                self.remember_location(want, true, &upstream.name, true)
            }
            Landing::Failed(_) | Landing::Unstorable => {
                self.count(|counters| &mut counters.flight_failures_total)
            }
        }
        let touchdown = Rc::new(Touchdown { landing, stored });
        self.landed
            .extend(waiting.into_iter().map(|id| (id, touchdown.clone())));
    }

    /// Remembers where a version lives, so that its archive is asked of the same upstream.
    fn remember_location(&mut self, want: &Want, found: bool, upstream: &str, oversized_mod: bool) {
        let is_version = matches!(want.request.endpoint(), Endpoint::Info | Endpoint::Mod);
        let worth_it = want.source.chain.len() > 1 || oversized_mod;
        if !found || !is_version || !worth_it {
            return;
        }
        let mut space = self.space.borrow_mut();
        let version = version_of(want.request.canonical());
        let oversized_mod = oversized_mod
            || space
                .locations
                .peek(version)
                .is_some_and(|known| known.oversized_mod);
        space.locations.put(
            version.into(),
            Location {
                upstream: upstream.into(),
                oversized_mod,
            },
        );
    }

    fn location(&self, canonical: &str) -> Option<Location> {
        self.space
            .borrow_mut()
            .locations
            .get(version_of(canonical))
            .cloned()
    }

    /// Puts an entry into memory, unless it is too large; tells whether it did.
    fn keep(&mut self, key: Key, entry: Rc<Entry>) -> bool {
        if entry.body().len() > self.max_object {
            return false;
        }
        let mut space = self.space.borrow_mut();
        let kept = space.memory.insert(key, entry);
        if kept {
            count(&mut space.counters.stored_total);
        }
        kept
    }

    fn next_call_id(&mut self) -> CalloutId {
        self.last_call = self.last_call.wrapping_add(1);
        CalloutId(self.last_call)
    }

    fn count(&self, counter: impl FnOnce(&mut Counters) -> &mut u64) {
        count(counter(&mut self.space.borrow_mut().counters));
    }
}

/// The pages that a host or an orchestrator asks.
fn probe(path: &[u8]) -> Option<Reply> {
    match path.split(|byte| *byte == b'?').next()? {
        b"/-/healthz" => Some(reply::probe("ok\n")),
        b"/-/readyz" => Some(reply::probe("ready\n")),
        _ => None,
    }
}

fn is_invalidated(rules: &[Invalidation], entry: &Entry, request: &Request) -> bool {
    if rules.is_empty() {
        return false;
    }
    let module = request.module().unwrap_or_default();
    let matches = |rule: &Invalidation| rule.modules.iter().any(|pattern| pattern.matches(&module));
    rules
        .iter()
        .any(|rule| entry.head().stored_at.as_millis() < rule.before && matches(rule))
}

/// The request for the `.info` of an archive.
fn info_of(request: &Request) -> Option<Request> {
    if request.endpoint() != Endpoint::Zip {
        return None;
    }
    let path = [version_of(request.canonical()), ".info"].concat();
    Request::parse(path.as_bytes()).ok()
}

/// A canonical path without its ending: what `.info`, `.mod` and `.zip` of one version have in common.
fn version_of(canonical: &str) -> &str {
    canonical
        .rsplit_once('.')
        .map_or(canonical, |(version, _)| version)
}

/// A trace context that may be handed on (W3C Trace Context: 55 bytes of printable ASCII in version 00).
fn traceparent(value: Option<&[u8]>) -> Option<Rc<str>> {
    let text = std::str::from_utf8(value?).ok()?;
    let fits = (55..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.into())
}

#[cfg(test)]
mod tests;
