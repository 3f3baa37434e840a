//! One request's life, as a state machine: it waits on a flight, or watches the host stream an archive.
//!
//! A request that can be answered at once has no exchange. Every transition consumes it, so that nothing is answered
//! twice.

use std::rc::Rc;

use crate::cache::{ContentType, Entry, EntryHead, Key, Lifetime};
use crate::callout::AnswerHead;
use crate::flight::Landing;
use crate::goproxy::{Endpoint, Request};
use crate::reply::{self, Client, Fields, Provenance, Reply};
use crate::text::{self, MAX_UPSTREAM_BYTES, error_text, upstream_words};
use crate::time::Timestamp;
use crate::upstream::{Source, Upstream};
use crate::verdict::{Failure, Fault, Missing, Verdict};

/// An archive that `go` would accept: from an empty zip file to `MaxZipFile` of golang.org/x/mod/zip.
const ARCHIVE_BYTES: std::ops::RangeInclusive<u64> = 22..=(500 << 20);
/// `MaxGoMod` of golang.org/x/mod/zip.
const MOD_BYTES: std::ops::RangeInclusive<u64> = 1..=(16 << 20);
/// The first bytes of every zip file.
const ZIP_MAGIC: &[u8; 2] = b"PK";

/// What of the configuration an exchange needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    /// A larger archive is not copied.
    pub(crate) max_object: usize,
    /// What stands before every path of the gateway; empty for the root.
    pub(crate) base_path: &'a str,
}

/// What a client asked for, kept until it has its answer.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) request: Rc<Request>,
    pub(crate) key: Key,
    pub(crate) source: Source,
    pub(crate) is_head: bool,
    pub(crate) request_id: Rc<str>,
    pub(crate) if_none_match: Option<Vec<u8>>,
    /// A flight for it was under way already.
    pub(crate) collapsed: bool,
}

impl Ask {
    fn client(&self) -> Client<'_> {
        Client {
            request_id: &self.request_id,
            if_none_match: self.if_none_match.as_deref(),
        }
    }
}

/// A request that has no answer yet.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// It waits on a flight.
    Waiting(Ask),
    /// The host asks the upstream; the head of the answer is to come.
    Forwarded(Ask, Rc<Upstream>),
    /// The host streams the body, of which a copy is made while it is small enough.
    Streaming(Streaming),
    /// The host streams the body of an error, of which only the words go on.
    Explaining(Explaining),
}

/// What the adapter does with the head of a forwarded answer.
#[derive(Debug)]
pub enum HeadStep {
    /// It is no business of ours.
    Pass,
    /// Status and header go to the client like this; nothing else of the upstream's header does.
    Send {
        /// The status code.
        status: u16,
        /// The header.
        fields: Fields,
    },
    /// This answer goes out in place of the upstream's.
    Replace(Reply),
}

/// What the adapter does with a piece of a forwarded answer's body.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyStep {
    /// It goes on unchanged.
    Pass,
    /// These bytes go on in its place.
    Replace(Vec<u8>),
    /// The stream is reset, so that the client sees that the answer broke off.
    Reset,
}

/// A piece of a forwarded answer's body.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its first bytes: as many as [`Gateway::wants_of_body`](crate::Gateway::wants_of_body) said, or all.
    pub bytes: &'a [u8],
    /// How long it is.
    pub size: usize,
    /// It is the last one.
    pub end_of_stream: bool,
}

/// Something to keep once an exchange is over.
#[derive(Debug)]
pub(crate) struct Keep {
    pub(crate) key: Key,
    pub(crate) entry: Rc<Entry>,
}

/// What a waiting stream gets from a landing.
#[derive(Debug)]
pub(crate) enum Landed {
    Reply(Reply),
    Forward(Box<Exchange>, Rc<Upstream>),
}

/// The head of a forwarded answer.
#[derive(Debug)]
pub struct ForwardedHead {
    /// The status code.
    pub status: u16,
    /// What counts of its header.
    pub head: AnswerHead,
    /// No body follows.
    pub end_of_stream: bool,
    /// Who made the answer.
    pub made_by: MadeBy,
}

/// Who made the answer to a forwarded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// The upstream itself.
    Upstream,
    /// The host, because the upstream did not answer in time.
    HostAfterTimeout,
    /// The host, because there was no connection, or no answer on it.
    HostUnreachable,
    /// The host, because it does not know the target: a mistake in its configuration.
    HostWithoutTarget,
}

// === impl Exchange ===

