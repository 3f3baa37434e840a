//! What the tests have in common: configurations, and ways to say things shortly.

use goproxy_strict_host::{Callout, Fate, Forwarded, Host, Reply, StreamHandle, StrictHostError};

/// One public upstream and one checksum database.
pub(crate) const CONFIGURATION: &str = r#"{
    "upstreams": [{"name": "public", "target": "up", "authority": "proxy.example", "timeout": "1s"}],
    "routes": [{"modules": ["*"], "chain": ["public"]}],
    "sumdb": [{"name": "sum.golang.org", "target": "sumdb", "authority": "sum.example"}]
}"#;

/// What a callout brings, and the bytes of it.
pub(crate) const MOD: &str = "/example.com/a/@v/v1.0.0.mod";
pub(crate) const BODY: &str = "module example.com/a\n";
/// What the host streams.
pub(crate) const ZIP: &str = "/example.com/a/@v/v1.0.0.zip";

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

/// How a request was sent on.
#[track_caller]
pub(crate) fn forwarded(host: &Host, stream: StreamHandle) -> Forwarded {
    match host.fate(stream) {
        Fate::Forwarded(forwarded) => forwarded,
        other => panic!("expected it to be forwarded, got {other:?}"),
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

/// One of the host's counters.
pub(crate) fn metric(host: &Host, name: &str) -> i64 {
    host.metrics().get(name).copied().unwrap_or_default()
}
