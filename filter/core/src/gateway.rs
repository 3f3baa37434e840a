//! One compiled configuration, and the way in: requests, outcomes and ticks go in, steps and callouts come out.
//!
//! A gateway belongs to a root context of the host, and so do its flights: the host tells a callout's outcome to the
//! root context that sent it. What outlives a configuration is in the [`Store`].

mod airspace;
mod caching;
mod disk;
mod explain;
mod flying;
mod knowing;
mod pages;
mod reporting;
mod serving;
mod sharing;
mod telling;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use goproxy_pages::Slots;

use crate::cache::shared::Shared;
use crate::callout::{Callout, CalloutId, CalloutOutcome};
use crate::capabilities::HostCapabilities;
use crate::config::{Config, Invalidation, Redirects, Serve};
use crate::exchange::{
    After, BodyStep, Copies, End, Exchange, ForwardedHead, HeadStep, Landed, Piece, Settings,
};
use crate::flight::Landing;
use crate::goproxy::Request;
use crate::head::{Relevant, RequestHead};
use crate::ids::IdMap;
use crate::metrics::{Counters, count};
use crate::reply::{self, Reply};
use crate::store::{Namespace, Store};
use crate::time::Timestamp;
use crate::upstream::{Sources, Upstream};

use airspace::Airspace;
use caching::RedisTier;
pub use disk::DiskAsk;
use pages::Doorkeeper;
use reporting::Configured;
pub(crate) use reporting::Reporting;
use telling::Events;

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
    /// What the disk cache is told, where it is asked in place of the upstream.
    pub disk: Option<DiskAsk>,
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
    /// A larger archive is not copied while it passes.
    max_copy: usize,
    shared: Option<Shared>,
    redis: Option<RedisTier>,
    disk: Option<Rc<Upstream>>,
    space: Rc<RefCell<Namespace>>,
    /// Where all workers of the process tell what they counted.
    slots: Option<Slots>,
    configured: Rc<Configured>,
    copies: Copies,
    airspace: Airspace,
    exchanges: IdMap<StreamId, Exchange>,
    events: Events,
    doorkeeper: Doorkeeper,
    landed: VecDeque<(StreamId, Rc<Touchdown>)>,
}

