//! What a gateway does with Redis behind its clients' backs: it writes, and asks whether Redis works again.

use std::time::Duration;

use super::missed::answered;
use super::{Missed, Redis, RedisState, SMALL, Write};
use crate::cache::redis::redis_key;
use crate::callout::{Callout, CalloutId, CalloutOutcome};
use crate::ids::IdMap;
use crate::metrics::{Counters, count};
use crate::time::Timestamp;

/// Writes under way at a time: few, so that reads do not stand behind them.
const MOST: usize = 8;
/// A host that has not told an outcome this long after its time limit never will.
const GRACE: Duration = Duration::from_secs(2);

/// Callouts to Redis that no client waits for.
#[derive(Default)]
pub(crate) struct Jobs {
    under_way: IdMap<CalloutId, (Job, Timestamp)>,
}

enum Job {
    Write(Write),
    Probe,
}

impl Jobs {
    /// The next callout to make, if there is something to do. `id` names it.
    pub(crate) fn next(
        &mut self,
        id: CalloutId,
        redis: &Redis,
        state: &mut RedisState,
        counters: &mut Counters,
        now: Timestamp,
    ) -> Option<Callout> {
        let (job, callout) = if state.breaker.wants_probe(redis.fail_timeout, now) {
            state.breaker.probing();
            (Job::Probe, redis.callout(id, redis.wire.ping(), SMALL))
        } else if state.breaker.is_open() || self.under_way.len() >= MOST {
            return None;
        } else {
            let (write, callout) = next_write(id, redis, state, counters, now)?;
            (Job::Write(write), callout)
        };
        let deadline = now.after(redis.timeout).after(GRACE);
        self.under_way.insert(id, (job, deadline));
        Some(callout)
    }

    /// Whether there is something to do, be it that it has to wait.
    pub(crate) fn has_work(&self, state: &RedisState) -> bool {
        state.breaker.is_open() || !state.writes.is_empty()
    }

    /// Whether the callout is one of these.
    pub(crate) fn has(&self, call: CalloutId) -> bool {
        self.under_way.contains_key(&call)
    }

    /// The outcome of one is here.
    pub(crate) fn on_outcome(
        &mut self,
        call: CalloutId,
        outcome: CalloutOutcome,
        redis: &Redis,
        state: &mut RedisState,
        counters: &mut Counters,
        now: Timestamp,
    ) {
        let Some((job, _)) = self.under_way.remove(&call) else {
            return;
        };
        let told = answered(outcome).and_then(|(status, body)| {
            match job {
                Job::Write(_) => redis.wire.parse_set(status, &body),
                Job::Probe => redis.wire.parse_ping(status, &body),
            }
            .map_err(Missed::Refused)
        });
        match (job, told) {
            (Job::Probe, Ok(())) => state.breaker.worked(now),
            (Job::Probe, Err(_)) => state.breaker.probe_failed(now.after(redis.fail_timeout)),
            (Job::Write(_), Ok(())) => {
                count(&mut counters.redis_writes_total);
                state.note(redis, None, now);
            }
            (Job::Write(_), Err(missed)) => {
                count(&mut counters.redis_writes_dropped_total);
                counters.redis_missed.count(missed);
                state.note(redis, Some(missed), now);
            }
        }
    }

    /// Those whose outcome will not come any more.
    pub(crate) fn overdue(&self, redis: &Redis, now: Timestamp) -> Vec<CalloutId> {
        let span = redis.timeout.saturating_add(GRACE);
        let overdue = self
            .under_way
            .iter()
            .filter(|(_, (_, deadline))| deadline.is_due(span, now));
        overdue.map(|(id, _)| *id).collect()
    }

    /// The configuration goes: what it was writing waits again for the next one.
    pub(crate) fn abandon(
        &mut self,
        state: &mut RedisState,
        budget: usize,
        counters: &mut Counters,
    ) {
        for (job, _) in std::mem::take(&mut self.under_way).into_values() {
            match job {
                Job::Probe => state.breaker.probe_failed(Timestamp::default()),
                Job::Write(write) => {
                    if !state.writes.push(write, budget) {
                        count(&mut counters.redis_writes_dropped_total);
                    }
                }
            }
        }
    }
}

/// The next write that is still worth it.
fn next_write(
    id: CalloutId,
    redis: &Redis,
    state: &mut RedisState,
    counters: &mut Counters,
    now: Timestamp,
) -> Option<(Write, Callout)> {
    loop {
        let write = state.writes.pop()?;
        let Some(ttl) = redis.ttl_of(&write.entry, now) else {
            count(&mut counters.redis_writes_dropped_total);
            continue;
        };
        let value = redis.seal(&write.entry, now);
        let request = redis
            .wire
            .setex(&redis_key(&redis.prefix, &write.key), ttl, &value);
        return Some((write, redis.callout(id, request, SMALL)));
    }
}
