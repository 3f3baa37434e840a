//! Flights as the gateway sends them off, and what it does when they land.

use std::rc::Rc;

use super::airspace::{Airspace, Arrival, Ground, Impatient};
use super::{Gateway, Step, StreamId, Touchdown};
use crate::cache::{Entry, Key};
use crate::exchange::{Ask, Exchange};
use crate::flight::{Goal, Landing, Lane, Want};
use crate::goproxy::{Endpoint, Request};
use crate::metrics::count;
use crate::redis::{Asked, Found};
use crate::reply::{self, Provenance};
use crate::store::Namespace;
use crate::time::Timestamp;
use crate::upstream::{Source, Upstream};
use crate::verdict::{Failure, Fault};

impl Gateway {
    /// Waits on the flight that brings the object, or finds out who has it. It starts if there is none.
    pub(super) fn wait(
        &mut self,
        id: StreamId,
        mut ask: Ask,
        streamed_from: Option<Rc<Upstream>>,
        traceparent: Option<Rc<str>>,
        now: Timestamp,
    ) -> Step {
        if self.airspace.join(&ask.lane(), id) {
            ask.collapsed = true;
            self.exchanges.insert(id, Exchange::Waiting(ask));
            self.count(|counters| &mut counters.coalesced_total);
            return Step::Wait;
        }
        if self.airspace.is_full() {
            self.count(|counters| &mut counters.overloads_total);
            let reply = match &ask.stale {
                Some(entry) => {
                    self.count(|counters| &mut counters.stale_served_total);
                    ask.reply(entry, Provenance::Stale(None), now)
                }
                None => reply::overload(&ask.request_id),
            };
            return self.replied(ask.about(), reply, now);
        }
        let want = Want {
            request: ask.request.clone(),
            goal: ask.goal(),
            key: ask.key.clone(),
            source: ask.source.clone(),
            failures: self.failures_of(&ask, now),
            asks_redis: self.asks_redis(&ask),
            refreshes: false,
            stale: ask.stale.clone(),
            streamed_from,
            asked: ask.asked,
            request_id: ask.request_id.clone(),
            traceparent,
        };
        self.exchanges.insert(id, Exchange::Waiting(ask));
        self.start(want, vec![id], now);
        Step::Wait
    }

    /// Asks in the background for what was served although it is no longer fresh; once at a time.
    pub(super) fn refresh(
        &mut self,
        request: Rc<Request>,
        key: Key,
        source: Source,
        request_id: &str,
        stale: Rc<Entry>,
        now: Timestamp,
    ) {
        let lane = Lane {
            key,
            caches_only: false,
        };
        if self.airspace.has(&lane) || self.airspace.is_full() || self.is_delayed(&lane.key, now) {
            return;
        }
        self.count(|counters| &mut counters.refreshes_total);
        let want = Want {
            request,
            goal: Goal::Fetch,
            key: lane.key,
            source,
            failures: Vec::new(),
            asks_redis: self.redis.is_some(),
            refreshes: true,
            stale: Some(stale),
            streamed_from: None,
            asked: 0,
            request_id: request_id.into(),
            traceparent: None,
        };
        self.start(want, Vec::new(), now);
    }

    fn start(&mut self, want: Want, waiting: Vec<StreamId>, now: Timestamp) {
        let arrival = self.with_ground(now, |airspace, ground| {
            airspace.start(want, waiting, ground)
        });
        self.land(arrival, now);
    }

    /// A flight is over: what it brought is kept, and who waited on it gets it.
    pub(super) fn land(&mut self, arrival: Option<Arrival>, now: Timestamp) {
        let Some(Arrival {
            want,
            landing,
            waiting,
        }) = arrival
        else {
            return;
        };
        let stored = self.learn_from(&want, &landing, waiting.len(), now);
        let asked = want.asked;
        self.let_go(&want);
        if let Landing::Cached(Found { entry, .. }) | Landing::Shared { entry, .. } = &landing
            && self.is_to_be_refreshed(&want, entry, now)
        {
            let (request_id, entry) = (want.request_id.clone(), entry.clone());
            self.refresh(want.request, want.key, want.source, &request_id, entry, now);
        }
        let touchdown = Rc::new(Touchdown {
            landing,
            stored,
            asked,
        });
        self.landed
            .extend(waiting.into_iter().map(|id| (id, touchdown.clone())));
    }

