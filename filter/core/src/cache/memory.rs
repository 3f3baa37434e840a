//! The tier in memory: the most recently used entries of one namespace, bounded by bytes.

use std::rc::Rc;

use lru::LruCache;

use super::{Entry, Key};

/// What an entry costs beside its stored form and its key: the list node, the map's slot, two reference counts and
/// the allocator's share. Measured in the VM with a full cache of 2 KiB entries, see `memory_per_worker_bytes`.
const OVERHEAD: usize = 192;

/// A least-recently-used cache bounded by bytes.
pub struct MemoryCache {
    entries: LruCache<Key, Rc<Entry>>,
    bytes: usize,
    budget: usize,
    evicted: u64,
}

impl MemoryCache {
    /// An empty cache that will hold at most `budget` bytes, keys and bookkeeping included; 0 holds nothing.
    pub fn new(budget: usize) -> Self {
        Self {
            entries: LruCache::unbounded(),
            bytes: 0,
            budget,
            evicted: 0,
        }
    }

    /// The entry of `key`, fresh or not; it is the most recently used one now.
    pub fn get(&mut self, key: &Key) -> Option<Rc<Entry>> {
        self.entries.get(key).cloned()
    }

    /// The same, and nothing is changed by it.
    pub fn peek(&self, key: &Key) -> Option<&Entry> {
        self.entries.peek(key).map(|entry| &**entry)
    }

    /// Puts an entry in, and the least recently used ones out until all fit. One that is larger than the whole
    /// budget is not kept. Tells whether this one was.
    pub fn insert(&mut self, key: Key, entry: Rc<Entry>) -> bool {
        let cost = cost(&key, &entry);
        if cost > self.budget {
            self.remove(&key);
            return false;
        }
        if let Some((key, old)) = self.entries.push(key, entry) {
            self.bytes = self.bytes.saturating_sub(self::cost(&key, &old));
        }
        self.bytes = self.bytes.saturating_add(cost);
        self.shrink();
        true
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &Key) {
        if let Some((key, old)) = self.entries.pop_entry(key) {
            self.bytes = self.bytes.saturating_sub(cost(&key, &old));
        }
    }

    /// A new configuration may bring another budget.
    pub fn set_budget(&mut self, budget: usize) {
        self.budget = budget;
        self.shrink();
    }

    /// Bytes in use, at most the budget.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries had to go for want of room, ever.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    fn shrink(&mut self) {
        while self.bytes > self.budget {
            let Some((key, old)) = self.entries.pop_lru() else {
                return;
            };
            self.bytes = self.bytes.saturating_sub(cost(&key, &old));
            self.evicted = self.evicted.saturating_add(1);
        }
    }
}

fn cost(key: &Key, entry: &Entry) -> usize {
    OVERHEAD
        .saturating_add(key.as_str().len())
        .saturating_add(entry.stored().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{ContentType, EntryHead};
    use crate::testing::test;
    use crate::time::Timestamp;

    fn put(cache: &mut MemoryCache, name: &str, size: usize) {
        let at = Timestamp::from_millis(0);
        let content_type = ContentType::Text;
        let head = EntryHead {
            status: 200,
            content_type,
            stored_at: at,
            fresh_until: at,
            stale_until: at,
        };
        let key = Key::public("x", name);
        let entry = Entry::new(head, key.as_str(), "up", &vec![0; size]).unwrap();
        cache.insert(key, Rc::new(entry));
    }

    fn has(cache: &mut MemoryCache, name: &str) -> bool {
        cache.get(&Key::public("x", name)).is_some()
    }

    #[test]
    fn the_least_recently_used_entry_goes_first() {
        let mut cache = MemoryCache::new(4_000);
        put(&mut cache, "/a", 1_000);
        put(&mut cache, "/b", 1_000);
        assert!(has(&mut cache, "/a"));
        put(&mut cache, "/c", 1_500);
        assert!(has(&mut cache, "/a") && !has(&mut cache, "/b") && has(&mut cache, "/c"));
        assert_eq!(cache.evicted(), 1);
    }

    #[test]
    fn bytes_never_exceed_the_budget_and_return_to_zero() {
        let mut cache = MemoryCache::new(10_000);
        for round in 0..1_000_usize {
            put(&mut cache, &format!("/{}", round % 37), round * 7 % 3_000);
            assert!(cache.bytes() <= 10_000, "round {round}: {}", cache.bytes());
        }
        cache.set_budget(0);
        assert_eq!((cache.bytes(), cache.len()), (0, 0));
    }

    #[test]
    fn an_entry_larger_than_the_budget_is_not_kept_and_replaces_what_was_there() {
        let mut cache = MemoryCache::new(2_000);
        put(&mut cache, "/a", 100);
        put(&mut cache, "/a", 5_000);
        assert!(
            !has(&mut cache, "/a"),
            "the old body must not be served for the new one"
        );
        assert_eq!(cache.bytes(), 0);
    }
}
