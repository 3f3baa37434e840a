//! What one VM, that is one worker of the host, holds beyond any configuration.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use goproxy_core::{METRIC_PREFIX, Store};

use crate::ffi::{self, HostError};

thread_local! {
    // The ABI gives callbacks no place for state of their VM, so it is here. A VM has one thread.
    static WORKER: Worker = Worker {
        store: Rc::default(),
        name: RandomState::new().hash_one(0_u8),
        free_queues: RefCell::default(),
        opened_queues: Cell::new(0),
        metrics: RefCell::default(),
    };
}

struct Worker {
    store: Rc<RefCell<Store>>,
    /// Tells this VM's queues from those of other workers.
    name: u64,
    /// Numbers of queues whose root context is gone. The host deletes no queue, so they are used again.
    free_queues: RefCell<Vec<u32>>,
    opened_queues: Cell<u32>,
    metrics: RefCell<HashMap<String, u32>>,
}

/// What is cached and counted in this VM.
pub(crate) fn store() -> Rc<RefCell<Store>> {
    WORKER.with(|worker| worker.store.clone())
}

/// A queue of a root context's own. An empty message in it is how the root context yields to the event loop; any other is
/// of another worker, or of whatever else has the same `vm_id`.
pub(crate) struct OwnQueue {
    number: u32,
    id: u32,
}

impl OwnQueue {
    /// Opens a queue whose wake-ups go to the root context that this is called for.
    pub(crate) fn open() -> Option<Self> {
        WORKER.with(|worker| {
            let number = worker.free_queues.borrow_mut().pop().unwrap_or_else(|| {
                let number = worker.opened_queues.get();
                worker.opened_queues.set(number.wrapping_add(1));
                number
            });
            let name = format!("goproxy-wasm/{:016x}/{number}", worker.name);
            match ffi::register_queue(&name) {
                Ok(id) => Some(Self { number, id }),
                Err(error) => {
                    log::error!(
                        "cannot open a queue, so many waiting clients are answered late: {error:?}"
                    );
                    worker.free_queues.borrow_mut().push(number);
                    None
                }
            }
        })
    }

    /// Asks for a callback.
    pub(crate) fn wake(&self) {
        if let Err(error) = ffi::enqueue(self.id, &[]) {
            // The next tick does what the wake-up would have done.
            log::warn!("cannot wake this worker: {error:?}");
        }
    }

    /// What other workers call it by.
    pub(crate) const fn id(&self) -> u32 {
        self.id
    }

    /// Takes the next message out. All are taken out at once: one callback does the work of many, and those that come for
    /// the others find it empty.
    pub(crate) fn next(&self) -> Option<Vec<u8>> {
        ffi::dequeue(self.id).ok()
    }
}

impl Drop for OwnQueue {
    fn drop(&mut self) {
        // A VM that is being torn down has no worker any more.
        let _ = WORKER.try_with(|worker| worker.free_queues.borrow_mut().push(self.number));
    }
}

/// Adds to the host's counters. A counter that the host refuses is left out.
pub(crate) fn add_to_counters(counts: Vec<(String, u64)>) {
    for_metrics(ffi::Metric::Counter, counts, ffi::increment);
}

/// Sets the host's gauges.
pub(crate) fn set_gauges(gauges: Vec<(String, u64)>) {
    for_metrics(ffi::Metric::Gauge, gauges, ffi::record);
}

fn for_metrics(
    kind: ffi::Metric,
    values: Vec<(String, u64)>,
    tell: fn(u32, u64) -> Result<(), HostError>,
) {
    WORKER.with(|worker| {
        let mut metrics = worker.metrics.borrow_mut();
        for (key, value) in values {
            let known = metrics.get(&key).copied();
            // Envoy takes the labels out of the name by `stats_tags`.
            let name = || [METRIC_PREFIX, &key].concat();
            let Some(id) = known.or_else(|| ffi::define_metric(kind, &name()).ok()) else {
                continue;
            };
            if known.is_none() {
                metrics.insert(key, id);
            }
            let _ = tell(id, value);
        }
    });
}
