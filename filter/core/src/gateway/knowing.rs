//! What a gateway remembers of upstreams and objects beside the objects themselves: who has a version, who redirects, who
//! wants to be left alone.

use std::rc::Rc;
use std::time::Duration;

use super::{Gateway, version_of};
use crate::cache::{Entry, Key};
use crate::exchange::{Ask, Exchange, ForwardedHead, Landed, Through, Via, located};
use crate::goproxy::{Endpoint, Request};
use crate::health::Sign;
use crate::reply::{self, Provenance, Reply};
use crate::store::{Delay, Failing, Location, Moved};
use crate::time::Timestamp;
use crate::upstream::{Source, Upstream};
use crate::verdict::{Failure, Fault};

/// A signed URL lives longer than its client needs to come again.
const BELIEVED: Duration = Duration::from_secs(30);

/// How an object that is not in the cache is had.
pub(super) enum Way {
    /// The host streams it, or the client fetches it itself.
    Known(Landed),
    /// A callout brings it, or finds out who has it.
    Asked(Ask),
}

impl Gateway {
    /// The way to an object. `again`: the client was sent back to have what it now asks for.
    pub(super) fn way_to(&self, ask: Ask, again: bool, now: Timestamp) -> Way {
        if again && let Some(moved) = self.moved(&ask.key, now) {
            return Way::Known(located(
                ask,
                &moved.upstream,
                &moved.location,
                moved.followed,
                self.settings(),
            ));
        }
        match self.streamed_from(&ask, again, now) {
            Some(upstream) => {
                let ask = Box::new(ask);
                Way::Known(Landed::Forward {
                    ask,
                    upstream,
                    path: None,
                    via: Via::Choice,
                })
            }
            None => Way::Asked(ask),
        }
    }

    /// The upstream that the host streams an object from; `None` for what a callout brings, and for an archive of which
    /// it must be found out first who has it, or where that one redirects to.
    fn streamed_from(&self, ask: &Ask, again: bool, now: Timestamp) -> Option<Rc<Upstream>> {
        let is_zip = match ask.request.endpoint() {
            Endpoint::Zip => true,
            Endpoint::Mod => false,
            _ => return None,
        };
        let mut space = self.space.borrow_mut();
        let location = space
            .locations
            .get(&version_of(ask.request.canonical()))
            .cloned();
        if !is_zip && !location.as_ref().is_some_and(|known| known.oversized_mod) {
            return None;
        }
        if let Some(only) = ask.source.only() {
            let redirects = is_zip && (again || space.redirecting.contains(&only.name));
            return (!redirects).then(|| only.clone());
        }
        // In a chain a probe asks them all, and passes over those that are aside.
        let upstream = location
            .as_ref()
            .and_then(|known| ask.source.named(&known.upstream))?;
        let probe = again
            || space.redirecting.contains(&upstream.name)
            || space.health.is_aside(upstream, now);
        (!probe || !is_zip).then(|| upstream.clone())
    }

    fn moved(&self, key: &Key, now: Timestamp) -> Option<Moved> {
        let mut space = self.space.borrow_mut();
        let moved = space.moved.pop(key)?;
        (!moved.until.is_due(BELIEVED, now)).then_some(moved)
    }

    /// The answer for an object that its upstream wants to be asked for later.
    pub(super) fn delayed(&self, ask: &Ask, now: Timestamp) -> Option<Reply> {
        let mut space = self.space.borrow_mut();
        let delay = space.delays.get(&ask.key)?;
        if delay.until.is_due(delay.span, now) {
            space.delays.pop(&ask.key);
            return None;
        }
        // Rounded up: who comes back then is not told to wait again.
        if delay.failure.fault.is_outage()
            && let Some(stale) = &ask.stale
        {
            let from = Provenance::Stale(delay.failure.fault.status());
            return Some(ask.reply(stale, from, now));
        }
        let seconds = delay.until.seconds_since(now).saturating_add(1);
        let mut failure = (*delay.failure).clone();
        failure.retry_after = Some(seconds.to_string().into());
        Some(reply::failure(&failure, &ask.request_id))
    }

    /// Whether an object's upstream wants to be asked for it later.
    pub(super) fn is_delayed(&self, key: &Key, now: Timestamp) -> bool {
        let space = self.space.borrow();
        let delay = space.delays.peek(key);
        delay.is_some_and(|delay| !delay.until.is_due(delay.span, now))
    }

