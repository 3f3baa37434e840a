//! Records on their way to a collector over HTTP: one batch at a time, asked again until it is acknowledged.

use std::rc::Rc;
use std::time::Duration;

use super::bulk::{self, Item};
use super::queue::{Queue, Record, Tally};
use super::settings::{CollectorSettings, Format};
use crate::time::Timestamp;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, jitter and `Retry-After` included.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A host that has not told a batch's outcome this long after its timeout never will: its root context is gone.
const GRACE: Duration = Duration::from_secs(2);
/// A larger answer of a collector need not be copied. One item's is some 60 bytes, with an error some 300.
pub const MAX_ANSWER: usize = 2 * 1024 * 1024;

/// What waits for a collector, and the batch that is on its way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: Queue,
    flight: Option<Flight>,
    /// Of the next batch.
    ticket: u32,
    /// So many records at most are in the next batch: fewer than configured after one that was too large.
    most: Option<usize>,
    /// Failures in a row.
    failures: u32,
    pause: Option<Pause>,
}

/// Names a batch; of an outcome that comes after the batch was given up, nothing is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u32);

/// A batch to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Names it when its outcome is told.
    pub ticket: Ticket,
    /// What the host calls the collector.
    pub target: Rc<str>,
    /// The value of `:authority`.
    pub authority: Rc<str>,
    /// The value of `:path`.
    pub path: String,
    /// The headers that it needs beside the pseudo headers. The method is POST.
    pub headers: Vec<(&'static str, Rc<str>)>,
    /// The body.
    pub body: Rc<[u8]>,
    /// To the end of the answer.
    pub timeout: Duration,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// The collector answered.
    Answer {
        /// The status code.
        status: u16,
        /// `Retry-After`, as it came.
        retry_after: Option<&'a str>,
        /// The body; `None` if it was too large to be copied.
        body: Option<&'a [u8]>,
    },
    /// No whole answer: not sent, refused, reset, too late.
    Failed,
}

/// A record that a collector will never have, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeadLetter {
    /// The record.
    pub(super) line: Rc<str>,
    /// The collector's status for it.
    pub(super) status: u16,
    /// The collector's words.
    pub(super) reason: String,
}

#[derive(Debug)]
struct Flight {
    ticket: Ticket,
    records: Vec<Record>,
    is_bulk: bool,
    until: Timestamp,
    span: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Timestamp,
    span: Duration,
}

/// What an answer says of a batch.
enum Judgement {
    /// Of each record.
    Items(Vec<Item>),
    /// All of it has arrived.
    Delivered,
    /// Not now; not before this, where the collector says so.
    Later(Option<Duration>),
    /// It is too large, or something in it is wrong: half of it may go.
    TooMuch(u16),
}

// === impl Outbox ===

impl Outbox {
    /// Puts a record in that stands for `suppressed` more events.
    pub(super) fn push(&mut self, record: Record, suppressed: u32, settings: &CollectorSettings) {
        self.queue.push(record, suppressed, settings.queue);
    }

    /// What became of the events.
    pub(super) const fn tally(&self) -> Tally {
        self.queue.tally()
    }

    /// How many records wait or are on their way.
    pub(super) fn len(&self) -> usize {
        let away = self
            .flight
            .as_ref()
            .map_or(0, |flight| flight.records.len());
        self.queue.len().saturating_add(away)
    }

