//! Redis, as a filter without a socket reaches it: by callouts to an HTTP gateway that speaks RESP behind it.
//!
//! Nothing here sends or waits: a [`RedisWire`] makes the requests and reads the answers, an envelope ([`seal`], [`open`])
//! is what stands in Redis below a [`redis_key`]. Whatever is not understood is [`Refused`], which to a cache is a miss.

mod envelope;
mod key;
mod refused;
mod resp;
mod secret;
mod upstash;
mod webdis;

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

pub use envelope::{Sealed, open, seal};
pub use key::redis_key;
pub use refused::Refused;
pub use secret::{SecretError, SigningKey};
pub use upstash::Upstash;
pub use webdis::Webdis;

use crate::callout::Method;

/// An HTTP gateway's way of carrying Redis commands: the requests it takes, and the answers it gives.
///
/// Keys are as [`redis_key`] makes them, of `[a-z0-9-]`: nothing in them needs escaping in any gateway's grammar.
pub trait RedisWire {
    /// Asks for a value.
    fn get(&self, key: &str) -> WireRequest;

    /// Writes a value that Redis drops after `ttl_seconds`; 0 counts as 1, since Redis refuses it.
    fn setex(&self, key: &str, ttl_seconds: u64, value: &[u8]) -> WireRequest;

    /// Asks whether gateway and Redis are there.
    fn ping(&self) -> WireRequest;

    /// The value in the answer to [`get`](Self::get); `None`: Redis has none.
    ///
    /// # Errors
    /// Why it is no answer of a Redis that serves us.
    fn parse_get<'a>(&self, status: u16, body: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, Refused>;

    /// Reads the answer to [`setex`](Self::setex).
    ///
    /// # Errors
    /// Why it does not say that the value was written.
    fn parse_set(&self, status: u16, body: &[u8]) -> Result<(), Refused>;

    /// Reads the answer to [`ping`](Self::ping).
    ///
    /// # Errors
    /// Why it does not say that Redis is there.
    fn parse_ping(&self, status: u16, body: &[u8]) -> Result<(), Refused>;
}

/// A request to the gateway, for a [`Callout`](crate::Callout).
#[derive(Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// The value of `:method`.
    pub method: Method,
    /// The value of `:path`.
    pub path: String,
    /// Headers beside the pseudo headers; a token may be among them.
    pub headers: Vec<(&'static str, Rc<str>)>,
    /// The body, where there is one.
    pub body: Option<Rc<[u8]>>,
}

impl fmt::Debug for WireRequest {
    /// Without the headers' values, and the body by its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name);
        f.debug_struct("WireRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &names.collect::<Vec<_>>())
            .field("body", &self.body.as_ref().map(|body| body.len()))
            .finish()
    }
}
