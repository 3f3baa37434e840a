//! Envoy: how it is told where a request goes, and how it tells what became of one.

use goproxy_core::{
    Answer, AnswerBody, AnswerHead, Callout, CalloutOutcome, Forward, MadeBy, Through,
};

use crate::ffi::{self, Buffer, HostError, Map};
use crate::pairs;

/// The route of a forwarded request takes its cluster from this field (`cluster_header`).
pub(crate) const UPSTREAM_FIELD: &str = "x-goproxy-upstream";
/// Under which key the disk cache keeps an archive.
const KEY_FIELD: &str = "x-goproxy-cache-key";
/// The route behind the disk cache takes its cluster from this field.
const ORIGIN_FIELD: &str = "x-goproxy-origin";
/// The disk cache fetches an archive anew.
const REFRESH_FIELD: &str = "x-goproxy-refresh";
/// Fields by which the filter and its own host configuration speak; a client's copy is removed.
const OWN_FIELDS: [&str; 4] = [UPSTREAM_FIELD, KEY_FIELD, ORIGIN_FIELD, REFRESH_FIELD];
/// What the disk cache says of an answer: `hit`, `miss`, or `failed` where it is its own.
const DISK_FIELD: &[u8] = b"x-goproxy-disk";
/// Why the host behind the disk cache answered itself: its response code details.
const FAULT_FIELD: &[u8] = b"x-goproxy-fault";
/// Fields of the client that go on with a forwarded request.
///
/// `x-forwarded-proto` is Envoy's own by then: without it no route matches. The cluster takes it out again.
const KEPT_FIELDS: [&str; 5] = [
    ":method",
    ":scheme",
    "x-forwarded-proto",
    "x-request-id",
    "traceparent",
];
/// Envoy's router puts this on every answer that an upstream gave, and on none that it made itself.
const UPSTREAM_TIME: &[u8] = b"x-envoy-upstream-service-time";

/// Puts what goes upstream in place of all that the client sent, in two calls: exchanging the whole map leaves the route
/// as it was, setting one field makes Envoy choose it anew (measured on 1.40).
pub(crate) fn forward(client: &[(&[u8], &[u8])], forward: &Forward) -> Result<(), HostError> {
    let kept = client.iter().filter_map(|(name, value)| {
        let kept = KEPT_FIELDS
            .into_iter()
            .find(|kept| kept.as_bytes() == *name)?;
        Some((kept, *value))
    });
    let own = [
        (":authority", forward.authority.as_bytes()),
        (":path", forward.path.as_bytes()),
        ("user-agent", forward.user_agent.as_bytes()),
    ];
    let disk = forward.disk.as_ref();
    let told = [
        (KEY_FIELD, disk.map(|disk| disk.key.as_bytes())),
        (
            ORIGIN_FIELD,
            disk.and_then(|disk| disk.origin.as_deref().map(str::as_bytes)),
        ),
        (
            REFRESH_FIELD,
            disk.filter(|disk| disk.refresh).map(|_| &b"1"[..]),
        ),
    ];
    let told = told
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    ffi::replace_map(Map::Request, &pairs::encode(kept.chain(own).chain(told)))?;
    ffi::set_field(
        Map::Request,
        UPSTREAM_FIELD,
        pairs::checked(forward.target.as_bytes()),
    )
}

/// A request that is not ours goes on untouched, but for what could choose a route of ours.
pub(crate) fn disarm(client: &[(&[u8], &[u8])]) -> Result<(), HostError> {
    for name in OWN_FIELDS {
        if client.iter().any(|(known, _)| *known == name.as_bytes()) {
            ffi::remove_field(Map::Request, name)?;
        }
    }
    Ok(())
}

/// Sends a callout for the root context that is active, and gives the token that its answer will carry.
pub(crate) fn dispatch(callout: &Callout) -> Result<u32, CalloutOutcome> {
    let mut fields = vec![
        (":method", callout.method.as_str()),
        (":path", callout.path.as_str()),
        (":authority", &*callout.authority),
    ];
    fields.extend(
        callout
            .headers
            .iter()
            .map(|(name, value)| (*name, &**value)),
    );
    let sent = proxy_wasm::hostcalls::dispatch_http_call(
        &callout.target,
        fields,
        callout.body.as_deref(),
        vec![],
        callout.timeout,
    );
    sent.map_err(|status| match status {
        proxy_wasm::types::Status::BadArgument => CalloutOutcome::UnknownTarget,
        // Too many pending requests, or no address in the cluster.
        _ => CalloutOutcome::NotSent,
    })
}

