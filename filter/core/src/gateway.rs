//! One compiled configuration, and the way in: requests, outcomes and ticks go in, steps and callouts come out.
//!
//! A gateway belongs to a root context of the host, and so do its flights: the host tells a callout's outcome to the
//! root context that sent it. What outlives a configuration is in the [`Store`].

mod airspace;
mod knowing;
mod pages;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use crate::cache::{Entry, Key};
use crate::callout::{Callout, CalloutId, CalloutOutcome};
use crate::capabilities::HostCapabilities;
use crate::config::{Config, Invalidation, Redirects, Serve};
use crate::exchange::{
    Ask, BodyStep, Copies, Exchange, ForwardedHead, HeadStep, Keep, Landed, Piece, Settings, Via,
    request_id,
};
use crate::flight::{Goal, Landing, USER_AGENT, Want};
use crate::goproxy::{Endpoint, Request};
use crate::head::{Relevant, RequestHead};
use crate::metrics::{Counters, count};
use crate::reply::{self, Client, Provenance, Reply};
use crate::store::{Namespace, Store};
use crate::time::Timestamp;
use crate::upstream::{Source, Sources, Upstream};

use airspace::{Airspace, Arrival, Ground};
use knowing::Way;

/// A longer `If-None-Match` is not kept while a client waits: it names nothing of ours.
const MAX_TAGS: usize = 1024;

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

/// The host does not give what a configuration asks of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct SetupError {
    /// The path of the configuration's field.
    pub field: &'static str,
    /// What was expected of the host, and what it gave.
    pub why: String,
}

/// One compiled configuration at work.
pub struct Gateway {
    serve: Serve,
    sources: Sources,
    redirects: Redirects,
    invalidate: Vec<Invalidation>,
    namespace: Box<str>,
    max_object: usize,
    space: Rc<RefCell<Namespace>>,
    copies: Copies,
    airspace: Airspace,
    exchanges: HashMap<StreamId, Exchange>,
    landed: VecDeque<(StreamId, Rc<Touchdown>)>,
}

/// How a flight ended, for all who wait on it.
struct Touchdown {
    landing: Landing,
    stored: bool,
}

impl Gateway {
    /// Puts a configuration to work; what its namespace holds is found in `store`.
    ///
    /// # Errors
    /// [`SetupError`], if the host does not give what the configuration asks of it.
    pub fn new(
        config: &Config,
        store: &Rc<RefCell<Store>>,
        host: &HostCapabilities,
    ) -> Result<Self, SetupError> {
        let _ = host;
        let space = store
            .borrow_mut()
            .namespace(&config.namespace, config.memory.size);
        let copies = space.borrow().copies.clone();
        Ok(Self {
            serve: config.serve.clone(),
            sources: Sources::new(config),
            redirects: config.redirects.clone(),
            invalidate: config.invalidate.clone(),
            namespace: (*config.namespace).into(),
            max_object: config.memory.max_object,
            copies,
            space,
            airspace: Airspace::default(),
            exchanges: HashMap::new(),
            landed: VecDeque::new(),
        })
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
        let request_id = crate::text::request_id(found.request_id);
        if !matches!(found.method, b"GET" | b"HEAD") {
            return Step::Reply(reply::method_not_allowed(request_id));
        }
        if !head.end_of_stream {
            return Step::Reply(reply::body_not_allowed(request_id));
        }
        if let Some(page) = pages::of(path) {
            return Step::Reply(page);
        }
        match Request::parse(path) {
            Err(error) => Step::Reply(reply::bad_path(&error, request_id)),
            Ok(request) => self.serve_object(id, request, &found, now),
        }
    }

    /// Whether there is something to say about the answer that the host is sending on this stream.
    pub fn watches(&self, id: StreamId) -> bool {
        self.exchanges.get(&id).is_some_and(Exchange::is_watching)
    }

    /// The head of a forwarded request's answer is here.
    pub fn on_forwarded_head(
        &mut self,
        id: StreamId,
        answer: ForwardedHead,
        now: Timestamp,
    ) -> HeadStep {
        let Some(exchange) = self.exchanges.remove(&id) else {
            return HeadStep::Pass;
        };
        self.learn(&exchange, &answer, now);
        let (exchange, step, keep) = exchange.on_head(answer, self.settings(), now);
        self.exchanges
            .extend(exchange.map(|exchange| (id, exchange)));
        self.keep_all(keep);
        step
    }

