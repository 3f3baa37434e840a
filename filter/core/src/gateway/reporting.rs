//! What a gateway tells of what was counted: to the host, and to the other workers.

use super::Gateway;
use crate::metrics::Counters;
use crate::store::Namespace;

impl Gateway {
    /// What was counted in this gateway's namespace.
    pub fn counters(&self) -> Counters {
        self.space.borrow().counters.clone()
    }

    /// What was counted in this gateway's namespace since this was called last, by any gateway of the namespace: keys and
    /// increments.
    pub fn take_counts(&mut self) -> Vec<(String, u64)> {
        let mut space = self.space.borrow_mut();
        let Namespace {
            counters,
            exported,
            journal,
            ..
        } = &mut *space;
        exported.take(counters, journal)
    }
}
