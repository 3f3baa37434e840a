//! Every answer that the filter itself gives: the only place where a status code is chosen.

mod pages;

use std::borrow::Cow;
use std::rc::Rc;

use crate::cache::{Entry, Lifetime};
use crate::exchange::Through;
use crate::goproxy::{Class, PathError};
use crate::metrics::ResultLabel;
use crate::text::{ErrorType, error_text};
use crate::time::Timestamp;
use crate::told::Told;
use crate::verdict::{Failure, Fault, Missing};

pub(crate) use pages::{Media, no_page, not_admitted, not_ready, page, probe};

/// The name under which this cache signs `Cache-Status` (RFC 9211).
const CACHE: &str = "goproxy-wasm";
/// The query of a path by which the gateway sends a client back to itself, now that it knows of a redirect.
pub(crate) const FOLLOW: &str = "follow";
/// The same, since the disk cache failed: it is not asked now.
pub(crate) const DIRECT: &str = "direct";
/// Both.
pub(crate) const FOLLOW_DIRECT: &str = "follow-direct";
const TEXT: &str = "text/plain; charset=utf-8";

/// The header fields of an answer: names in lower case, without pseudo headers and without `content-length`.
pub type Fields = Vec<(&'static str, Cow<'static, str>)>;

/// An answer of the filter's own. For a HEAD request the host drops the body and keeps its length.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header.
    pub fields: Fields,
    /// The body.
    pub body: Body,
    /// What it is, for those who count and record it.
    pub(crate) told: Told,
}

/// The body of a [`Reply`].
#[derive(Clone, Debug)]
pub enum Body {
    /// None.
    Empty,
    /// A text made for this answer.
    Text(String),
    /// An entry's body, not copied.
    Entry(Rc<Entry>),
}

impl Body {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Text(text) => text.as_bytes(),
            Self::Entry(entry) => entry.body(),
        }
    }
}

/// Where an entry came from, for `Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provenance {
    /// A cache has it.
    Cache(Tier),
    /// A cache has an old one, and the upstreams failed: with this status, or without any.
    Stale(Option<u16>),
    /// An upstream, just now.
    Upstream {
        /// Another client's request had asked already.
        collapsed: bool,
        /// It is in the cache now.
        stored: bool,
        /// A cache has an old one.
        stale: bool,
    },
}

impl Provenance {
    const fn result(self, entry: &Entry, now: Timestamp) -> ResultLabel {
        match self {
            Self::Upstream { .. } => ResultLabel::Miss,
            Self::Stale(_) => ResultLabel::Stale,
            Self::Cache(_) if entry.head().fresh_until.as_millis() <= now.as_millis() => {
                ResultLabel::Stale
            }
            Self::Cache(_) => ResultLabel::Hit,
        }
    }
}

/// The tiers of the cache, by their names in `Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    /// The memory of this worker.
    Memory,
    /// What the workers of the process share.
    Shared,
    /// Redis.
    Redis,
}

impl Tier {
    const fn detail(self) -> &'static str {
        match self {
            Self::Memory => "; detail=memory",
            Self::Shared => "; detail=shared",
            Self::Redis => "; detail=redis",
        }
    }
}

/// What an answer has to know of the client.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Client<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) if_none_match: Option<&'a [u8]>,
}