impl Exchange {
    /// The flight that this exchange waits on has landed; `None` if it waits on none.
    pub(crate) fn on_landed(
        self,
        landing: &Landing,
        stored: bool,
        now: Timestamp,
    ) -> Option<Landed> {
        let Self::Waiting(ask) = self else {
            return None;
        };
        Some(match landing {
            Landing::Answered { entry, .. } => {
                let from = Provenance::Upstream {
                    collapsed: ask.collapsed,
                    stored,
                };
                Landed::Reply(reply::entry(
                    entry,
                    ask.request.class(),
                    from,
                    ask.client(),
                    now,
                ))
            }
            Landing::Failed(failure) => Landed::Reply(reply::failure(failure, &ask.request_id)),
            Landing::Unstorable => Landed::Reply(reply::internal(&ask.request_id)),
            Landing::Oversized(upstream) => Landed::Forward(
                Box::new(Self::Forwarded(ask, upstream.clone())),
                upstream.clone(),
            ),
        })
    }

    /// The head of the forwarded request's answer is here.
    pub(crate) fn on_head(
        self,
        answer: ForwardedHead,
        config: Settings<'_>,
    ) -> (Option<Self>, HeadStep) {
        let Self::Forwarded(ask, upstream) = self else {
            return (Some(self), HeadStep::Pass);
        };
        let verdict = match answer.made_by {
            MadeBy::HostAfterTimeout => Verdict::Failed(Fault::Timeout),
            MadeBy::HostUnreachable => Verdict::Failed(Fault::Unreachable),
            MadeBy::HostWithoutTarget => Verdict::Failed(Fault::UnknownTarget),
            MadeBy::Upstream => Verdict::of_status(answer.status),
        };
        match verdict {
            Verdict::Found => Streaming::begin(ask, &upstream, &answer, config.max_object),
            Verdict::Missing(missing) => {
                Explaining::begin(ask, &upstream, Trouble::Missing(missing), answer)
            }
            // Envoy's words about its own connection are no help to a person at `go`.
            Verdict::Failed(fault) if answer.made_by != MadeBy::Upstream => {
                let failure = Failure::new(fault, &upstream.name, String::new());
                (
                    None,
                    HeadStep::Replace(reply::failure(&failure, &ask.request_id)),
                )
            }
            Verdict::Failed(fault)
                if let Some(reply) = redirect(fault, &ask, &upstream, &answer, config) =>
            {
                (None, HeadStep::Replace(reply))
            }
            Verdict::Failed(fault) => {
                Explaining::begin(ask, &upstream, Trouble::Failed(fault), answer)
            }
        }
    }

    /// Whether the exchange has something to say about the answer that the host is sending.
    pub(crate) const fn is_watching(&self) -> bool {
        !matches!(self, Self::Waiting(_))
    }

    /// How many bytes of the next piece of the body are looked at.
    pub(crate) fn wants_of_body(&self) -> usize {
        match self {
            Self::Streaming(streaming) => streaming.wants(),
            Self::Explaining(explaining) => explaining.room(),
            Self::Waiting(_) | Self::Forwarded(..) => 0,
        }
    }

    /// A piece of the forwarded request's answer is here.
    pub(crate) fn on_body(
        self,
        piece: Piece<'_>,
        now: Timestamp,
    ) -> (Option<Self>, BodyStep, Option<Keep>) {
        match self {
            Self::Streaming(streaming) => streaming.on_body(piece, now),
            Self::Explaining(explaining) => explaining.on_body(piece, now),
            Self::Waiting(_) | Self::Forwarded(..) => (Some(self), BodyStep::Pass, None),
        }
    }
}

/// A body on its way to the client.
#[derive(Debug)]
pub(crate) struct Streaming {
    ask: Ask,
    upstream: Rc<str>,
    lifetime: Lifetime,
    /// What was copied so far, unless there is nothing to keep.
    copy: Option<Vec<u8>>,
    max_object: usize,
    expected: Option<u64>,
    seen: u64,
}

impl Streaming {
    fn begin(
        ask: Ask,
        upstream: &Upstream,
        answer: &ForwardedHead,
        max_object: usize,
    ) -> (Option<Exchange>, HeadStep) {
        if let Some(words) = invalid_head(&ask, answer) {
            let failure = Failure::new(Fault::InvalidBody, &upstream.name, words);
            return (
                None,
                HeadStep::Replace(reply::failure(&failure, &ask.request_id)),
            );
        }
        let lifetime = Lifetime::of_found(&ask.source.freshness, ask.request.class())
            .unless_forbidden(answer.head.cache_control);
        let expected = answer.head.content_length;
        let content_type = crate::flight::content_type(ask.request.endpoint()).as_str();
        let fields = reply::forwarded(lifetime, content_type, expected);
        let send = HeadStep::Send {
            status: 200,
            fields,
        };
        if answer.end_of_stream {
            return (None, send);
        }
        let fits = expected
            .is_none_or(|bytes| usize::try_from(bytes).is_ok_and(|bytes| bytes <= max_object));
        let worth_it =
            fits && max_object > 0 && lifetime.is_storable() && !ask.request.is_toolchain();
        let capacity = expected
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or_default();
        let copy = worth_it.then(|| Vec::with_capacity(capacity));
        let upstream = upstream.name.clone();
        (
            Some(Exchange::Streaming(Self {
                ask,
                upstream,
                lifetime,
                copy,
                max_object,
                expected,
                seen: 0,
            })),
            send,
        )
    }

