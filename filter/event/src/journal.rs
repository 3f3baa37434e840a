//! All that a namespace records: failures and downloads come in, records for each sink come out.
//!
//! It outlives a configuration, so what waits is not lost with one. Where the records go, and what they say of the place,
//! comes with each call from the configuration that is at work.
//!
//! Two equations hold at any time:
//! - `noted = ` the events that the records stand for (1 + `suppressed` each) ` + withdrawn + open`;
//! - for each sink, `emitted = delivered + suppressed + dropped + refused + ` the records that are queued for it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::folding::{Fold, Folding};
use super::holding::{Fate, Holding};
use super::line::line;
use super::outbox::{Batch, DeadLetter, Outbox, Outcome, Ticket};
use super::queue::{Queue, Record, Tally, add};
use super::record::{Event, Failure, Kind};
use super::rules::{Treatment, treatment};
use super::settings::Settings;
use crate::time::Timestamp;

/// What is lost is said so often.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// So many failures are remembered for people to look at.
const MAX_RECENT: usize = 20;
/// So many lines wait for the log at most.
const MAX_LOG: usize = 256;

/// Everything that one namespace has recorded and not told yet.
#[derive(Default)]
pub struct Journal {
    failures: Folding,
    downloads: Folding,
    holding: Holding,
    stdout: Queue,
    http: Outbox,
    log: VecDeque<String>,
    recent: VecDeque<Rc<str>>,
    counts: Counts,
    said: Said,
}

/// What became of the failures and downloads that were noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Failures that are no event, since `go` only looked around.
    pub looked_around: u64,
    /// Second requests that `go` makes for one 4xx.
    pub second_requests: u64,
    /// Events: failures, and downloads where they are audited.
    pub noted: u64,
    /// Events that turned out to be none: the version was found at another path.
    pub withdrawn: u64,
    /// Lines for the log that found no room.
    pub log_lines_dropped: u64,
}

/// A sink's name, as metrics and log lines have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// The host's standard output.
    Stdout,
    /// The collector.
    Http,
}

/// What was said last of what is lost.
#[derive(Clone, Copy, Default)]
struct Said {
    at: Timestamp,
    stdout: Tally,
    http: Tally,
    log_lines_dropped: u64,
}

/// Who asked, as far as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// It is certain that this is no second request for a 4xx: its `User-Agent` begins with `GoCommand/`, or it came over
    /// plain http.
    pub asks_first: bool,
    /// It wanted nothing that had to be fetched.
    pub from_caches_only: bool,
}

// === impl Journal ===

impl Journal {
    /// A client was told of a failure, once retries and fallbacks were exhausted.
    #[inline(never)]
    pub fn failed(
        &mut self,
        failure: &Failure<'_>,
        asker: Asker,
        settings: &Settings,
        now: Timestamp,
    ) {
        let circumstances = settings.circumstances(asker.from_caches_only);
        let treatment = treatment(failure.kind, failure.code, failure.error, circumstances);
        if treatment == Treatment::Counted {
            return add(&mut self.counts.looked_around, 1);
        }
        let event = Event::failure(failure, settings.context.instance(), now);
        let mut told = Vec::new();
        if failure.code.is_asked_twice()
            && self
                .failures
                .is_second_request(event.identity(), asker.asks_first, now, &mut told)
        {
            add(&mut self.counts.second_requests, 1);
            self.holding.again(event);
            return self.tell(told, settings, now);
        }
        add(&mut self.counts.noted, 1);
        if treatment == Treatment::Recorded {
            self.failures.note(event, 1, false, now, &mut told);
        } else {
            match self.holding.hold(event, now) {
                Fate::Held => {}
                Fate::PushedOut(event, times) => {
                    self.failures.note(event, times, false, now, &mut told)
                }
                Fate::Withdrawn => add(&mut self.counts.withdrawn, 1),
            }
        }
        self.tell(told, settings, now);
    }

    /// The `.info` of a canonical version was answered, from wherever it came.
    #[inline(never)]
    pub fn found(&mut self, module: &str, version: &str, now: Timestamp) {
        let withdrawn = self.holding.found(module, version, now);
        add(&mut self.counts.withdrawn, withdrawn);
    }

    /// A client has what it asked for. `by` is who it is, empty for somebody unknown.
    #[inline(never)]
    pub fn downloaded(
        &mut self,
        kind: Kind,
        module: &str,
        version: &str,
        by: &str,
        settings: &Settings,
        now: Timestamp,
    ) {
        if !settings.audit {
            return;
        }
        let event = Event::download(kind, module, version, by, settings.context.instance(), now);
        add(&mut self.counts.noted, 1);
        let mut told = Vec::new();
        self.downloads.note(event, 1, true, now, &mut told);
        self.tell(told, settings, now);
    }

    /// On every tick: tells what was held back or folded, and gives up on what nobody answers any more. `random` is any
    /// number, another each time.
    #[inline(never)]
    pub fn due(&mut self, settings: &Settings, random: u32, now: Timestamp) {
        let mut told = Vec::new();
        while let Some((event, times)) = self.holding.next_due(now) {
            self.failures.note(event, times, false, now, &mut told);
        }
        self.failures.due(now, &mut told);
        self.downloads.due(now, &mut told);
        self.tell(told, settings, now);
        self.http.due(random, now);
        self.say(now);
    }

    /// The next batch for the collector; its outcome must be told.
    #[inline(never)]
    pub fn next_batch(&mut self, settings: &Settings, now: Timestamp) -> Option<Batch> {
        self.http.next_batch(settings.http.as_ref()?, now)
    }