/// The answer that an entry holds: 200, 304 to a client that has it, or the 404 or 410 that was remembered.
pub(crate) fn entry(
    entry: &Rc<Entry>,
    class: Class,
    from: Provenance,
    client: Client<'_>,
    now: Timestamp,
) -> Reply {
    let head = entry.head();
    let fresh = std::time::Duration::from_secs(head.fresh_until.seconds_since(head.stored_at));
    let lifetime = Lifetime {
        fresh,
        stale: std::time::Duration::ZERO,
        immutable: head.status == 200 && class == Class::Immutable,
    };
    let mut fields: Fields = Vec::with_capacity(6);
    fields.push(("content-type", head.content_type.as_str().into()));
    fields.push(("cache-control", lifetime.cache_control().into()));
    if !matches!(from, Provenance::Upstream { .. }) {
        fields.push(("age", now.seconds_since(head.stored_at).to_string().into()));
    }
    fields.push(("cache-status", cache_status(entry, from, now).into()));
    if head.status != 200 {
        let missing = if head.status == 410 {
            Missing::Gone
        } else {
            Missing::NotFound
        };
        let words = String::from_utf8_lossy(entry.body());
        let text = error_text(
            &words,
            missing.error_type(),
            Some(entry.upstream()),
            client.request_id,
        );
        return Reply {
            status: head.status,
            fields,
            body: Body::Text(text),
            told: Told::missing(missing, words.into_owned(), entry.upstream()),
        };
    }
    let etag = entry.etag();
    let has_it = client
        .if_none_match
        .is_some_and(|tags| names_tag(tags, &etag));
    fields.push(("etag", etag.into()));
    let (status, body) = match has_it {
        true => (304, Body::Empty),
        false => (200, Body::Entry(entry.clone())),
    };
    Reply {
        status,
        fields,
        body,
        told: Told::Served(from.result(entry, now)),
    }
}

fn cache_status(entry: &Entry, from: Provenance, now: Timestamp) -> String {
    match from {
        Provenance::Cache(tier) => {
            let until = entry.head().fresh_until;
            // Negative once it is stale (RFC 9211, section 2.4).
            let (sign, ttl) = match until.seconds_since(now) {
                0 => ("-", now.seconds_since(until)),
                ttl => ("", ttl),
            };
            let sign = if ttl == 0 { "" } else { sign };
            // Written by hand, as all that a hit says: `format!` takes several times as long.
            [CACHE, "; hit; ttl=", sign, &ttl.to_string(), tier.detail()].concat()
        }
        Provenance::Stale(status) => {
            let status = status.map_or_else(String::new, |status| format!("; fwd-status={status}"));
            format!("{CACHE}; fwd=stale{status}; detail=stale-if-error")
        }
        Provenance::Upstream {
            collapsed,
            stored,
            stale,
        } => {
            let why = if stale { "stale" } else { "uri-miss" };
            let stored = if stored { "; stored" } else { "" };
            let collapsed = if collapsed { "; collapsed" } else { "" };
            format!(
                "{CACHE}; fwd={why}; fwd-status={}{stored}{collapsed}",
                entry.head().status
            )
        }
    }
}

/// Whether `If-None-Match` names the entity tag, by weak comparison (RFC 9110, section 13.1.2).
fn names_tag(field: &[u8], etag: &str) -> bool {
    field
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| {
            let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
            tag == b"*" || tag == etag.as_bytes()
        })
}

/// The header of an archive that the host streams from an upstream; the length is the upstream's.
pub(crate) fn forwarded(
    lifetime: Lifetime,
    content_type: &'static str,
    length: Option<u64>,
    through: Through,
) -> Fields {
    let status = match through {
        Through::Hit => "; hit; detail=disk",
        _ => "; fwd=uri-miss; fwd-status=200",
    };
    let mut fields: Fields = vec![
        ("content-type", content_type.into()),
        ("cache-control", lifetime.cache_control().into()),
        ("cache-status", [CACHE, status].concat().into()),
    ];
    fields.extend(length.map(|bytes| ("content-length", bytes.to_string().into())));
    fields
}

/// An archive's redirect. Its target may expire, so nobody keeps it.
pub(crate) fn redirect(location: String) -> Reply {
    let fields = vec![
        ("location", location.into()),
        ("cache-control", "no-store".into()),
    ];
    Reply {
        status: 302,
        fields,
        body: Body::Empty,
        told: Told::Served(ResultLabel::Redirect),
    }
}

/// What an upstream's failure is for the client: an outage is never a 404.
pub(crate) const fn status_of(fault: Fault) -> u16 {
    match fault {
        Fault::Forbidden => 403,
        Fault::UnavailableForLegalReasons => 451,
        Fault::RateLimited => 429,
        Fault::Timeout => 504,
        Fault::Unauthorized
        | Fault::Status(_)
        | Fault::InvalidBody
        | Fault::UnknownTarget
        | Fault::Aside
        | Fault::Reset
        | Fault::Unreachable => 502,
    }
}

