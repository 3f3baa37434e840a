//! The tiers of the cache, as the gateway reads and fills them.

use std::rc::Rc;
use std::time::Duration;

use super::Gateway;
use super::flying::is_metadata;
use crate::age::{Age, age_of, is_invalidated};
use crate::cache::{Entry, Key};
use crate::callout::{CalloutId, CalloutOutcome};
use crate::capabilities::Environment;
use crate::config;
use crate::exchange::{Ask, Keep};
use crate::flight::Want;
use crate::gateway::SetupError;
use crate::goproxy::Request;
use crate::metrics::count;
use crate::redis::{Jobs, Redis, Write};
use crate::reply::Tier;
use crate::store::Namespace;
use crate::time::Timestamp;
use crate::upstream::Source;

/// How long an old copy is served without asking anew, after its upstreams failed.
pub(super) const TROUBLE: Duration = Duration::from_secs(8);

/// What memory has of an object, or what is shared.
pub(super) enum Held {
    Fresh(Rc<Entry>),
    /// No longer fresh, and served. It is asked for anew in the background, if nobody does already.
    Aging {
        entry: Rc<Entry>,
        ask_anew: bool,
    },
    /// Served if the upstreams fail.
    Old(Rc<Entry>),
    Nothing,
}

/// Redis, and what is under way to it.
pub(super) struct RedisTier {
    redis: Redis,
    jobs: Jobs,
    /// What may wait to be written, in bytes.
    queue: usize,
}

// === impl RedisTier ===

impl RedisTier {
    pub(super) fn new(
        config: &config::Redis,
        environment: &Environment,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            redis: Redis::new(config, environment)?,
            jobs: Jobs::default(),
            queue: config.queue,
        })
    }

    pub(super) const fn redis(&self) -> &Redis {
        &self.redis
    }

    pub(super) const fn max_value(&self) -> usize {
        self.redis.max_value()
    }

    /// Whether a callout is one that no client waits for.
    pub(super) fn has(&self, call: CalloutId) -> bool {
        self.jobs.has(call)
    }
}

// === impl Gateway ===

impl Gateway {
    /// What this worker's memory has of an object; or, where it has none that is fresh, what all workers share.
    pub(super) fn held(
        &self,
        key: &Key,
        request: &Request,
        source: &Source,
        now: Timestamp,
    ) -> (Held, Tier) {
        let remembered = self.remembered(key, request, source, now);
        if let Some((entry, Age::Fresh)) = remembered {
            self.count(|counters| &mut counters.memory_hits_total);
            return (Held::Fresh(entry), Tier::Memory);
        }
        let stored_at = |found: &(Rc<Entry>, Age)| found.0.head().stored_at;
        let known = remembered.as_ref().map(stored_at);
        let shared = self
            .shared(key, request, source, now)
            .filter(|found| known.is_none_or(|known| known < stored_at(found)));
        if let Some((entry, _)) = &shared {
            self.learn_whose(request, source, entry);
            self.keep_in_memory(key, entry);
        }
        let tier = if shared.is_some() {
            Tier::Shared
        } else {
            Tier::Memory
        };
        let held = match shared.or(remembered) {
            Some((entry, age)) => self.judge(entry, age, key, request, now),
            None => Held::Nothing,
        };
        self.count_held(&held, tier);
        (held, tier)
    }

    /// The entry that memory has, if it may be served at all.
    fn remembered(
        &self,
        key: &Key,
        request: &Request,
        source: &Source,
        now: Timestamp,
    ) -> Option<(Rc<Entry>, Age)> {
        let mut space = self.space.borrow_mut();
        let entry = space.memory.get(key)?;
        if is_invalidated(&self.invalidate, &entry, request) {
            space.memory.remove(key);
            return None;
        }
        let age = age_of(&entry, source, now);
        (age != Age::Dead).then_some((entry, age))
    }

    fn judge(
        &self,
        entry: Rc<Entry>,
        age: Age,
        key: &Key,
        request: &Request,
        now: Timestamp,
    ) -> Held {
        if age == Age::Fresh {
            return Held::Fresh(entry);
        }
        let in_trouble = self.space.borrow().troubled.peek(key).copied();
        if age == Age::Old && in_trouble.is_none() {
            return Held::Old(entry);
        }
        let is_due = in_trouble.is_none_or(|until| until.is_due(TROUBLE, now));
        let ask_anew = is_due && is_metadata(request);
        Held::Aging { entry, ask_anew }
    }