    /// How many bytes of the next piece of a forwarded answer's body are looked at.
    pub fn wants_of_body(&self, id: StreamId) -> usize {
        self.exchanges
            .get(&id)
            .map(Exchange::wants_of_body)
            .unwrap_or_default()
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
        self.keep_all(keep);
        step
    }

    /// The client has its answer, or is gone. Nothing is said to it any more.
    pub fn on_closed(&mut self, id: StreamId) {
        if let Some(Exchange::Waiting(ask)) = self.exchanges.remove(&id) {
            self.airspace.leave(&ask.key, id);
        }
    }

    /// The outcome of a callout is here; one that nothing waits for is counted and dropped.
    pub fn on_callout(&mut self, call: CalloutId, outcome: CalloutOutcome, now: Timestamp) {
        let result = self.with_ground(now, |airspace, ground| {
            airspace.on_callout(call, outcome, ground)
        });
        match result {
            Ok(arrival) => self.land(arrival, now),
            Err(airspace::TooLate) => self.count(|counters| &mut counters.late_outcomes_total),
        }
    }

    /// Time has passed: pauses end, and outcomes that never came are timeouts.
    pub fn on_tick(&mut self, now: Timestamp) {
        for key in self.airspace.due(now) {
            let arrival = self.with_ground(now, |airspace, ground| airspace.on_due(&key, ground));
            self.land(arrival, now);
        }
    }

    /// The next callout to hand to the host, as long as there is room among those in flight.
    pub fn next_callout(&mut self, now: Timestamp) -> Option<Callout> {
        let callout = self.airspace.next_callout(now)?;
        self.count(|counters| &mut counters.callouts_total);
        Some(callout)
    }

    /// The next stream that waits no longer, and what it gets. Streams that are gone are passed over.
    pub fn next_step(&mut self, now: Timestamp) -> Option<(StreamId, Step)> {
        while let Some((id, touchdown)) = self.landed.pop_front() {
            let Some(exchange) = self.exchanges.remove(&id) else {
                continue;
            };
            match exchange.on_landed(&touchdown.landing, touchdown.stored, self.settings(), now) {
                None => {}
                Some(Landed::Reply(reply)) => return Some((id, Step::Reply(reply))),
                Some(Landed::Forward {
                    ask,
                    upstream,
                    path,
                    via,
                }) => {
                    return Some((id, self.forward(id, *ask, upstream, path, via)));
                }
            }
        }
        None
    }

