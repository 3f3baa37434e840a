//! What a host gives a gateway beside requests and callouts.

use std::rc::Rc;

/// The value of an environment variable, by its name.
pub type Environment = Rc<dyn Fn(&str) -> Option<String>>;

/// Where the request comes from that the host is handing over: an address, with or without a port.
pub type Peer = Rc<dyn Fn() -> Option<String>>;

/// What one root context of the host gives its gateway.
#[derive(Clone)]
pub struct HostCapabilities {
    /// The value of an environment variable that the host hands on, where a configuration says `env:NAME`.
    pub environment: Environment,
    /// Where a request comes from. It is asked of within [`Gateway::begin`](crate::Gateway::begin), and only for pages.
    pub peer: Peer,
    /// What all workers of the host's process see; `None`: each is alone.
    pub shared: Option<Rc<dyn SharedData>>,
}

impl HostCapabilities {
    /// A host that hands on no environment, does not say where requests come from, and whose workers share nothing.
    pub fn none() -> Self {
        Self {
            environment: Rc::new(|_| None),
            peer: Rc::new(|| None),
            shared: None,
        }
    }
}

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