/// What an object's absence is for the client.
pub(crate) const fn status_of_missing(missing: Missing) -> u16 {
    match missing {
        Missing::NotFound => 404,
        Missing::Gone => 410,
    }
}

/// An upstream's failure.
pub(crate) fn failure(failure: &Failure, request_id: &str) -> Reply {
    let text = error_text(
        &failure.words,
        failure.fault.error_type(),
        Some(&failure.upstream),
        request_id,
    );
    Reply {
        status: status_of(failure.fault),
        fields: failure_fields(failure),
        body: Body::Text(text),
        told: Told::failure(failure),
    }
}

/// The header of a failure whose text follows.
pub(crate) fn failure_fields(failure: &Failure) -> Fields {
    let mut fields = error_fields();
    fields.extend(retry_after(failure));
    fields
}

fn retry_after(failure: &Failure) -> Option<(&'static str, Cow<'static, str>)> {
    let wait = failure
        .retry_after
        .as_deref()
        .filter(|_| failure.fault == Fault::RateLimited)?;
    Some(("retry-after", wait.to_owned().into()))
}

/// The header of an absence whose text follows.
pub(crate) fn missing_fields(lifetime: Lifetime) -> Fields {
    vec![
        ("content-type", TEXT.into()),
        ("cache-control", lifetime.cache_control().into()),
    ]
}

/// A path that no `go` command sends: 400 if it cannot be decoded, 414 if it is too long, else 404.
pub(crate) fn bad_path(path: &PathError, request_id: &str) -> Reply {
    let (status, error_type) = match path {
        _ if path.is_too_long() => (414, ErrorType::BadRequest),
        _ if path.is_undecodable() => (400, ErrorType::BadRequest),
        _ => (404, ErrorType::NotFound),
    };
    error(status, &path.to_string(), error_type, request_id)
}

/// Any method but GET and HEAD.
pub(crate) fn method_not_allowed(request_id: &str) -> Reply {
    let words = "a module proxy knows GET and HEAD only";
    let mut reply = error(405, words, ErrorType::BadRequest, request_id);
    reply.fields.push(("allow", "GET, HEAD".into()));
    reply
}

/// A GET or HEAD with a body.
pub(crate) fn body_not_allowed(request_id: &str) -> Reply {
    error(
        400,
        "a request for a module has no body",
        ErrorType::BadRequest,
        request_id,
    )
}

/// A module that no route matches.
pub(crate) fn no_route(request_id: &str) -> Reply {
    error(
        404,
        "not found: this gateway has no route for the module",
        ErrorType::NotFound,
        request_id,
    )
}

/// A checksum database that is not configured; 404 sends `go` to the next proxy, or to the database itself.
pub(crate) fn no_database(request_id: &str) -> Reply {
    error(
        404,
        "not found: this gateway does not serve the checksum database",
        ErrorType::NotFound,
        request_id,
    )
}

/// A client asked the caches only, and they do not have it.
pub(crate) fn not_cached(request_id: &str) -> Reply {
    error(
        404,
        "not found: not in the cache, and only the cache was asked",
        ErrorType::NotFound,
        request_id,
    )
}

/// More requests wait for upstreams than the gateway holds.
pub(crate) fn overload(request_id: &str) -> Reply {
    let words = "the gateway waits for too many answers already; try again";
    let mut reply = error(503, words, ErrorType::Overload, request_id);
    reply.fields.push(("retry-after", "1".into()));
    reply
}

/// A fault of the gateway itself.
pub(crate) fn internal(request_id: &str) -> Reply {
    error(
        500,
        "the gateway could not keep the answer",
        ErrorType::Internal,
        request_id,
    )
}

