//! What waits to be written to Redis: bounded by number and by bytes, and nobody waits for it.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::cache::{Entry, Key};

/// So many entries wait at most.
const MOST: usize = 4096;

/// An entry to be written.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) key: Key,
    pub(crate) entry: Rc<Entry>,
}

impl Write {
    fn cost(&self) -> usize {
        self.entry.stored().len()
    }
}

/// Entries to be written, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    queue: VecDeque<Write>,
    bytes: usize,
}

impl Writes {
    /// Puts one at the end; `false`: there is no room within `budget` bytes, and it is dropped.
    pub(crate) fn push(&mut self, write: Write, budget: usize) -> bool {
        let bytes = self.bytes.saturating_add(write.cost());
        if self.queue.len() >= MOST || bytes > budget {
            return false;
        }
        self.bytes = bytes;
        self.queue.push_back(write);
        true
    }

    /// The one that waits longest.
    pub(crate) fn pop(&mut self) -> Option<Write> {
        let write = self.queue.pop_front()?;
        self.bytes = self.bytes.saturating_sub(write.cost());
        Some(write)
    }

    /// What waits, in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{ContentType, EntryHead};
    use crate::testing::test;
    use crate::time::Timestamp;

    fn write(size: usize) -> Write {
        let at = Timestamp::from_millis(0);
        let head = EntryHead {
            status: 200,
            content_type: ContentType::Text,
            stored_at: at,
            fresh_until: at,
            stale_until: at,
        };
        let key = Key::public("x", "/a");
        let entry = Rc::new(Entry::new(head, key.as_str(), "up", &vec![0; size]).unwrap());
        Write { key, entry }
    }

    #[test]
    fn what_waits_is_bounded_in_number_and_in_bytes_and_room_comes_back() {
        let mut writes = Writes::default();
        while writes.push(write(1_000), 10_000) {}
        assert!(
            writes.bytes <= 10_000 && writes.queue.len() == 9,
            "{}",
            writes.queue.len()
        );
        assert!(writes.pop().is_some() && writes.push(write(1_000), 10_000));
        while writes.pop().is_some() {}
        assert_eq!((writes.bytes, writes.is_empty()), (0, true));
        while writes.push(write(0), usize::MAX) {}
        assert_eq!(writes.queue.len(), MOST);
    }
}