    /// What they take, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// The next batch, if one is full or old enough, none is on its way and no pause is made. It is on its way then.
    pub(super) fn next_batch(
        &mut self,
        settings: &CollectorSettings,
        now: Timestamp,
    ) -> Option<Batch> {
        if self.flight.is_some()
            || self
                .pause
                .is_some_and(|pause| !pause.until.is_due(pause.span, now))
        {
            return None;
        }
        let most = self
            .most
            .map_or(settings.max_batch, |most| most.min(settings.max_batch));
        let oldest = self.queue.oldest()?;
        let is_old = oldest
            .since
            .after(settings.max_age)
            .is_due(settings.max_age, now);
        if !is_old && self.queue.len() < most && self.queue.bytes() < settings.max_bytes {
            return None;
        }
        self.pause = None;
        let records = self.queue.lend(most, settings.max_bytes);
        let (path, content_type, body) = match &settings.format {
            Format::Elasticsearch(index) => {
                let path = [&*settings.path, "/_bulk", bulk::QUERY].concat();
                (path, "application/x-ndjson", bulk::write(&records, index))
            }
            Format::Json => {
                let path = if settings.path.is_empty() {
                    "/"
                } else {
                    &*settings.path
                };
                (path.to_owned(), "application/json", array(&records))
            }
        };
        let mut headers: Vec<(&'static str, Rc<str>)> = vec![("content-type", content_type.into())];
        headers.extend(
            settings
                .authorization
                .clone()
                .map(|value| ("authorization", value)),
        );
        let ticket = Ticket(self.ticket);
        self.ticket = self.ticket.wrapping_add(1);
        let span = settings.timeout.saturating_add(GRACE);
        self.flight = Some(Flight {
            ticket,
            records,
            is_bulk: matches!(settings.format, Format::Elasticsearch(_)),
            until: now.after(span),
            span,
        });
        Some(Batch {
            ticket,
            target: settings.target.clone(),
            authority: settings.authority.clone(),
            path,
            headers,
            body: body.into_bytes().into(),
            timeout: settings.timeout,
        })
    }

    /// What became of a batch. `random` is any number, another each time: many gateways must not come again at once.
    pub(super) fn on_outcome(
        &mut self,
        ticket: Ticket,
        outcome: &Outcome<'_>,
        random: u32,
        now: Timestamp,
    ) -> Vec<DeadLetter> {
        let Some(flight) = self.flight.take_if(|flight| flight.ticket == ticket) else {
            return Vec::new();
        };
        match judge(outcome, &flight) {
            Judgement::Delivered => {
                let items = vec![Item::Stored; flight.records.len()];
                self.settle(flight.records, items, random, now)
            }
            Judgement::Items(items) => self.settle(flight.records, items, random, now),
            Judgement::Later(wait) => {
                self.queue.take_back(flight.records);
                self.pause(wait, random, now);
                Vec::new()
            }
            Judgement::TooMuch(status) => self.halve(flight.records, status, random, now),
        }
    }

    /// Gives up on a batch whose outcome nobody will tell.
    pub(super) fn due(&mut self, random: u32, now: Timestamp) {
        if let Some(flight) = self
            .flight
            .take_if(|flight| flight.until.is_due(flight.span, now))
        {
            self.queue.take_back(flight.records);
            self.pause(None, random, now);
        }
    }

    /// Each record has its own answer.
    fn settle(
        &mut self,
        records: Vec<Record>,
        items: Vec<Item>,
        random: u32,
        now: Timestamp,
    ) -> Vec<DeadLetter> {
        let (mut again, mut dead) = (Vec::new(), Vec::new());
        let mut stored = false;
        for (record, item) in records.into_iter().zip(items) {
            match item {
                Item::Stored => {
                    stored = true;
                    self.queue.settle_delivered(&record);
                }
                Item::Later => again.push(record),
                Item::Refused(status, reason) => {
                    self.queue.settle_refused(&record);
                    dead.push(DeadLetter {
                        line: record.line,
                        status,
                        reason,
                    });
                }
            }
        }
        if stored {
            self.failures = 0;
            self.most = self.most.map(|most| most.saturating_add((most / 4).max(1)));
        }
        if !again.is_empty() {
            self.queue.take_back(again);
            self.pause(None, random, now);
        }
        dead
    }

    /// The batch goes again in two halves; what cannot be halved is never taken.
    fn halve(
        &mut self,
        records: Vec<Record>,
        status: u16,
        random: u32,
        now: Timestamp,
    ) -> Vec<DeadLetter> {
        if let [record] = records.as_slice() {
            self.queue.settle_refused(record);
            // Should the collector refuse all there is, it is not asked for each without a pause.
            self.pause(None, random, now);
            let line = record.line.clone();
            let reason = "the collector takes no batch with this record".to_owned();
            return vec![DeadLetter {
                line,
                status,
                reason,
            }];
        }
        self.most = Some((records.len() / 2).max(1));
        self.queue.take_back(records);
        Vec::new()
    }

    /// Nothing is sent for a while: twice as long for each failure in a row, and up to half less by chance; as long as the
    /// collector says, where it does.
    fn pause(&mut self, wait: Option<Duration>, random: u32, now: Timestamp) {
        let doubled = FIRST_PAUSE
            .saturating_mul(1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let full = doubled.min(LONGEST_PAUSE);
        let half_millis = u64::try_from(full.as_millis()).unwrap_or_default() / 2;
        // The upper 32 bits of the product: a part of it that is as likely as any other.
        let part = half_millis.saturating_mul(random.into()) >> 32;
        let span =
            Duration::from_millis(half_millis.saturating_add(part)).max(wait.unwrap_or_default());
        let span = span.min(LONGEST_PAUSE);
        self.pause = Some(Pause {
            until: now.after(span),
            span,
        });
    }
}

fn judge(outcome: &Outcome<'_>, flight: &Flight) -> Judgement {
    let Outcome::Answer {
        status,
        retry_after,
        body,
    } = *outcome
    else {
        return Judgement::Later(None);
    };
    let count = flight.records.len();
    match (status, body) {
        // Where there is no acknowledgement: what is stored already has its name, and is not stored again.
        (200..=299, Some(bytes)) if flight.is_bulk => {
            bulk::read(bytes, count).map_or(Judgement::Later(None), Judgement::Items)
        }
        // Too many errors to be told at once.
        (200..=299, None) if flight.is_bulk && count > 1 => Judgement::TooMuch(status),
        (200..=299, None) if flight.is_bulk => Judgement::Later(None),
        (200..=299, _) => Judgement::Delivered,
        (400 | 413 | 422, _) => Judgement::TooMuch(status),
        // What else is wrong (a password, a path, a limit) is put right by somebody, sooner or later.
        _ => Judgement::Later(retry_after.and_then(seconds)),
    }
}

fn seconds(retry_after: &str) -> Option<Duration> {
    retry_after.trim().parse().ok().map(Duration::from_secs)
}

/// A JSON array of the records.
fn array(records: &[Record]) -> String {
    let lines = records.iter().fold(2_usize, |sum, record| {
        sum.saturating_add(record.line.len()).saturating_add(1)
    });
    let mut body = String::with_capacity(lines);
    for record in records {
        body.push(if body.is_empty() { '[' } else { ',' });
        body.push_str(&record.line);
    }
    body.push(']');
    body
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