/// How a flight ended, for all who wait on it.
struct Touchdown {
    landing: Landing,
    stored: bool,
    /// How many requests upstreams were sent.
    asked: u32,
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
        let redis = config
            .redis
            .as_ref()
            .map(|redis| RedisTier::new(redis, &host.environment))
            .transpose()?;
        let events = Events::new(config, host)?;
        let space = store
            .borrow_mut()
            .namespace(&config.namespace, config.memory.size);
        let copies = space.borrow().copies.clone();
        let sources = Sources::new(config);
        let configured = Rc::new(Configured {
            upstreams: sources.upstreams().to_vec(),
            redis: redis.is_some(),
            digest: config.digest,
        });
        space.borrow_mut().expect(&configured);
        // Last: what is done to it stays, should the configuration be refused.
        let shared = host.shared.as_ref();
        let slots = shared.map(Slots::open);
        let shared = shared.and_then(|host| Shared::open(host, config.shared.size));
        // Some archives are too large for memory and not for Redis.
        let largest = redis.as_ref().map_or(0, RedisTier::max_value);
        Ok(Self {
            serve: config.serve.clone(),
            sources,
            redirects: config.redirects.clone(),
            invalidate: config.invalidate.clone(),
            namespace: (*config.namespace).into(),
            max_object: config.memory.max_object,
            max_copy: config.memory.max_object.max(largest),
            shared,
            redis,
            disk: config
                .disk
                .as_ref()
                .map(|disk| Rc::new(Upstream::disk(disk))),
            copies,
            space,
            slots,
            configured,
            airspace: Airspace::default(),
            exchanges: IdMap::default(),
            events,
            doorkeeper: Doorkeeper {
                admin: config.admin.clone(),
                peer: host.peer.clone(),
            },
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
        let request_id = crate::text::request_id(found.request_id);
        if !matches!(found.method, b"GET" | b"HEAD") {
            return self.refused(reply::method_not_allowed(request_id), now);
        }
        if !head.end_of_stream {
            return self.refused(reply::body_not_allowed(request_id), now);
        }
        if let Some(page) = self.page(path, head, request_id, now) {
            return self.paged(page, now);
        }
        match Request::parse(path) {
            Err(error) => self.refused(reply::bad_path(&error, request_id), now),
            Ok(request) => self.serve_object(id, request, &found, now),
        }
    }

    /// Whether the client of this stream has no answer yet, or not all of it.
    pub fn knows(&self, id: StreamId) -> bool {
        self.exchanges.contains_key(&id)
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
        let answer = match self.judge_disk(&exchange, answer, now) {
            Ok(answer) => answer,
            Err(step) => {
                self.told_of(exchange.replaced(&step), now);
                return step;
            }
        };
        self.learn(&exchange, &answer, now);
        let after = exchange.on_head(answer, self.settings(), now);
        self.follow(id, after, now)
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
        let key = exchange.asked_of_disk().map(|ask| ask.key.clone());
        let after = exchange.on_body(piece, now);
        if let (BodyStep::Reset, Some(key)) = (&after.step, key) {
            self.broke_off(key, now);
        }
        self.follow(id, after, now)
    }

    /// What follows from a piece of an answer that the host streams.
    fn follow<S>(&mut self, id: StreamId, after: After<S>, now: Timestamp) -> S {
        self.exchanges
            .extend(after.exchange.map(|exchange| (id, exchange)));
        self.keep_all(after.keep);
        self.told_of(after.over, now);
        after.step
    }

    /// The client has its answer, or is gone. Nothing is said to it any more.
    pub fn on_closed(&mut self, id: StreamId, end: End, now: Timestamp) {
        let Some(exchange) = self.exchanges.remove(&id) else {
            return;
        };
        if let Exchange::Waiting(ask) = &exchange {
            self.airspace.leave(&ask.lane(), id);
        }
        if let Some(ask) = exchange.asked_of_disk()
            && end == End::Broke
        {
            self.broke_off(ask.key.clone(), now);
        }
        self.told_of(exchange.end(end), now);
    }

    /// The outcome of a callout is here; one that nothing waits for is counted and dropped.
    pub fn on_callout(&mut self, call: CalloutId, outcome: CalloutOutcome, now: Timestamp) {
        if self.redis.as_ref().is_some_and(|redis| redis.has(call)) {
            return self.on_redis_job(call, outcome, now);
        }
        if self.is_batch(call) {
            return self.on_batch(call, &outcome, now);
        }
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
        for lane in self.airspace.due(now) {
            let arrival = self.with_ground(now, |airspace, ground| airspace.on_due(&lane, ground));
            self.land(arrival, now);
        }
        self.tend_shared(now);
        self.relieve(now);
        self.tend_redis(now);
        self.tend_events(now);
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
            let Touchdown {
                landing,
                stored,
                asked,
            } = &*touchdown;
            match exchange.on_landed(landing, *stored, *asked, self.settings(), now) {
                None => {}
                Some(Landed::Reply(ask, reply)) => {
                    return Some((id, self.replied(ask.about(), reply, now)));
                }
                Some(Landed::Forward {
                    ask,
                    upstream,
                    path,
                    via,
                }) => {
                    return Some((id, self.forward(id, *ask, upstream, path, via, now)));
                }
                Some(Landed::Otherwise(ask, otherwise)) => {
                    return Some((id, self.unless_on_disk(id, *ask, otherwise, now)));
                }
            }
        }
        None
    }

    /// Whether a callout or a step is ready.
    pub fn has_work(&self) -> bool {
        !self.landed.is_empty() || self.airspace.has_callout()
    }

    const fn settings(&self) -> Settings<'_> {
        let Self {
            max_copy,
            serve,
            redirects,
            copies,
            ..
        } = self;
        Settings {
            max_object: *max_copy,
            serve,
            redirects,
            copies,
        }
    }

    fn count(&self, counter: impl FnOnce(&mut Counters) -> &mut u64) {
        count(counter(&mut self.space.borrow_mut().counters));
    }
}

/// A canonical path without its ending: what `.info`, `.mod` and `.zip` of one version have in common.
fn version_of(canonical: &str) -> &str {
    canonical
        .rsplit_once('.')
        .map_or(canonical, |(version, _)| version)
}
