//! What the host was told of the counts, which take increments only.

use goproxy_pages::metrics::key;

use super::Counters;
use crate::event::Journal;

/// Of a count that the host does not know yet.
const UNKNOWN: u64 = u64::MAX;

/// The values that the host was told.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    /// In the order in which they are told.
    values: Vec<u64>,
    /// All of them added up: they only grow, so it is the same as long as none is another.
    sum: Option<u64>,
}

impl Exported {
    /// Keys and increments of what has changed since. What the host does not know yet is among them even if it is 0: it is
    /// there from then on, and its first increment can be seen.
    pub(crate) fn take(&mut self, counters: &Counters, journal: &Journal) -> Vec<(String, u64)> {
        let mut increments = Vec::new();
        let sum = Some(counters.sum(journal));
        if self.sum == sum {
            return increments;
        }
        self.sum = sum;
        let mut place = 0_usize;
        counters.each(journal, &mut |parts, value| {
            if place >= self.values.len() {
                self.values.push(UNKNOWN);
            }
            if let (Some(value), Some(told)) = (value, self.values.get_mut(place))
                && *told != value
            {
                let before = if *told == UNKNOWN { 0 } else { *told };
                increments.push((key(parts), value.saturating_sub(before)));
                *told = value;
            }
            place = place.saturating_add(1);
        });
        increments
    }
}
