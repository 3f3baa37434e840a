//! What a host gives a gateway beside requests and callouts.

use std::rc::Rc;

pub use goproxy_pages::{SetError, SharedData};

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
