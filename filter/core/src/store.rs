//! What one VM holds, whatever is configured: the caches and the counts of each namespace.
//!
//! A VM may run several configurations: two listeners, or an old and a new one during an update. Those of one namespace
//! share what is cached; a namespace that no configuration uses any more is dropped.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crate::cache::MemoryCache;
use crate::event::Journal;
use crate::exchange::Copies;
use crate::gateway::Reporting;
use crate::health::Health;
use crate::memo::Memo;
use crate::metrics::{Counters, Exported};
use crate::redis::RedisState;
use crate::time::Timestamp;
use crate::upstream::Upstream;
use crate::verdict::Failure;

/// Of how many versions a namespace remembers where they live.
const LOCATIONS: usize = 8192;

/// Of how many upstreams it remembers that they redirect, and of how many objects that they must wait.
const FEW: usize = 1024;

/// What one VM holds.
#[derive(Default)]
pub struct Store {
    namespaces: HashMap<Box<str>, Weak<RefCell<Namespace>>>,
    /// The name of this VM among those of the process; 0: it has none yet.
    worker: Rc<Cell<u64>>,
}

impl Store {
    /// The namespace of that name, made if no configuration uses it yet, with `budget` bytes for its memory cache.
    pub(crate) fn namespace(&mut self, name: &str, budget: usize) -> Rc<RefCell<Namespace>> {
        self.namespaces.retain(|_, space| space.strong_count() > 0);
        if let Some(space) = self.namespaces.get(name).and_then(Weak::upgrade) {
            space.borrow_mut().memory.set_budget(budget);
            return space;
        }
        let space = Rc::new(RefCell::new(Namespace::new(budget, self.worker.clone())));
        self.namespaces.insert(name.into(), Rc::downgrade(&space));
        space
    }
}

/// What the configurations of one namespace share.
pub(crate) struct Namespace {
    pub(crate) memory: MemoryCache,
    pub(crate) locations: Memo<Location>,
    /// Upstreams that answered an archive with a redirect: they are asked by HEAD first.
    pub(crate) redirecting: Memo<()>,
    /// Where an archive was redirected to just now: its client comes again for it.
    pub(crate) moved: Memo<Moved>,
    /// Upstreams of a chain that said they had an archive and did not give it.
    pub(crate) failing: Memo<Vec<Failing>>,
    /// Copies of archives that are being made.
    pub(crate) copies: Copies,
    /// Archives that broke off on their way through the disk cache: until when they come without it.
    pub(crate) broken: Memo<Timestamp>,
    /// Objects that their upstream wants to be asked for later.
    pub(crate) delays: Memo<Delay>,
    /// Objects of which an old copy is served, since their upstreams failed: until when they are not asked for anew.
    pub(crate) troubled: Memo<Timestamp>,
    pub(crate) redis: RedisState,
    /// What is recorded and not told yet.
    pub(crate) journal: Journal,
    pub(crate) health: Health,
    pub(crate) counters: Counters,
    /// The counts that the host was told.
    pub(crate) exported: Exported,
    pub(crate) reporting: Reporting,
    pub(crate) worker: Rc<Cell<u64>>,
}

/// Where an archive was redirected to, by whom, and until when that is believed.
#[derive(Clone)]
pub(crate) struct Moved {
    pub(crate) location: Rc<str>,
    pub(crate) upstream: Rc<Upstream>,
    /// Redirects that were followed before this one.
    pub(crate) followed: u8,
    pub(crate) until: Timestamp,
}

/// An upstream that did not give an archive: until when it is passed over, and what is said of it.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    pub(crate) failure: Rc<Failure>,
    pub(crate) span: Duration,
    pub(crate) until: Timestamp,
}

/// Until when an object is not asked for, and what is said instead.
pub(crate) struct Delay {
    pub(crate) until: Timestamp,
    pub(crate) span: Duration,
    pub(crate) failure: Rc<Failure>,
}

/// Where a version was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// The upstream's name.
    pub(crate) upstream: Rc<str>,
    /// Its `.mod` is too large for a callout.
    pub(crate) oversized_mod: bool,
}

impl Namespace {
    fn new(budget: usize, worker: Rc<Cell<u64>>) -> Self {
        Self {
            memory: MemoryCache::new(budget),
            locations: Memo::new(LOCATIONS),
            redirecting: Memo::new(FEW),
            moved: Memo::new(FEW),
            failing: Memo::new(FEW),
            copies: Copies::default(),
            broken: Memo::new(FEW),
            delays: Memo::new(FEW),
            troubled: Memo::new(LOCATIONS),
            redis: RedisState::default(),
            journal: Journal::default(),
            health: Health::default(),
            counters: Counters::default(),
            exported: Exported::default(),
            reporting: Reporting::default(),
            worker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn configurations_of_one_namespace_share_it_and_others_do_not() {
        let mut store = Store::default();
        let (a, b) = (store.namespace("x", 10), store.namespace("x", 20));
        assert!(Rc::ptr_eq(&a, &b));
        assert!(!Rc::ptr_eq(&a, &store.namespace("y", 10)));
    }

    #[test]
    fn a_namespace_that_nobody_uses_is_dropped() {
        let mut store = Store::default();
        for number in 0..100 {
            drop(store.namespace(&number.to_string(), 10));
        }
        let _kept = store.namespace("kept", 10);
        assert_eq!(store.namespaces.len(), 1);
    }
}
