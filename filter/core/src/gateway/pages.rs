//! The pages of the gateway itself.

use crate::reply::{self, Reply};

/// The page at a path, if there is one: the probes that a host or an orchestrator asks.
pub(super) fn of(path: &[u8]) -> Option<Reply> {
    match path.split(|byte| *byte == b'?').next()? {
        b"/-/healthz" => Some(reply::probe("ok\n")),
        b"/-/readyz" => Some(reply::probe("ready\n")),
        _ => None,
    }
}

/// What stands behind the first question mark.
pub(super) fn query(path: &[u8]) -> Option<&[u8]> {
    let at = path.iter().position(|byte| *byte == b'?')?;
    path.get(at.saturating_add(1)..)
}
