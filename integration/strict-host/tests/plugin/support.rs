//! What the tests have in common: configurations, and ways to say things shortly.

use goproxy_strict_host::{Callout, Fate, Host, Reply, StreamHandle, StrictHostError};

/// One public upstream and one checksum database.
pub(crate) const CONFIGURATION: &str = r#"{
    "upstreams": [{"name": "public", "target": "up", "authority": "proxy.example"}],
    "routes": [{"modules": ["*"], "chain": ["public"]}],
    "sumdb": [{"name": "sum.golang.org", "target": "sumdb", "authority": "sum.example"}]
}"#;

/// What a test ends with.
pub(crate) type Outcome = Result<(), StrictHostError>;

/// A `GET`.
pub(crate) fn get(host: &mut Host, path: &str) -> Result<StreamHandle, StrictHostError> {
    host.request("GET", path, &[])
}

/// The answer that a client has by now.
#[track_caller]
pub(crate) fn reply(host: &Host, stream: StreamHandle) -> Reply {
    match host.fate(stream) {
        Fate::Replied(reply) => reply,
        other => panic!("expected an answer, got {other:?}"),
    }
}

/// The one callout that is out.
#[track_caller]
pub(crate) fn only_callout(host: &Host) -> Callout {
    let mut all = host.callouts();
    assert_eq!(all.len(), 1, "callouts out: {all:?}");
    all.remove(0)
}

/// Answers the one callout that is out.
#[track_caller]
pub(crate) fn answer(host: &mut Host, status: u16, body: &str) -> Outcome {
    let callout = only_callout(host);
    host.answer(callout.handle, status, &[], body.as_bytes())
}
