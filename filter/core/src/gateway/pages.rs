//! The pages of the gateway itself.

use crate::reply::{self, DIRECT, FOLLOW, FOLLOW_DIRECT, Reply};

/// The page at a path, if there is one: the probes that a host or an orchestrator asks.
pub(super) fn of(path: &[u8]) -> Option<Reply> {
    match path.split(|byte| *byte == b'?').next()? {
        b"/-/healthz" => Some(reply::probe("ok\n")),
        b"/-/readyz" => Some(reply::probe("ready\n")),
        _ => None,
    }
}

/// What a client was told to come again for.
#[derive(Clone, Copy)]
pub(super) struct Again {
    /// The upstream redirects.
    pub(super) follow: bool,
    /// The disk cache failed.
    pub(super) direct: bool,
}

/// Reads it from the query, which no request of `go` has.
pub(super) fn again(path: &[u8]) -> Again {
    let query = path.splitn(2, |byte| *byte == b'?').nth(1);
    let is = |one: &str| query == Some(one.as_bytes());
    Again {
        follow: is(FOLLOW) || is(FOLLOW_DIRECT),
        direct: is(DIRECT) || is(FOLLOW_DIRECT),
    }
}
