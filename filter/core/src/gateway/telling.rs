//! What is told of a request that is over: counted for everybody, recorded as an event where the configuration says so.

use std::hash::Hasher as _;
use std::time::Duration;

use xxhash_rust::xxh64::Xxh64;

use super::{Gateway, SetupError, Step};
use crate::callout::{CalloutId, CalloutOutcome};
use crate::capabilities::HostCapabilities;
use crate::config::Config;
use crate::event::{
    self, Circumstances, Counts, Failure, Journal, Kind, Section, Sink, Tally, Ticket, Treatment,
};
use crate::metrics::{EndpointLabel, ResultLabel};
use crate::reply::Reply;
use crate::time::Timestamp;
use crate::told::{About, Over, Told, Wrong};

/// A batch whose outcome the host has not told so long after its timeout is given up, before the journal gives it up itself.
const GRACE: Duration = Duration::from_secs(1);

/// The section `events` at work.
pub(super) struct Events {
    settings: event::Settings,
    batches: Vec<Away>,
}

/// A batch on its way to the collector.
struct Away {
    call: CalloutId,
    ticket: Ticket,
    until: Timestamp,
    span: Duration,
}

impl Events {
    pub(super) fn new(config: &Config, host: &HostCapabilities) -> Result<Self, SetupError> {
        // Without the section, failures are still there for people to look at.
        let nowhere = Section::nowhere();
        let section = config.events.as_ref().unwrap_or(&nowhere);
        let environment = |name: &str| (host.environment)(name);
        let settings = event::Settings::resolve(section, &environment);
        let settings = settings.map_err(|error| SetupError {
            field: error.field(),
            why: error.to_string(),
        })?;
        Ok(Self {
            settings,
            batches: Vec::new(),
        })
    }
}

impl Gateway {
    /// A client is answered like this.
    pub(super) fn replied(&self, about: About<'_>, reply: Reply, now: Timestamp) -> Step {
        self.tell(about, &reply.told, now);
        Step::Reply(reply)
    }

    /// A request that is none for an object is answered like this.
    pub(super) fn refused(&self, reply: Reply, now: Timestamp) -> Step {
        self.note(EndpointLabel::Other, reply.told.result(), 0, now);
        Step::Reply(reply)
    }

    /// A page of the gateway's own.
    pub(super) fn paged(&self, reply: Reply, now: Timestamp) -> Step {
        self.note(EndpointLabel::Page, reply.told.result(), 0, now);
        Step::Reply(reply)
    }

    /// A request that waited, or was forwarded, is over.
    pub(super) fn told_of(&self, over: Option<Over>, now: Timestamp) {
        if let Some(Over { ask, told }) = over {
            self.tell(ask.about(), &told, now);
        }
    }

    /// Not within the functions that answer: there are many of them.
    #[inline(never)]
    fn tell(&self, about: About<'_>, told: &Told, now: Timestamp) {
        let millis = now.as_millis().saturating_sub(about.since.as_millis());
        let endpoint = about.request.endpoint();
        self.note(endpoint.into(), told.result(), millis, now);
        match told {
            Told::Served(ResultLabel::Redirect) => {}
            Told::Served(_) => self.record_download(about, now),
            Told::Failed(wrong) => self.record_failure(about, wrong, millis, now),
        }
    }

    fn note(&self, endpoint: EndpointLabel, result: ResultLabel, millis: u64, now: Timestamp) {
        let counters = &mut self.space.borrow_mut().counters;
        counters.requests.note(endpoint, result, millis, now);
    }

    #[inline(never)]
    fn record_download(&self, about: About<'_>, now: Timestamp) {
        let settings = &self.events.settings;
        let kind = event::kind(about.request.endpoint());
        if kind != Kind::Info && !settings.audits() {
            return;
        }
        let (Some(module), version) = (about.request.module(), about.request.version()) else {
            return;
        };
        let version = version.unwrap_or_default();
        let journal = &mut self.space.borrow_mut().journal;
        if kind == Kind::Info {
            journal.found(&module, &version, now);
        }
        if !about.asker.is_head && about.request.sumdb().is_none() {
            journal.downloaded(kind, &module, &version, "", settings, now);
        }
    }

    #[inline(never)]
    fn record_failure(&self, about: About<'_>, wrong: &Wrong, millis: u64, now: Timestamp) {
        let kind = event::kind(about.request.endpoint());
        let circumstances = Circumstances {
            from_caches_only: about.asker.caches_only,
            client_gone_counts: self.events.settings.counts_the_gone(),
        };
        let treatment = event::treatment(kind, wrong.code, wrong.error, circumstances);
        let mut space = self.space.borrow_mut();
        if treatment != Treatment::Counted {
            space.counters.note_failure(wrong.error);
        }
        let module = about.request.module().unwrap_or_default();
        let version = about.request.version().unwrap_or_default();
        let upstream = wrong.upstream.as_deref().unwrap_or_default();
        let failure = Failure {
            kind,
            module: if module.is_empty() {
                about.request.sumdb().unwrap_or_default()
            } else {
                &module
            },
            version: &version,
            url: &url(about, upstream),
            code: wrong.code,
            error: wrong.error,
            message: &wrong.words,
            retry_count: about.asked.saturating_sub(1),
            upstream,
            request_id: about.request_id,
            duration_ms: millis,
        };
        let asker = event::Asker {
            asks_first: about.asker.asks_first,
            from_caches_only: about.asker.caches_only,
        };
        let settings = &self.events.settings;
        space.journal.failed(&failure, asker, settings, now);
    }

