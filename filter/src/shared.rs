//! What a root context shares with the other workers of the host's process: the shared data, and the queue that wakes it.

use std::cell::OnceCell;

use goproxy_core::{SetError, SharedData};

use crate::ffi;
use crate::worker::OwnQueue;

/// The ABI's status for a value that was changed meanwhile.
const CAS_MISMATCH: ffi::HostError = ffi::HostError(8);

/// The shared data as one root context sees it. Its scope is the `vm_id` alone: other plugins may write there too.
#[derive(Default)]
pub(crate) struct Shared {
    queue: OnceCell<Option<OwnQueue>>,
}

impl Shared {
    /// Opens the queue the first time that this is called, after `begin`.
    pub(crate) fn open_queue(&self, begin: impl FnOnce()) {
        self.queue.get_or_init(|| {
            begin();
            OwnQueue::open()
        });
    }

    /// The queue, if it is open.
    pub(crate) fn queue(&self) -> Option<&OwnQueue> {
        self.queue.get()?.as_ref()
    }
}

impl SharedData for Shared {
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        ffi::shared_data(key).ok()
    }

    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), SetError> {
        // No value has the version 0: it asks for none.
        let version = version.unwrap_or_default();
        ffi::set_shared_data(key, value, version).map_err(|error| match error {
            CAS_MISMATCH => SetError::Changed,
            _ => SetError::Refused,
        })
    }

    fn own_queue(&self) -> Option<u32> {
        self.queue().map(OwnQueue::id)
    }

    fn enqueue(&self, queue: u32, message: &[u8]) -> bool {
        ffi::enqueue(queue, message).is_ok()
    }
}