    /// How many bytes of the next piece are looked at.
    fn wants(&self) -> usize {
        match (&self.copy, self.ask.request.endpoint()) {
            (Some(_), _) => usize::MAX,
            (None, Endpoint::Zip) => ZIP_MAGIC
                .len()
                .saturating_sub(usize::try_from(self.seen).unwrap_or(usize::MAX)),
            (None, _) => 0,
        }
    }

    fn on_body(
        mut self,
        piece: Piece<'_>,
        now: Timestamp,
    ) -> (Option<Exchange>, BodyStep, Option<Keep>) {
        if self.ask.request.endpoint() == Endpoint::Zip
            && !continues_zip_magic(self.seen, piece.bytes)
        {
            return (None, BodyStep::Reset, None);
        }
        self.seen = self
            .seen
            .saturating_add(u64::try_from(piece.size).unwrap_or(u64::MAX));
        if let Some(copy) = &mut self.copy {
            if copy.len().saturating_add(piece.size) > self.max_object {
                self.copy = None;
            } else {
                copy.extend_from_slice(piece.bytes);
            }
        }
        if !piece.end_of_stream {
            return (Some(Exchange::Streaming(self)), BodyStep::Pass, None);
        }
        if self.is_short() {
            return (None, BodyStep::Reset, None);
        }
        (None, BodyStep::Pass, self.keep(now))
    }

    fn is_short(&self) -> bool {
        let magic = u64::try_from(ZIP_MAGIC.len()).unwrap_or_default();
        let least = if self.ask.request.endpoint() == Endpoint::Zip {
            magic
        } else {
            0
        };
        self.seen < least || self.expected.is_some_and(|bytes| bytes != self.seen)
    }

    fn keep(self, now: Timestamp) -> Option<Keep> {
        let copy = self.copy?;
        // A `.mod` comes this way only because it is too large for a callout.
        if self.ask.request.endpoint() != Endpoint::Zip {
            return None;
        }
        keep(
            self.ask.key,
            200,
            ContentType::Zip,
            &self.upstream,
            &copy,
            self.lifetime,
            now,
        )
    }
}

/// Why a 200 cannot be what was asked for, judged before the client sees a byte.
fn invalid_head(ask: &Ask, answer: &ForwardedHead) -> Option<String> {
    let refused = match ask.request.endpoint() {
        Endpoint::Zip => {
            answer
                .head
                .is_type(&["text/", "application/json", "application/xhtml+xml"])
        }
        _ => answer
            .head
            .is_type(&["text/html", "application/json", "application/xhtml+xml"]),
    };
    let range = if ask.request.endpoint() == Endpoint::Zip {
        ARCHIVE_BYTES
    } else {
        MOD_BYTES
    };
    if refused {
        return Some("the upstream's answer is a page, not what was asked for".to_owned());
    }
    if answer.head.encoded {
        return Some("the upstream's answer has an encoding that was not asked for".to_owned());
    }
    match answer.head.content_length {
        Some(bytes) if !range.contains(&bytes) => Some(format!(
            "the upstream's answer has {bytes} bytes, which cannot be what was asked for"
        )),
        None if answer.end_of_stream && !ask.is_head => {
            Some("the upstream's answer is empty".to_owned())
        }
        _ => None,
    }
}

/// An archive's redirect, handed to the client: it goes where the upstream sends it, without the gateway.
///
/// A reference without a scheme is one to the upstream, and the client would take it for one to the gateway. It stands
/// for the same object there if what it names is below the upstream's base path; any other is a failure.
fn redirect(
    fault: Fault,
    ask: &Ask,
    upstream: &Upstream,
    answer: &ForwardedHead,
    config: Settings<'_>,
) -> Option<Reply> {
    let Fault::Status(status @ (301 | 302 | 303 | 307 | 308)) = fault else {
        return None;
    };
    let location = answer.head.location.as_deref()?;
    if location.starts_with("https://") || location.starts_with("http://") {
        return Some(reply::redirect(status, location.to_owned()));
    }
    let object = upstream.object_at(location)?;
    // A redirect to itself would go round for ever.
    let elsewhere = Request::parse(object.as_bytes())
        .is_ok_and(|other| other.canonical() != ask.request.canonical());
    elsewhere.then(|| reply::redirect(status, [config.base_path, object].concat()))
}