    /// Keeps what a landing brought; tells whether an upstream's answer is in the cache now.
    fn learn_from(
        &mut self,
        want: &Want,
        landing: &Landing,
        waiting: usize,
        now: Timestamp,
    ) -> bool {
        match landing {
            Landing::Answered { entry, storable } => {
                self.learn_whose(&want.request, &want.source, entry);
                self.space.borrow_mut().troubled.pop(&want.key);
                return *storable && self.keep(&want.key, entry);
            }
            Landing::Shared { entry, followed } => {
                self.learn_whose(&want.request, &want.source, entry);
                if *followed && waiting > 0 {
                    // All but the first were counted as they came.
                    self.count(|counters| &mut counters.coalesced_total);
                }
                self.space.borrow_mut().troubled.pop(&want.key);
                self.keep_in_memory(&want.key, entry);
            }
            Landing::Cached(Found { entry, is_late }) => {
                self.learn_whose(&want.request, &want.source, entry);
                self.keep_in_memory(&want.key, entry);
                self.share(&want.key, entry);
                if *is_late {
                    self.write_behind(&want.key, entry);
                }
            }
            Landing::Located(upstream, location) => {
                self.remember_location(&want.request, &want.source, &upstream.name, false);
                if location.is_some() {
                    let name = upstream.name.clone();
                    self.space.borrow_mut().redirecting.put(name, ());
                }
            }
            Landing::Oversized(upstream) => {
                self.remember_location(&want.request, &want.source, &upstream.name, true);
            }
            Landing::Failed(failure) => {
                self.count(|counters| &mut counters.flight_failures_total);
                self.delay(&want.key, failure, now);
            }
            Landing::Stale(entry, failure) => {
                self.count(|counters| &mut counters.flight_failures_total);
                self.delay(&want.key, failure, now);
                self.keep_in_memory(&want.key, entry);
                self.in_trouble(&want.key, waiting, now);
            }
            Landing::Unstorable => self.count(|counters| &mut counters.flight_failures_total),
            Landing::Known(_) | Landing::NotCached => {}
        }
        false
    }

    pub(super) fn with_ground<T>(
        &mut self,
        now: Timestamp,
        act: impl FnOnce(&mut Airspace, Ground<'_>) -> T,
    ) -> T {
        let mut space = self.space.borrow_mut();
        let Namespace {
            health,
            redis: state,
            counters,
            ..
        } = &mut *space;
        let redis = self.redis.as_ref().map(|tier| Asked {
            redis: tier.redis(),
            state,
            counters,
        });
        let mut answers = Vec::new();
        let ground = Ground {
            now,
            health,
            redirects: &self.redirects,
            invalidate: &self.invalidate,
            shared: self.shared.as_ref(),
            redis,
            answers: &mut answers,
        };
        let result = act(&mut self.airspace, ground);
        for (upstream, class) in &answers {
            space.counters.note_upstream(upstream, *class);
        }
        drop(space);
        self.count_leases();
        result
    }

    /// Who has waited long gets an old answer, where there is one; the flight goes on for those who come later.
    pub(super) fn relieve(&mut self, now: Timestamp) {
        for Impatient {
            key,
            stale,
            waiting,
        } in self.airspace.impatient(now)
        {
            let failure = Failure::new(Fault::Timeout, &stale.upstream().into(), String::new());
            self.in_trouble(&key, waiting.len(), now);
            let touchdown = Rc::new(Touchdown {
                landing: Landing::Stale(stale, Rc::new(failure)),
                stored: false,
                asked: 0,
            });
            self.landed
                .extend(waiting.into_iter().map(|id| (id, touchdown.clone())));
        }
    }

    /// The upstreams failed, and old copies are served: for a while they are, without asking anew.
    fn in_trouble(&self, key: &Key, served: usize, now: Timestamp) {
        let mut space = self.space.borrow_mut();
        for _ in 0..served {
            count(&mut space.counters.stale_served_total);
        }
        space
            .troubled
            .put(key.clone(), now.after(super::caching::TROUBLE));
    }
}

/// A trace context that may be handed on (W3C Trace Context: 55 bytes of printable ASCII in version 00).
pub(super) fn traceparent(value: Option<&[u8]>) -> Option<Rc<str>> {
    let text = std::str::from_utf8(value?).ok()?;
    let fits = (55..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.into())
}

/// Whether a callout can bring the object.
pub(super) fn is_metadata(request: &Request) -> bool {
    request.endpoint() != Endpoint::Zip
}