    /// Time has passed: what was folded is told, and batches go.
    pub(super) fn tend_events(&mut self, now: Timestamp) {
        let random = self.random(now);
        let Events { settings, batches } = &mut self.events;
        let overdue = batches
            .iter()
            .find(|away| away.until.is_due(away.span, now))
            .map(|away| away.call);
        self.space.borrow_mut().journal.due(settings, random, now);
        if let Some(call) = overdue {
            return self.on_batch(call, &CalloutOutcome::Timeout, now);
        }
        self.next_batch(now);
    }

    /// Whether a callout is one to the collector.
    pub(super) fn is_batch(&self, call: CalloutId) -> bool {
        self.events.batches.iter().any(|away| away.call == call)
    }

    /// What became of a batch.
    pub(super) fn on_batch(&mut self, call: CalloutId, outcome: &CalloutOutcome, now: Timestamp) {
        self.airspace.forget(call);
        let random = self.random(now);
        let batches = &mut self.events.batches;
        let Some(place) = batches.iter().position(|away| away.call == call) else {
            return;
        };
        let ticket = batches.swap_remove(place).ticket;
        self.space
            .borrow_mut()
            .journal
            .on_outcome(ticket, &event::outcome(outcome), random, now);
        self.next_batch(now);
    }

    fn next_batch(&mut self, now: Timestamp) {
        let Events { settings, batches } = &mut self.events;
        let batch = self.space.borrow_mut().journal.next_batch(settings, now);
        let Some(batch) = batch else {
            return;
        };
        let (call, span) = (self.airspace.next_id(), batch.timeout.saturating_add(GRACE));
        batches.push(Away {
            call,
            ticket: batch.ticket,
            until: now.after(span),
            span,
        });
        self.airspace.queue(event::callout(batch, call));
    }

    /// Whether records wait for the host's standard output.
    pub fn has_event_lines(&self) -> bool {
        self.space.borrow().journal.has_lines()
    }

    /// Records for the host's standard output, each ended by a line end, `max` bytes at most and one record at least. They
    /// are written, unless [`Gateway::lose_event_lines`] takes that back.
    pub fn take_event_lines(&mut self, max: usize) -> Option<String> {
        let mut lines = self.space.borrow_mut().journal.take_lines(max)?;
        lines.push('\n');
        Some(lines)
    }

    /// The host did not take records that it was given.
    pub fn lose_event_lines(&mut self, lines: &str) {
        let lines = lines.strip_suffix('\n').unwrap_or(lines);
        self.space.borrow_mut().journal.lose_lines(lines);
    }

    /// The next line for the host's log: a record that no collector takes, or how many were lost.
    pub fn take_log_line(&mut self) -> Option<String> {
        self.space.borrow_mut().journal.take_log_line()
    }

    /// What became of the events that were meant for a sink, and how many records wait for it.
    pub fn event_tally(&self, sink: Sink) -> (Tally, usize) {
        let space = self.space.borrow();
        (space.journal.tally(sink), space.journal.queued(sink))
    }

    /// What became of failures before they were records for any sink, and how many are not yet.
    pub fn event_counts(&self) -> (Counts, u64) {
        let journal: &Journal = &self.space.borrow().journal;
        (journal.counts(), journal.open())
    }

    /// A number that is another each time and in each gateway: several must not come again at the same moment.
    fn random(&self, now: Timestamp) -> u32 {
        let mut hasher = Xxh64::new(now.as_millis());
        hasher.write(std::ptr::from_ref(self).addr().to_le_bytes().as_slice());
        hasher.write(self.events.settings.instance().as_bytes());
        u32::try_from(hasher.finish() >> 32).unwrap_or_default()
    }
}

/// Where the last upstream was asked for it; the object's own path, where none was. The host decides whether it speaks TLS, so
/// the scheme is what the port lets expect.
fn url(about: About<'_>, upstream: &str) -> String {
    let place = about.source.and_then(|source| source.named(upstream));
    let Some(place) = place else {
        return about.request.canonical().to_owned();
    };
    let port = place.authority.rsplit_once(':').map(|(_, port)| port);
    let is_plain = port.is_some_and(|port| !port.ends_with("443") && !port.ends_with(']'));
    let scheme = if is_plain { "http://" } else { "https://" };
    let path = place.path_of(about.request.upstream_path());
    [scheme, &place.authority, &path].concat()
}
