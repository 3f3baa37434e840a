//! What the workers of one process share, as a host gives it.

/// Values that all workers of one host's process see, and the queues by which they wake each other (shared data and
/// shared queues of the proxy-wasm ABI 0.2.1).
///
/// The host calls none of our code while it serves one of these, so they may be called at any time.
pub trait SharedData {
    /// A value and its version, which is another after every change; `None`: there is no such key.
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Sets a value; with a version, only if nobody has since that version was read. A key that does not exist is made,
    /// whatever the version.
    ///
    /// # Errors
    /// [`SetError`]: nothing was set.
    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), SetError>;

    /// The queue that wakes this gateway; `None` as long as its worker has seen no request.
    fn own_queue(&self) -> Option<u32>;

    /// Puts a message into a queue; `false`: the host refused.
    fn enqueue(&self, queue: u32, message: &[u8]) -> bool;
}

/// Why a value was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetError {
    /// Somebody else was faster.
    Changed,
    /// The host does not want to.
    Refused,
}
