//! A request for an object: answered from what is held, or sent on its way.

use std::rc::Rc;

use super::caching::Held;
use super::flying::traceparent;
use super::knowing::Way;
use super::{Forward, Gateway, Step, StreamId, pages};
use crate::cache::Key;
use crate::exchange::{Ask, DiskUse, Exchange, Landed, Via, request_id};
use crate::flight::USER_AGENT;
use crate::goproxy::{Endpoint, Request};
use crate::head::Relevant;
use crate::reply::{self, Client, Provenance, Reply};
use crate::time::Timestamp;
use crate::told::{About, Asker};
use crate::upstream::{Source, Upstream};

/// A longer `If-None-Match` is not kept while a client waits: it names nothing of ours.
const MAX_TAGS: usize = 1024;

impl Gateway {
    pub(super) fn serve_object(
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
        let caches_only = found.fetch_disabled || request.cached_only();
        let asker = Asker {
            asks_first: found.asks_first(),
            caches_only,
            is_head: found.method == b"HEAD",
        };
        let about = About {
            request: &request,
            source: None,
            request_id: client.request_id,
            asker,
            since: now,
            asked: 0,
        };
        let source = match self.source_of(&request) {
            Ok(source) => source,
            Err(no_source) => return self.replied(about, no_source(client.request_id), now),
        };
        let about = About {
            source: Some(source),
            ..about
        };
        if request.endpoint() == Endpoint::SumSupported {
            return self.replied(about, reply::database_supported(), now);
        }
        let key = Key::public(&self.namespace, request.canonical());
        let (held, tier) = self.held(&key, &request, source, now);
        let cache = Provenance::Cache(tier);
        let stale = match held {
            Held::Fresh(entry) => {
                let reply = reply::entry(&entry, request.class(), cache, client, now);
                return self.replied(about, reply, now);
            }
            Held::Aging { entry, ask_anew } => {
                let reply = reply::entry(&entry, request.class(), cache, client, now);
                let step = self.replied(about, reply, now);
                if ask_anew && !caches_only {
                    let source = source.clone();
                    let request = Rc::new(request);
                    self.refresh(request, key, source, client.request_id, entry, now);
                }
                return step;
            }
            Held::Old(entry) if caches_only => {
                let reply = reply::entry(&entry, request.class(), cache, client, now);
                return self.replied(about, reply, now);
            }
            Held::Nothing
                if caches_only && self.redis.is_none() && !self.keeps_on_disk(&request) =>
            {
                return self.replied(about, reply::not_cached(client.request_id), now);
            }
            Held::Old(entry) => Some(entry),
            Held::Nothing => None,
        };
        let ask = Ask {
            request: Rc::new(request),
            key,
            source: source.clone(),
            request_id: request_id(found.request_id),
            if_none_match: found
                .if_none_match
                .filter(|tags| tags.len() <= MAX_TAGS)
                .map(<[u8]>::to_vec),
            asker,
            since: now,
            asked: 0,
            collapsed: false,
            stale,
            disk: DiskUse::default(),
        };
        self.fetch(id, ask, found, now)
    }

    /// Gets what memory does not have, or has too old.
    pub(super) fn fetch(
        &mut self,
        id: StreamId,
        mut ask: Ask,
        found: &Relevant<'_>,
        now: Timestamp,
    ) -> Step {
        let traceparent = traceparent(found.traceparent);
        if ask.asker.caches_only {
            return self.wait(id, ask, None, traceparent, now);
        }
        if let Some(reply) = self.delayed(&ask, now) {
            return self.replied(ask.about(), reply, now);
        }
        let again = pages::again(found.path);
        if again.direct {
            ask.disk = DiskUse::Avoided;
        }
        match self.way_to(ask, again.follow, now) {
            Way::Known(Landed::Reply(ask, reply)) => self.replied(ask.about(), reply, now),
            Way::Known(Landed::Otherwise(ask, otherwise)) => {
                self.unless_on_disk(id, *ask, otherwise, now)
            }
            Way::Known(Landed::Forward {
                ask,
                upstream,
                path: None,
                via: Via::Choice,
            }) if !again.follow && self.asks_redis(&ask) => {
                self.wait(id, *ask, Some(upstream), traceparent, now)
            }
            Way::Known(Landed::Forward {
                ask,
                upstream,
                path,
                via,
            }) => self.forward(id, *ask, upstream, path, via, now),
            Way::Asked(ask) => self.wait(id, ask, None, traceparent, now),
        }
    }

    pub(super) fn source_of(&self, request: &Request) -> Result<&Source, fn(&str) -> Reply> {
        if let Some(database) = request.sumdb() {
            return self.sources.of_database(database).ok_or(reply::no_database);
        }
        let module = request.module().unwrap_or_default();
        self.sources.of_module(&module).ok_or(reply::no_route)
    }

    pub(super) fn forward(
        &mut self,
        id: StreamId,
        mut ask: Ask,
        upstream: Rc<Upstream>,
        path: Option<String>,
        via: Via,
        now: Timestamp,
    ) -> Step {
        self.count(|counters| &mut counters.forwarded_total);
        let forward = Forward {
            target: upstream.target.clone(),
            authority: upstream.authority.clone(),
            path: path.unwrap_or_else(|| upstream.path_of(ask.request.upstream_path())),
            user_agent: USER_AGENT,
            disk: None,
        };
        let forward = self.by_disk(&mut ask, forward, now);
        self.exchanges
            .insert(id, Exchange::Forwarded(ask, upstream, via));
        Step::Forward(forward)
    }
}
