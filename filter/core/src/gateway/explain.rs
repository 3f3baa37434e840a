//! What a gateway knows of one request: gathered without asking anybody, and without leaving a trace in what is counted or
//! remembered.

use goproxy_pages::{Copy, Explained, Health, Route, Stop, Use, asked, refused};

use super::{Gateway, version_of};
use crate::age::{Age, age_of, is_invalidated};
use crate::cache::{Entry, Key};
use crate::event;
use crate::flight::Lane;
use crate::goproxy::{Class, Endpoint, Request};
use crate::reply;
use crate::time::Timestamp;
use crate::upstream::Source;

const USAGE: &str = "expected /-/explain?path= and the path of a request, such as /-/explain?path=/github.com/pkg/errors/@v/list\n";

impl Gateway {
    /// How a request would go.
    pub(super) fn explain(&self, query: &[u8], now: Timestamp) -> String {
        let Some(path) = asked(query) else {
            return USAGE.to_owned();
        };
        let path = self.serve.strip(&path).unwrap_or(&path);
        match Request::parse(path) {
            Ok(request) => self.explained(&request, now),
            Err(error) => refused(&String::from_utf8_lossy(path), &error.to_string()),
        }
    }

    fn explained(&self, request: &Request, now: Timestamp) -> String {
        let module = request.module().unwrap_or_default();
        let (route, source) = match request.sumdb() {
            Some(name) => (Route::Database, self.sources.of_database(name)),
            None => match self.sources.route_of(&module) {
                Some((index, pattern, source)) => (Route::Modules(index, pattern), Some(source)),
                None => (Route::None, None),
            },
        };
        let mut explained = Explained {
            kind: event::kind(request.endpoint()).as_str(),
            module: &module,
            version: &request.version().unwrap_or_default(),
            database: request.sumdb().unwrap_or_default(),
            immutable: request.class() == Class::Immutable,
            caches_only: request.cached_only(),
            path: request.canonical(),
            route: if source.is_some() { route } else { Route::None },
            chain: Vec::new(),
            key: "",
            redis_key: None,
            redis_aside: false,
            disk: false,
            memory: None,
            shared: None,
            in_the_air: false,
            delay: None,
            passed_over: Vec::new(),
            found_at: None,
        };
        let Some(source) = source.filter(|_| request.endpoint() != Endpoint::SumSupported) else {
            return explained.text();
        };
        let key = Key::public(&self.namespace, request.canonical());
        explained.key = key.as_str();
        explained.chain = self.stops(source, now);
        self.add_copies(&mut explained, &key, request, source, now);
        self.add_trouble(&mut explained, &key, request, now);
        explained.text()
    }

    fn stops<'a>(&self, source: &'a Source, now: Timestamp) -> Vec<Stop<'a>> {
        let health = &self.space.borrow().health;
        let stop = |link: &'a crate::upstream::Link| Stop {
            name: &link.upstream.name,
            on_any_error: link.on == crate::config::FallThrough::AnyError,
            health: match health.aside_for(&link.upstream, now) {
                Some(seconds) => Health::Aside(seconds),
                None => Health::Well,
            },
        };
        source.chain.iter().map(stop).collect()
    }

    fn add_copies(
        &self,
        explained: &mut Explained<'_>,
        key: &Key,
        request: &Request,
        source: &Source,
        now: Timestamp,
    ) {
        let copy = |entry: &Entry| Copy {
            status: entry.head().status,
            bytes: entry.body().len(),
            upstream: entry.upstream().to_owned(),
            age: now.seconds_since(entry.head().stored_at),
            good_for: match age_of(entry, source, now) {
                _ if is_invalidated(&self.invalidate, entry, request) => Use::Nothing,
                Age::Fresh => Use::Fresh(entry.head().fresh_until.seconds_since(now)),
                Age::Aging => Use::Aging,
                Age::Old => Use::Stale,
                Age::Dead => Use::Nothing,
            },
        };
        let space = self.space.borrow();
        explained.memory = space.memory.peek(key).map(copy);
        explained.shared = self.shared.as_ref().map(|shared| {
            let found = shared.slots.get(key.as_str()).ok().flatten();
            found.as_ref().map(copy)
        });
        if let Some(tier) = &self.redis {
            explained.redis_key = Some(tier.redis().key_of(key));
            explained.redis_aside = space.redis.breaker.is_open();
        }
        explained.disk = self.keeps_on_disk(request);
    }

    fn add_trouble(
        &self,
        explained: &mut Explained<'_>,
        key: &Key,
        request: &Request,
        now: Timestamp,
    ) {
        explained.in_the_air = self.airspace.has(&Lane {
            key: key.clone(),
            caches_only: false,
        });
        let space = self.space.borrow();
        if let Some(delay) = space.delays.peek(key)
            && !delay.until.is_due(delay.span, now)
        {
            let fault = delay.failure.fault;
            let status = reply::status_of(fault).to_string();
            let words = [&status, " ", fault.error_type().as_str()].concat();
            explained.delay = Some((delay.until.seconds_since(now), words));
        }
        for one in space.failing.peek(key).into_iter().flatten() {
            if !one.until.is_due(one.span, now) {
                let (upstream, why) = (one.failure.upstream.to_string(), one.failure.fault);
                let rest = one.until.seconds_since(now);
                explained
                    .passed_over
                    .push((upstream, why.error_type().as_str(), rest));
            }
        }
        let location = space.locations.peek(&version_of(request.canonical()));
        explained.found_at = location.map(|known| known.upstream.to_string());
    }
}