/// Whether a body may go on with `piece` after `seen` bytes, if it is a zip file.
fn continues_zip_magic(seen: u64, piece: &[u8]) -> bool {
    let at = usize::try_from(seen).unwrap_or(usize::MAX);
    let expected = ZIP_MAGIC.get(at..).unwrap_or_default();
    expected
        .iter()
        .zip(piece)
        .all(|(expected, got)| expected == got)
}

/// Why a forwarded request has no object.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Missing(Missing),
    Failed(Fault),
}

/// The body of an upstream's error, of which the words are kept.
#[derive(Debug)]
pub(crate) struct Explaining {
    ask: Ask,
    upstream: Rc<Upstream>,
    trouble: Trouble,
    head: AnswerHead,
    lifetime: Lifetime,
    words: Vec<u8>,
}

impl Explaining {
    fn begin(
        ask: Ask,
        upstream: &Rc<Upstream>,
        trouble: Trouble,
        answer: ForwardedHead,
    ) -> (Option<Exchange>, HeadStep) {
        let alone = ask.source.chain.len() == 1;
        let lifetime = match trouble {
            // Of a longer chain only one upstream was asked.
            Trouble::Missing(_) if alone => Lifetime::of_missing(&ask.source.freshness)
                .unless_forbidden(answer.head.cache_control),
            Trouble::Missing(_) | Trouble::Failed(_) => Lifetime::NONE,
        };
        let (status, fields) = match trouble {
            Trouble::Missing(missing) => (
                reply::status_of_missing(missing),
                reply::missing_fields(lifetime),
            ),
            Trouble::Failed(fault) => {
                let mut failure = Failure::new(fault, &upstream.name, String::new());
                failure.retry_after = answer.head.retry_after.clone();
                (reply::status_of(fault), reply::failure_fields(&failure))
            }
        };
        let explaining = Self {
            ask,
            upstream: upstream.clone(),
            trouble,
            head: answer.head,
            lifetime,
            words: Vec::new(),
        };
        if answer.end_of_stream {
            let body = reply::Body::Text(explaining.text());
            return (
                None,
                HeadStep::Replace(Reply {
                    status,
                    fields,
                    body,
                }),
            );
        }
        (
            Some(Exchange::Explaining(explaining)),
            HeadStep::Send { status, fields },
        )
    }

    fn on_body(
        mut self,
        piece: Piece<'_>,
        now: Timestamp,
    ) -> (Option<Exchange>, BodyStep, Option<Keep>) {
        let words = piece
            .bytes
            .get(..self.room().min(piece.bytes.len()))
            .unwrap_or_default();
        self.words.extend_from_slice(words);
        if !piece.end_of_stream {
            return (
                Some(Exchange::Explaining(self)),
                BodyStep::Replace(Vec::new()),
                None,
            );
        }
        let text = self.text().into_bytes();
        (None, BodyStep::Replace(text), self.keep(now))
    }

    fn room(&self) -> usize {
        MAX_UPSTREAM_BYTES.saturating_sub(self.words.len())
    }

    fn text(&self) -> String {
        let words = upstream_words(&self.head, &self.words);
        let (error, own) = match self.trouble {
            Trouble::Missing(missing) => (missing.error_type(), String::new()),
            Trouble::Failed(fault) => (fault.error_type(), fault.describe()),
        };
        let words = if words.trim().is_empty() { own } else { words };
        error_text(
            &words,
            error,
            Some(&self.upstream.name),
            &self.ask.request_id,
        )
    }

    fn keep(self, now: Timestamp) -> Option<Keep> {
        let Trouble::Missing(missing) = self.trouble else {
            return None;
        };
        let words = upstream_words(&self.head, &self.words);
        let status = reply::status_of_missing(missing);
        keep(
            self.ask.key,
            status,
            ContentType::Text,
            &self.upstream.name,
            words.as_bytes(),
            self.lifetime,
            now,
        )
    }
}

fn keep(
    key: Key,
    status: u16,
    content_type: ContentType,
    upstream: &str,
    body: &[u8],
    lifetime: Lifetime,
    now: Timestamp,
) -> Option<Keep> {
    if !lifetime.is_storable() {
        return None;
    }
    let fresh_until = now.after(lifetime.fresh);
    let head = EntryHead {
        status,
        content_type,
        stored_at: now,
        fresh_until,
        stale_until: fresh_until,
    };
    // What does not fit the stored form is passed on without being kept.
    let entry = Rc::new(Entry::new(head, key.as_str(), upstream, body).ok()?);
    Some(Keep { key, entry })
}

/// The id under which a client's request is told about, `-` without one.
pub(crate) fn request_id(value: Option<&[u8]>) -> Rc<str> {
    text::request_id(value).into()
}