    /// Keeps what an upstream said of when to come back.
    pub(super) fn delay(&self, key: &Key, failure: &Rc<Failure>, now: Timestamp) {
        if let Some(span) = failure.wait() {
            let delay = Delay {
                until: now.after(span),
                span,
                failure: failure.clone(),
            };
            self.space.borrow_mut().delays.put(key.clone(), delay);
        }
    }

    /// What is said of the upstreams that did not give an archive just now.
    pub(super) fn failures_of(&self, ask: &Ask, now: Timestamp) -> Vec<Rc<Failure>> {
        let mut space = self.space.borrow_mut();
        let failing = space
            .failing
            .get(&ask.key)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let failing = failing
            .iter()
            .filter(|one| !one.until.is_due(one.span, now));
        failing.map(|one| one.failure.clone()).collect()
    }

    /// An upstream of a chain did not give an archive: for a while it is passed over for this one.
    fn remember_failure(&self, ask: &Ask, upstream: &Upstream, fault: Fault, now: Timestamp) {
        if ask.source.only().is_some() {
            return;
        }
        let failure = Rc::new(Failure::new(fault, &upstream.name, String::new()));
        let span = upstream.fail_timeout;
        let mut space = self.space.borrow_mut();
        let Some(failing) = space.failing.get_or_default(&ask.key.clone().into()) else {
            return;
        };
        failing.retain(|one| {
            one.failure.upstream != upstream.name && !one.until.is_due(one.span, now)
        });
        failing.push(Failing {
            failure,
            span,
            until: now.after(span),
        });
    }

    /// Remembers who gave what a cache holds.
    pub(super) fn learn_whose(&self, request: &Request, source: &Source, entry: &Entry) {
        if entry.head().status == 200 {
            self.remember_location(request, source, entry.upstream(), false);
        }
    }

    /// Remembers where a version lives, so that its archive is asked of the same upstream.
    pub(super) fn remember_location(
        &self,
        request: &Request,
        source: &Source,
        upstream: &str,
        oversized_mod: bool,
    ) {
        let is_version = matches!(
            request.endpoint(),
            Endpoint::Info | Endpoint::Mod | Endpoint::Zip
        );
        if !is_version || (source.only().is_some() && !oversized_mod) {
            return;
        }
        let mut space = self.space.borrow_mut();
        let version = version_of(request.canonical());
        let oversized_mod = oversized_mod
            || space
                .locations
                .peek(&version)
                .is_some_and(|known| known.oversized_mod);
        space.locations.put(
            version,
            Location {
                upstream: upstream.into(),
                oversized_mod,
            },
        );
    }

    /// What the head of a forwarded answer says of the upstream.
    pub(super) fn learn(&self, exchange: &Exchange, answer: &ForwardedHead, now: Timestamp) {
        let Exchange::Forwarded(ask, upstream, via) = exchange else {
            return;
        };
        if let (301..=303 | 307 | 308, Some(location)) = (answer.status, &answer.head.location) {
            let (location, upstream) = (location.clone(), upstream.clone());
            let (followed, until) = (via.redirects(), now.after(BELIEVED));
            let moved = Moved {
                location,
                upstream,
                followed,
                until,
            };
            self.space.borrow_mut().moved.put(ask.key.clone(), moved);
        }
        // Where a redirect led says nothing of the upstream, and neither does what is on the disk.
        if answer.through == Through::Hit || via.redirects() > 0 {
            return;
        }
        let sign = answer
            .made_by
            .sign()
            .unwrap_or_else(|| Sign::of_status(answer.status));
        let mut space = self.space.borrow_mut();
        if let Some(class) = answer.class() {
            space.counters.note_upstream(&upstream.name, class);
        }
        space.health.note(
            upstream,
            &ask.request.module().unwrap_or_default(),
            sign,
            now,
        );
        if matches!(answer.status, 404 | 410) || answer.fault(ask).is_some() {
            // It does not have, or does not give, what it seemed to have: the next request finds out anew.
            space.locations.pop(&version_of(ask.request.canonical()));
        }
        if matches!(answer.status, 301..=303 | 307 | 308) {
            space.redirecting.put(upstream.name.clone(), ());
        }
        drop(space);
        if let Some(fault) = answer.fault(ask) {
            self.remember_failure(ask, upstream, fault, now);
        }
        if let (status @ (429 | 503), Some(_)) = (answer.status, &answer.head.retry_after) {
            let fault = if status == 429 {
                Fault::RateLimited
            } else {
                Fault::Status(status)
            };
            let mut failure = Failure::new(fault, &upstream.name, String::new());
            failure.retry_after = answer.head.retry_after.clone();
            self.delay(&ask.key, &Rc::new(failure), now);
        }
    }
}