    /// What became of a batch. `random` is any number, another each time.
    #[inline(never)]
    pub fn on_outcome(
        &mut self,
        ticket: Ticket,
        outcome: &Outcome<'_>,
        random: u32,
        now: Timestamp,
    ) {
        for dead in self.http.on_outcome(ticket, outcome, random, now) {
            self.bury(&dead);
        }
    }

    /// The lines that wait for standard output, joined by line ends, at most `max` bytes and one line at least. They are
    /// written, as far as the sink's tally knows.
    #[inline(never)]
    pub fn take_lines(&mut self, max: usize) -> Option<String> {
        let mut lines = String::new();
        while let Some(next) = self.stdout.oldest() {
            let longer = lines
                .len()
                .saturating_add(1)
                .saturating_add(next.line.len());
            if longer > max && !lines.is_empty() {
                break;
            }
            if !lines.is_empty() {
                lines.push('\n');
            }
            if let Some(record) = self.stdout.deliver() {
                lines.push_str(&record.line);
            }
        }
        (!lines.is_empty()).then_some(lines)
    }

    /// The host did not take lines that it was given: they are lost.
    #[inline(never)]
    pub fn lose_lines(&mut self, lines: &str) {
        let count = lines
            .split('\n')
            .fold(0_u64, |count, _| count.saturating_add(1));
        self.stdout.lose(count);
    }

    /// Whether a line waits for standard output.
    pub fn has_lines(&self) -> bool {
        !self.stdout.is_empty()
    }

    /// The next line for the host's log: a dead letter, or what was lost.
    pub fn take_log_line(&mut self) -> Option<String> {
        self.log.pop_front()
    }

    /// The records of the last failures, newest first, whether or not they go anywhere.
    pub fn recent(&self) -> impl Iterator<Item = &Rc<str>> {
        self.recent.iter()
    }

    /// What became of what was noted.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What became of the events that were meant for a sink.
    pub const fn tally(&self, sink: Sink) -> Tally {
        match sink {
            Sink::Stdout => self.stdout.tally(),
            Sink::Http => self.http.tally(),
        }
    }

    /// How many records wait for a sink, those on their way too.
    pub fn queued(&self, sink: Sink) -> usize {
        match sink {
            Sink::Stdout => self.stdout.len(),
            Sink::Http => self.http.len(),
        }
    }

    /// What they take, in bytes.
    pub const fn queued_bytes(&self, sink: Sink) -> usize {
        match sink {
            Sink::Stdout => self.stdout.bytes(),
            Sink::Http => self.http.bytes(),
        }
    }

    /// How many events were noted and are in no record yet: held back or folded.
    pub fn open(&self) -> u64 {
        self.failures
            .open()
            .saturating_add(self.downloads.open())
            .saturating_add(self.holding.open())
    }

    /// Makes records, and puts them into the queues of the sinks that are configured.
    fn tell(&mut self, told: Vec<Fold>, settings: &Settings, now: Timestamp) {
        for fold in told {
            let id = fold.event.identity().in_window(fold.window);
            let record = Record {
                line: line(&fold.event, &settings.context, id, fold.suppressed).into(),
                id,
                at: fold.event.at,
                since: now,
            };
            if fold.event.is_failure() {
                self.recent.truncate(MAX_RECENT.saturating_sub(1));
                self.recent.push_front(record.line.clone());
            }
            if let Some(http) = &settings.http {
                self.http.push(record.clone(), fold.suppressed, http);
            }
            if let Some(budget) = settings.stdout {
                self.stdout.push(record, fold.suppressed, budget);
            }
        }
    }

    /// A record that no collector will have goes to the log.
    fn bury(&mut self, dead: &DeadLetter) {
        let reason = if dead.reason.is_empty() {
            "no reason given"
        } else {
            &dead.reason
        };
        let text = [
            "event refused by the collector with ",
            &dead.status.to_string(),
            ", ",
            reason,
            ": ",
            &dead.line,
        ];
        self.log(text.concat());
    }

    /// Says what was lost since it was last said.
    fn say(&mut self, now: Timestamp) {
        if !self.said.at.after(SAY_EVERY).is_due(SAY_EVERY, now) {
            return;
        }
        let next = Said {
            at: now,
            stdout: self.stdout.tally(),
            http: self.http.tally(),
            log_lines_dropped: self.counts.log_lines_dropped,
        };
        let last = std::mem::replace(&mut self.said, next);
        let losses = [
            (
                "events for standard output dropped",
                next.stdout.dropped,
                last.stdout.dropped,
            ),
            (
                "events for the collector dropped",
                next.http.dropped,
                last.http.dropped,
            ),
            (
                "events refused by the collector",
                next.http.refused,
                last.http.refused,
            ),
            (
                "refused events that found no room in the log",
                next.log_lines_dropped,
                last.log_lines_dropped,
            ),
        ];
        for (what, now, before) in losses {
            let more = now.saturating_sub(before);
            if more > 0 {
                let text = [
                    what,
                    ": ",
                    &more.to_string(),
                    " in the last minute, ",
                    &now.to_string(),
                    " in all",
                ];
                self.log(text.concat());
            }
        }
    }

    fn log(&mut self, text: String) {
        if self.log.len() >= MAX_LOG {
            return add(&mut self.counts.log_lines_dropped, 1);
        }
        self.log.push_back(text);
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