    /// Counts what became of a look beyond what memory has fresh.
    fn count_held(&self, held: &Held, tier: Tier) {
        let is_hit = matches!(held, Held::Fresh(_) | Held::Aging { .. });
        let counters = &mut self.space.borrow_mut().counters;
        count(match tier == Tier::Memory && is_hit {
            true => &mut counters.memory_hits_total,
            false => &mut counters.memory_misses_total,
        });
        if self.shared.is_some() {
            count(match tier == Tier::Shared && is_hit {
                true => &mut counters.shared_hits_total,
                false => &mut counters.shared_misses_total,
            });
        }
        if matches!(held, Held::Aging { .. }) {
            count(&mut counters.stale_served_total);
        }
    }

    /// Whether Redis may have what memory does not.
    pub(super) fn asks_redis(&self, ask: &Ask) -> bool {
        // A HEAD of an archive is forwarded: its answer has no body that could be kept or served.
        let is_probe = ask.asker.is_head && !is_metadata(&ask.request);
        self.redis.is_some() && !ask.request.is_toolchain() && !is_probe
    }

    /// Whether what Redis gave was served although it is no longer fresh.
    pub(super) fn is_to_be_refreshed(&self, want: &Want, entry: &Entry, now: Timestamp) -> bool {
        !want.refreshes
            && !want.lane().caches_only
            && is_metadata(&want.request)
            && age_of(entry, &want.source, now) != Age::Fresh
    }

    /// Puts an entry into the cache; tells whether it is in one of its tiers now.
    pub(super) fn keep(&self, key: &Key, entry: &Rc<Entry>) -> bool {
        let in_memory = self.keep_in_memory(key, entry);
        let shared = self.share(key, entry);
        self.write_behind(key, entry) || shared || in_memory
    }

    /// Puts an entry into memory, unless it is too large; tells whether it did.
    pub(super) fn keep_in_memory(&self, key: &Key, entry: &Rc<Entry>) -> bool {
        if entry.body().len() > self.max_object {
            return false;
        }
        let mut space = self.space.borrow_mut();
        let kept = space.memory.insert(key.clone(), entry.clone());
        space.counters.evicted_total = space.memory.evicted();
        if kept {
            count(&mut space.counters.stored_total);
        }
        kept
    }

    pub(super) fn keep_all(&self, keep: Option<Keep>) {
        if let Some(Keep { key, entry }) = keep {
            self.keep(&key, &entry);
        }
    }

    /// Has an entry written to Redis, unless it is too large; tells whether it will be.
    pub(super) fn write_behind(&self, key: &Key, entry: &Rc<Entry>) -> bool {
        let Some(tier) = self.redis.as_ref() else {
            return false;
        };
        if entry.body().len() > tier.max_value() {
            return false;
        }
        let mut space = self.space.borrow_mut();
        let (key, entry) = (key.clone(), entry.clone());
        let queued = space.redis.writes.push(Write { key, entry }, tier.queue);
        if !queued {
            count(&mut space.counters.redis_writes_dropped_total);
        }
        queued
    }

    /// Time has passed: what waits is written, and a Redis that was left alone is asked how it is.
    pub(super) fn tend_redis(&mut self, now: Timestamp) {
        let overdue = match &self.redis {
            Some(tier) => tier.jobs.overdue(&tier.redis, now),
            None => return,
        };
        for call in overdue {
            self.on_redis_job(call, CalloutOutcome::Timeout, now);
        }
        self.next_redis_jobs(now);
    }

    /// The outcome of what no client waits for is here.
    pub(super) fn on_redis_job(
        &mut self,
        call: CalloutId,
        outcome: CalloutOutcome,
        now: Timestamp,
    ) {
        self.airspace.forget(call);
        if let Some(tier) = &mut self.redis {
            let mut space = self.space.borrow_mut();
            let Namespace {
                redis, counters, ..
            } = &mut *space;
            let RedisTier {
                redis: to, jobs, ..
            } = tier;
            jobs.on_outcome(call, outcome, to, redis, counters, now);
        }
        self.next_redis_jobs(now);
    }

    fn next_redis_jobs(&mut self, now: Timestamp) {
        let Some(RedisTier {
            redis: to, jobs, ..
        }) = &mut self.redis
        else {
            return;
        };
        let mut space = self.space.borrow_mut();
        let Namespace {
            redis, counters, ..
        } = &mut *space;
        while jobs.has_work(redis) {
            let id = self.airspace.next_id();
            match jobs.next(id, to, redis, counters, now) {
                Some(callout) => self.airspace.queue(callout),
                None => return,
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.abandon_leases();
        self.withdraw_report();
        let Some(RedisTier { jobs, queue, .. }) = &mut self.redis else {
            return;
        };
        // What the host was writing for this configuration is told to nobody any more.
        if let Ok(mut space) = self.space.try_borrow_mut() {
            let Namespace {
                redis, counters, ..
            } = &mut *space;
            jobs.abandon(redis, *queue, counters);
        }
    }
}