/// `/sumdb/<name>/supported` of a database that is configured.
pub(crate) fn database_supported() -> Reply {
    let fields = vec![
        ("content-type", TEXT.into()),
        ("cache-control", "public, max-age=3600".into()),
    ];
    Reply {
        status: 200,
        fields,
        body: Body::Empty,
        told: Told::Served(ResultLabel::Hit),
    }
}

/// An error of the gateway's own, for which no upstream was asked.
fn error(status: u16, words: &str, error: ErrorType, request_id: &str) -> Reply {
    Reply {
        status,
        fields: error_fields(),
        body: Body::Text(error_text(words, error, None, request_id)),
        told: Told::own(status, error, words),
    }
}

fn error_fields() -> Fields {
    vec![
        ("content-type", TEXT.into()),
        ("cache-control", "no-store".into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{ContentType, EntryHead};
    use crate::testing::test;

    fn field<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        reply
            .fields
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| &**value)
    }

    fn stored(status: u16) -> Rc<Entry> {
        let at = Timestamp::from_millis;
        let head = EntryHead {
            status,
            content_type: ContentType::Text,
            stored_at: at(10_000),
            fresh_until: at(70_000),
            stale_until: at(70_000),
        };
        Rc::new(Entry::new(head, "k", "public", b"words\n").unwrap())
    }

    const HIT: Provenance = Provenance::Cache(Tier::Memory);

    #[test]
    fn a_hit_tells_its_age_its_lifetime_and_that_it_is_one() {
        let now = Timestamp::from_millis(15_000);
        let reply = entry(&stored(200), Class::Mutable, HIT, Client::default(), now);
        assert_eq!(reply.status, 200);
        assert_eq!(field(&reply, "age"), Some("5"));
        assert_eq!(field(&reply, "cache-control"), Some("public, max-age=60"));
        assert_eq!(
            field(&reply, "cache-status"),
            Some("goproxy-wasm; hit; ttl=55; detail=memory")
        );
    }

    #[test]
    fn a_client_that_has_it_gets_304_and_one_that_did_not_ask_never() {
        let now = Timestamp::from_millis(15_000);
        let etag = stored(200).etag();
        for (tags, status) in [
            (Some(etag.clone()), 304),
            (Some(format!("\"x\", W/{etag}")), 304),
            (Some("*".to_owned()), 304),
            (Some("\"x\"".to_owned()), 200),
            (Some(String::new()), 200),
            (None, 200),
        ] {
            let if_none_match = tags.as_deref().map(str::as_bytes);
            let client = Client {
                request_id: "-",
                if_none_match,
            };
            let reply = entry(&stored(200), Class::Mutable, HIT, client, now);
            assert_eq!(reply.status, status, "{tags:?}");
            assert_eq!(reply.body.as_bytes().is_empty(), status == 304, "{tags:?}");
        }
    }

    #[test]
    fn a_remembered_absence_carries_the_words_and_this_request() {
        let client = Client {
            request_id: "r2",
            if_none_match: Some(b"*"),
        };
        let reply = entry(
            &stored(410),
            Class::Immutable,
            HIT,
            client,
            Timestamp::from_millis(15_000),
        );
        assert_eq!(
            (reply.status, field(&reply, "cache-control")),
            (410, Some("public, max-age=60"))
        );
        assert_eq!(
            reply.body.as_bytes(),
            b"words\n(goproxy-wasm: gone, upstream public, request r2)\n"
        );
    }

    #[test]
    fn an_outage_is_never_a_404() {
        for status in 100..600 {
            let fault = Fault::Status(status);
            assert_eq!(status_of(fault), 502, "{status}");
        }
        assert_eq!(status_of(Fault::Timeout), 504);
        assert_eq!(status_of(Fault::Forbidden), 403);
    }

    #[test]
    fn retry_after_goes_with_429_only() {
        for (fault, expected) in [(Fault::RateLimited, Some("7")), (Fault::Status(503), None)] {
            let mut of = Failure::new(fault, &"up".into(), String::new());
            of.retry_after = Some("7".into());
            assert_eq!(
                field(&failure(&of, "-"), "retry-after"),
                expected,
                "{fault:?}"
            );
        }
    }
}