    /// Whether a callout or a step is ready.
    pub fn has_work(&self) -> bool {
        !self.landed.is_empty() || self.airspace.has_callout()
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

    fn serve_object(
        &mut self,
        id: StreamId,
        request: Request,
        found: &Relevant<'_>,
        now: Timestamp,
    ) -> Step {
        let client = Client {
            request_id: crate::text::request_id(found.request_id),
            if_none_match: found.if_none_match,
        };
        let source = match self.source_of(&request) {
            Ok(source) => source,
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
            source: source.clone(),
            is_head: found.method == b"HEAD",
            request_id: request_id(found.request_id),
            if_none_match: found
                .if_none_match
                .filter(|tags| tags.len() <= MAX_TAGS)
                .map(<[u8]>::to_vec),
            collapsed: false,
        };
        if let Some(reply) = self.delayed(&ask, now) {
            return Step::Reply(reply);
        }
        let again = pages::query(found.path) == Some(reply::FOLLOW.as_bytes());
        match self.way_to(ask, again, now) {
            Way::Known(Landed::Reply(reply)) => Step::Reply(reply),
            Way::Known(Landed::Forward {
                ask,
                upstream,
                path,
                via,
            }) => self.forward(id, *ask, upstream, path, via),
            Way::Asked(ask) => self.wait(id, ask, traceparent(found.traceparent), now),
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
    fn remembered(&self, key: &Key, request: &Request, now: Timestamp) -> Option<Rc<Entry>> {
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

    fn forward(
        &mut self,
        id: StreamId,
        ask: Ask,
        upstream: Rc<Upstream>,
        path: Option<String>,
        via: Via,
    ) -> Step {
        self.count(|counters| &mut counters.forwarded_total);
        let forward = Forward {
            target: upstream.target.clone(),
            authority: upstream.authority.clone(),
            path: path.unwrap_or_else(|| upstream.path_of(ask.request.upstream_path())),
            user_agent: USER_AGENT,
        };
        self.exchanges
            .insert(id, Exchange::Forwarded(ask, upstream, via));
        Step::Forward(forward)
    }

    /// Waits on the flight that brings the object, or finds out who has it. It starts if there is none.
    fn wait(
        &mut self,
        id: StreamId,
        mut ask: Ask,
        traceparent: Option<Rc<str>>,
        now: Timestamp,
    ) -> Step {
        if self.airspace.join(&ask.key, id) {
            ask.collapsed = true;
            self.exchanges.insert(id, Exchange::Waiting(ask));
            self.count(|counters| &mut counters.coalesced_total);
            return Step::Wait;
        }
        if self.airspace.is_full() {
            self.count(|counters| &mut counters.overloads_total);
            return Step::Reply(reply::overload(&ask.request_id));
        }
        let want = Want {
            request: ask.request.clone(),
            goal: if ask.request.endpoint() == Endpoint::Zip {
                Goal::Locate
            } else {
                Goal::Fetch
            },
            key: ask.key.clone(),
            source: ask.source.clone(),
            failures: self.failures_of(&ask, now),
            request_id: ask.request_id.clone(),
            traceparent,
        };
        self.exchanges.insert(id, Exchange::Waiting(ask));
        let arrival = self.with_ground(now, |airspace, ground| airspace.start(want, id, ground));
        self.land(arrival, now);
        Step::Wait
    }

    fn land(&mut self, arrival: Option<Arrival>, now: Timestamp) {
        let Some(Arrival {
            want,
            landing,
            waiting,
        }) = arrival
        else {
            return;
        };
        let mut stored = false;
        match &landing {
            Landing::Answered { entry, storable } => {
                if entry.head().status == 200 {
                    self.remember_location(&want, entry.upstream(), false);
                }
                stored = *storable && self.keep(want.key.clone(), entry.clone());
            }
            Landing::Located(upstream, location) => {
                self.remember_location(&want, &upstream.name, false);
                if location.is_some() {
                    self.space
                        .borrow_mut()
                        .redirecting
                        .put(upstream.name.clone(), ());
                }
            }
            Landing::Oversized(upstream) => self.remember_location(&want, &upstream.name, true),
            Landing::Failed(failure) => {
                self.count(|counters| &mut counters.flight_failures_total);
                self.delay(&want.key, failure, now);
            }
            Landing::Unstorable => self.count(|counters| &mut counters.flight_failures_total),
        }
        let touchdown = Rc::new(Touchdown { landing, stored });
        self.landed
            .extend(waiting.into_iter().map(|id| (id, touchdown.clone())));
    }

    /// Puts an entry into memory, unless it is too large; tells whether it did.
    fn keep(&mut self, key: Key, entry: Rc<Entry>) -> bool {
        if entry.body().len() > self.max_object {
            return false;
        }
        let mut space = self.space.borrow_mut();
        let kept = space.memory.insert(key, entry);
        space.counters.evicted_total = space.memory.evicted();
        if kept {
            count(&mut space.counters.stored_total);
        }
        kept
    }

    fn keep_all(&mut self, keep: Option<Keep>) {
        if let Some(Keep { key, entry }) = keep {
            self.keep(key, entry);
        }
    }

    const fn settings(&self) -> Settings<'_> {
        let Self {
            max_object,
            serve,
            redirects,
            copies,
            ..
        } = self;
        Settings {
            max_object: *max_object,
            serve,
            redirects,
            copies,
        }
    }

    fn with_ground<T>(
        &mut self,
        now: Timestamp,
        act: impl FnOnce(&mut Airspace, Ground<'_>) -> T,
    ) -> T {
        let mut space = self.space.borrow_mut();
        let ground = Ground {
            now,
            health: &mut space.health,
            redirects: &self.redirects,
        };
        act(&mut self.airspace, ground)
    }

    fn count(&self, counter: impl FnOnce(&mut Counters) -> &mut u64) {
        count(counter(&mut self.space.borrow_mut().counters));
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