/// Reads what became of a callout; `fields` and `size` are what the callback was given.
pub(crate) fn outcome(fields: usize, size: usize, body_limit: usize) -> CalloutOutcome {
    // No header: a reset, or the cluster was changed meanwhile. There is no map then.
    if fields == 0 {
        return CalloutOutcome::Reset;
    }
    let Ok(map) = ffi::map(Map::CalloutResponse) else {
        return CalloutOutcome::Reset;
    };
    let fields = pairs::decode(&map);
    let status = status(&fields);
    if !fields.iter().any(|(name, _)| *name == UPSTREAM_TIME) {
        match status {
            504 => return CalloutOutcome::Timeout,
            // 502: what came is no HTTP, or its header is too large.
            502 | 503 => return CalloutOutcome::Unreachable,
            _ => {}
        }
    }
    let head = AnswerHead::read(fields.iter().copied());
    let body = match size {
        0 => AnswerBody::Whole(Vec::new()),
        _ if size > body_limit => AnswerBody::TooLarge,
        _ => match ffi::buffer(Buffer::CalloutResponseBody, size) {
            Ok(bytes) => AnswerBody::Whole(bytes),
            Err(_) => return CalloutOutcome::Reset,
        },
    };
    CalloutOutcome::Answer(Answer { status, head, body })
}

/// The `:status` of an answer; 0 if it has none.
pub(crate) fn status(fields: &[(&[u8], &[u8])]) -> u16 {
    let value = fields
        .iter()
        .find(|(name, _)| *name == b":status")
        .map(|(_, value)| *value);
    value
        .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())
        .unwrap_or_default()
}

/// Who made the answer to a forwarded request. Only an error is worth the question; Envoy's own 404, for want of a route,
/// must not be taken for the upstream's.
pub(crate) fn made_by(status: u16) -> MadeBy {
    if status == 200 {
        return MadeBy::Upstream;
    }
    match code_details().as_deref() {
        Ok(b"via_upstream") => MadeBy::Upstream,
        Ok(details) => host(details, status),
        Err(_) => host(b"", status),
    }
}

/// How often the host sent the request to have this answer: its own retries and the first. Only an error is worth the question.
pub(crate) fn attempts(status: u16) -> u32 {
    if status == 200 {
        return 1;
    }
    let count = ffi::property("upstream\0request_attempt_count").unwrap_or_default();
    // A 64-bit integer, little end first.
    let count = <[u8; 8]>::try_from(count).map_or(1, u64::from_le_bytes);
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}

/// What is said of an answer that came through the disk cache, by it and by the listener of ours behind it.
pub(crate) fn through(fields: &[(&[u8], &[u8])], status: u16) -> Through {
    let said = |wanted: &[u8]| {
        let field = fields.iter().find(|(name, _)| *name == wanted);
        field.map(|(_, value)| *value)
    };
    match (said(DISK_FIELD), said(FAULT_FIELD)) {
        (Some(b"failed"), _) => Through::Failed,
        // The one route there that answers itself.
        (_, Some(b"direct_response")) => Through::NotStored,
        (_, Some(details)) => Through::Behind(host(details, status)),
        (Some(b"hit"), None) => Through::Hit,
        _ => Through::Silent,
    }
}

/// Whether an answer broke off because of who sent it, and not because the client left. Of a stream on which nothing happened
/// for too long nobody says whose fault it is; a client that still reads is the rule.
pub(crate) fn is_broken() -> bool {
    const BROKEN: [&[u8]; 3] = [
        b"upstream_reset_after_response_started",
        b"stream_idle_timeout",
        b"upstream_response_timeout",
    ];
    code_details().is_ok_and(|details| BROKEN.iter().any(|known| details.starts_with(known)))
}

/// <https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/response_code_details>
fn code_details() -> Result<Vec<u8>, HostError> {
    ffi::property("response\0code_details")
}

/// The host's standard output gets these records: its access log prints the filter state `wasm.goproxy_event` of a stream, as
/// it stands there, once the stream's callback for the log has been called.
pub(crate) fn write_events(lines: &str) -> Result<(), HostError> {
    ffi::set_property("goproxy_event", lines.as_bytes())
}

/// Which of the host's own answers it is.
fn host(details: &[u8], status: u16) -> MadeBy {
    match details {
        b"route_not_found" | b"direct_response" | b"cluster_not_found" => MadeBy::HostWithoutTarget,
        _ if status == 504 => MadeBy::HostAfterTimeout,
        _ => MadeBy::HostUnreachable,
    }
}

/// Where the request comes from whose context is effective: the connection's other end, or whoever the host was told to
/// believe behind a load balancer.
pub(crate) fn peer() -> Option<String> {
    String::from_utf8(ffi::property("source\0address").ok()?).ok()
}

/// The name of the plugin, the default namespace.
pub(crate) fn plugin_name() -> String {
    let name = ffi::property("plugin_name").unwrap_or_default();
    String::from_utf8(name)
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "goproxy".to_owned())
}
