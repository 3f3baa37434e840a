//! Archives by way of a disk cache that stands between the host and the upstreams: when it is asked, what it is told, and
//! what its failures mean. It is never more than a shorter way: without it archives come from the upstreams.

use std::rc::Rc;

use super::{Forward, Gateway, Step, StreamId};
use crate::cache::Key;
use crate::exchange::{
    Ask, DiskUse, Exchange, ForwardedHead, HeadStep, MadeBy, Otherwise, Through, without_disk,
};
use crate::flight::USER_AGENT;
use crate::goproxy::{Endpoint, Request};
use crate::health::Sign;
use crate::metrics::count;
use crate::time::Timestamp;
use crate::upstream::Upstream;

/// What the disk cache is told, beside what the upstream is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskAsk {
    /// Under which the archive is kept.
    pub key: String,
    /// What the host knows the upstream by. `None`: no upstream is asked, if the archive is not on the disk.
    pub origin: Option<Rc<str>>,
    /// What is kept is no good: it is fetched anew, and what comes takes its place.
    pub refresh: bool,
}

impl Gateway {
    /// Sends an archive's request to the disk cache in place of the upstream, if it is to be asked.
    pub(super) fn by_disk(&self, ask: &mut Ask, forward: Forward, now: Timestamp) -> Forward {
        let Some((disk, key)) = self.disk_for(ask, now) else {
            return forward;
        };
        let refresh = self.space.borrow_mut().broken.pop(&ask.key).is_some();
        let told = DiskAsk {
            key,
            origin: Some(forward.target),
            refresh,
        };
        let target = disk.target.clone();
        ask.disk = DiskUse::Asked;
        Forward {
            target,
            disk: Some(told),
            ..forward
        }
    }

    /// What is said to the client, unless the disk cache has the archive: then it is streamed from there.
    pub(super) fn unless_on_disk(
        &mut self,
        id: StreamId,
        mut ask: Ask,
        otherwise: Otherwise,
        now: Timestamp,
    ) -> Step {
        let is_outage = match &otherwise {
            Otherwise::NotCached => true,
            // What an upstream refuses is not handed out behind its back.
            Otherwise::Failed(failure) => failure.fault.is_outage(),
        };
        let is_good = !self.space.borrow().broken.contains(&ask.key);
        let found = self.disk_for(&ask, now).filter(|_| is_outage && is_good);
        let Some((disk, key)) = found else {
            let reply = otherwise.reply(&ask);
            return self.replied(ask.about(), reply, now);
        };
        let told = DiskAsk {
            key,
            origin: None,
            refresh: false,
        };
        let forward = Forward {
            target: disk.target.clone(),
            authority: disk.authority.clone(),
            path: ask.request.upstream_path().to_owned(),
            user_agent: USER_AGENT,
            disk: Some(told),
        };
        ask.disk = DiskUse::Asked;
        self.exchanges.insert(id, Exchange::OnDisk(ask, otherwise));
        Step::Forward(forward)
    }

    /// Whether an object can be on the disk.
    pub(super) fn keeps_on_disk(&self, request: &Request) -> bool {
        self.disk.is_some() && request.endpoint() == Endpoint::Zip
    }

    /// The disk cache and the key there, if it is to be asked.
    fn disk_for(&self, ask: &Ask, now: Timestamp) -> Option<(Rc<Upstream>, String)> {
        let disk = self.disk.as_ref()?;
        if ask.disk != DiskUse::Open || !self.keeps_on_disk(&ask.request) {
            return None;
        }
        let space = self.space.borrow();
        let broke_off = space.broken.peek(&ask.key);
        if broke_off.is_some_and(|until| !until.is_due(disk.fail_timeout, now))
            || space.health.is_aside(disk, now)
        {
            return None;
        }
        Some((disk.clone(), self.disk_key(ask, now)?))
    }

    /// What is invalidated has another key than what came later. `None`: what comes now is invalidated too.
    fn disk_key(&self, ask: &Ask, now: Timestamp) -> Option<String> {
        let key = ask.key.as_str();
        if self.invalidate.is_empty() {
            return Some(key.to_owned());
        }
        let module = ask.request.module().unwrap_or_default();
        let rules = self.invalidate.iter();
        let rules = rules.filter(|rule| rule.modules.iter().any(|one| one.matches(&module)));
        match rules.map(|rule| rule.before).max() {
            Some(before) if before > now.as_millis() => None,
            Some(before) => Some([key, "?", &before.to_string()].concat()),
            None => Some(key.to_owned()),
        }
    }

    /// What the head of an answer says of the disk cache, and the answer without that. An error is what the client gets
    /// because the disk cache failed.
    pub(super) fn judge_disk(
        &self,
        exchange: &Exchange,
        mut answer: ForwardedHead,
        now: Timestamp,
    ) -> Result<ForwardedHead, HeadStep> {
        let (Some(disk), Some(ask)) = (&self.disk, exchange.asked_of_disk()) else {
            answer.through = Through::Silent;
            return Ok(answer);
        };
        // An upstream was to be asked, and was not: that is no 404.
        let lost =
            answer.through == Through::NotStored && !matches!(exchange, Exchange::OnDisk(..));
        let failed =
            answer.made_by != MadeBy::Upstream || answer.through == Through::Failed || lost;
        let sign = if failed { Sign::Ill } else { Sign::Well };
        let module = ask.request.module().unwrap_or_default();
        let mut space = self.space.borrow_mut();
        space.health.note(disk, &module, sign, now);
        count(match answer.through {
            Through::Hit if !failed => &mut space.counters.disk_hits_total,
            _ => &mut space.counters.disk_misses_total,
        });
        if failed {
            count(&mut space.counters.disk_failures_total);
            return Err(HeadStep::Replace(match exchange {
                Exchange::OnDisk(ask, otherwise) => otherwise.reply(ask),
                _ => without_disk(ask, self.settings()),
            }));
        }
        drop(space);
        match answer.through {
            Through::Behind(made_by) => answer.made_by = made_by,
            // What is wrong with it is on the disk.
            Through::Hit if answer.fault(ask).is_some() => self.broke_off(ask.key.clone(), now),
            _ => {}
        }
        Ok(answer)
    }

    /// What came through the disk cache was no archive, or not all of one. For a while the archive comes without it, and then
    /// it is fetched anew: it may be the disk that is full or the file that is damaged.
    pub(super) fn broke_off(&self, key: Key, now: Timestamp) {
        if let Some(disk) = &self.disk {
            let until = now.after(disk.fail_timeout);
            let mut space = self.space.borrow_mut();
            count(&mut space.counters.disk_failures_total);
            space.broken.put(key, until);
        }
    }
}
