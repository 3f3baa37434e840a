//! Records that wait for a sink: bounded in bytes, the oldest dropped first, every one counted.

use std::collections::VecDeque;
use std::rc::Rc;

use super::id::EventId;
use crate::time::Timestamp;

/// What a record takes beside its line, in bytes.
const OVERHEAD: usize = 96;

/// A record, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// One line of JSON, without a line end.
    pub(super) line: Rc<str>,
    /// Its name.
    pub(super) id: EventId,
    /// When it happened.
    pub(super) at: Timestamp,
    /// When it came into the queue.
    pub(super) since: Timestamp,
}

/// What became of the events that were meant for a sink. At any time
/// `emitted = delivered + suppressed + dropped + refused +` the records that are queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events.
    pub emitted: u64,
    /// Records written, or acknowledged by a collector.
    pub delivered: u64,
    /// Events that are told by the `suppressed` of a record only.
    pub suppressed: u64,
    /// Records dropped because the queue was full.
    pub dropped: u64,
    /// Records that the collector would not have, and never will.
    pub refused: u64,
}

/// Records that wait for a sink.
#[derive(Debug, Default)]
pub(super) struct Queue {
    records: VecDeque<Record>,
    bytes: usize,
    /// Bytes of records that were taken and may come back.
    away: usize,
    tally: Tally,
}

impl Record {
    fn cost(&self) -> usize {
        self.line.len().saturating_add(OVERHEAD)
    }
}

impl Queue {
    /// What became of the events.
    pub(super) const fn tally(&self) -> Tally {
        self.tally
    }

    /// How many records wait.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none does.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What they take, those that are away too, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes.saturating_add(self.away)
    }

    /// Puts a record in that stands for `suppressed` more events. The oldest go where there are more than `budget` bytes.
    pub(super) fn push(&mut self, record: Record, suppressed: u32, budget: usize) {
        let events = u64::from(suppressed).saturating_add(1);
        self.tally.emitted = self.tally.emitted.saturating_add(events);
        self.tally.suppressed = self.tally.suppressed.saturating_add(suppressed.into());
        self.bytes = self.bytes.saturating_add(record.cost());
        self.records.push_back(record);
        while self.bytes() > budget {
            let Some(oldest) = self.records.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(oldest.cost());
            add(&mut self.tally.dropped, 1);
        }
    }

    /// The record that has waited longest.
    pub(super) fn oldest(&self) -> Option<&Record> {
        self.records.front()
    }

    /// Takes the oldest, for good: it is delivered.
    pub(super) fn deliver(&mut self) -> Option<Record> {
        let record = self.records.pop_front()?;
        self.bytes = self.bytes.saturating_sub(record.cost());
        add(&mut self.tally.delivered, 1);
        Some(record)
    }

    /// So many that were delivered did not arrive, and are gone.
    pub(super) fn lose(&mut self, records: u64) {
        self.tally.delivered = self.tally.delivered.saturating_sub(records);
        add(&mut self.tally.dropped, records);
    }

    /// Takes the oldest, `count` at most and `bytes` of lines at most, but one at least. Each must be settled or come back.
    pub(super) fn lend(&mut self, count: usize, bytes: usize) -> Vec<Record> {
        let mut lent = Vec::new();
        let mut length = 0_usize;
        while let Some(record) = self.records.front() {
            length = length.saturating_add(record.line.len());
            if lent.len() >= count || (length > bytes && !lent.is_empty()) {
                break;
            }
            let cost = record.cost();
            self.bytes = self.bytes.saturating_sub(cost);
            self.away = self.away.saturating_add(cost);
            lent.extend(self.records.pop_front());
        }
        lent
    }

    /// A lent record has arrived.
    pub(super) fn settle_delivered(&mut self, record: &Record) {
        self.away = self.away.saturating_sub(record.cost());
        add(&mut self.tally.delivered, 1);
    }

    /// A lent record is refused for good.
    pub(super) fn settle_refused(&mut self, record: &Record) {
        self.away = self.away.saturating_sub(record.cost());
        add(&mut self.tally.refused, 1);
    }

    /// Lent records come back, to the place that they had.
    pub(super) fn take_back(&mut self, records: Vec<Record>) {
        for record in records.into_iter().rev() {
            self.away = self.away.saturating_sub(record.cost());
            self.bytes = self.bytes.saturating_add(record.cost());
            self.records.push_front(record);
        }
    }
}

/// Counts; no counter comes to its end while a VM lives.
pub(super) const fn add(counter: &mut u64, number: u64) {
    *counter = counter.saturating_add(number);
}
