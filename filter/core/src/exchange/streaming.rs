//! An archive, or a `.mod` too large for a callout, on its way from the upstream through the host to the client.

use std::rc::Rc;

use super::copying::Copy;
use super::disk::Through;
use super::{
    After, Ask, BodyStep, End, Exchange, ForwardedHead, HeadStep, Keep, Piece, Settings, keep,
};
use crate::cache::{Answered, ContentType, Lifetime};
use crate::goproxy::{Endpoint, body};
use crate::metrics::ResultLabel;
use crate::reply;
use crate::time::Timestamp;
use crate::told::{Over, Told};
use crate::verdict::{Failure, Fault};

/// An archive that `go` would accept: from an empty zip file to `MaxZipFile` of golang.org/x/mod/zip.
const ARCHIVE_BYTES: std::ops::RangeInclusive<u64> = 22..=(500 << 20);
/// `MaxGoMod` of golang.org/x/mod/zip.
const MOD_BYTES: std::ops::RangeInclusive<u64> = 1..=(16 << 20);
/// The first bytes of every zip file.
const ZIP_MAGIC: &[u8; 2] = b"PK";

/// A body on its way to the client.
#[derive(Debug)]
pub(crate) struct Streaming {
    ask: Ask,
    upstream: Rc<str>,
    /// Whence it comes, if all of it comes.
    result: ResultLabel,
    lifetime: Lifetime,
    /// What was copied so far, unless there is nothing to keep.
    copy: Option<Copy>,
    max_object: usize,
    expected: Option<u64>,
    seen: u64,
}

impl Streaming {
    pub(super) fn begin(
        ask: Ask,
        upstream: &Rc<str>,
        answer: &ForwardedHead,
        settings: Settings<'_>,
    ) -> After<HeadStep> {
        if let Some(words) = invalid_head(&ask, answer) {
            let failure = Failure::new(Fault::InvalidBody, upstream, words);
            let reply = reply::failure(&failure, &ask.request_id);
            return After::replaced(ask, reply);
        }
        let result = if answer.through == Through::Hit {
            ResultLabel::Hit
        } else {
            ResultLabel::Miss
        };
        let lifetime = Lifetime::of_found(&ask.source.freshness, ask.request.class())
            .unless_forbidden(answer.head.cache_control);
        let expected = answer.head.content_length;
        let content_type = crate::flight::content_type(ask.request.endpoint()).as_str();
        let fields = reply::forwarded(lifetime, content_type, expected, answer.through);
        let send = HeadStep::Send {
            status: 200,
            fields,
        };
        if answer.end_of_stream || ask.asker.is_head {
            return After::over(ask, Told::Served(result), send);
        }
        let max_object = settings.max_object;
        let fits = expected
            .is_none_or(|bytes| usize::try_from(bytes).is_ok_and(|bytes| bytes <= max_object));
        // A `.mod` comes this way only because it is too large for a callout.
        let is_kept = ask.request.endpoint() == Endpoint::Zip && !ask.request.is_toolchain();
        let worth_it = fits && is_kept && lifetime.is_storable();
        let copy = worth_it.then(|| Copy::start(settings.copies));
        let upstream = upstream.clone();
        let streaming = Self {
            ask,
            upstream,
            result,
            lifetime,
            copy,
            max_object,
            expected,
            seen: 0,
        };
        After::goes_on(Exchange::Streaming(streaming), send)
    }

    pub(super) const fn ask(&self) -> &Ask {
        &self.ask
    }

    /// How many bytes of the next piece are looked at.
    pub(super) fn wants(&self) -> usize {
        match (&self.copy, self.is_zip()) {
            (Some(_), _) => usize::MAX,
            (None, true) => ZIP_MAGIC
                .len()
                .saturating_sub(usize::try_from(self.seen).unwrap_or(usize::MAX)),
            (None, false) => 0,
        }
    }

    pub(super) fn on_body(mut self, piece: Piece<'_>, now: Timestamp) -> After<BodyStep> {
        if self.is_zip() && !continues_zip_magic(self.seen, piece.bytes) {
            return self.reset(Fault::InvalidBody);
        }
        self.seen = self
            .seen
            .saturating_add(u64::try_from(piece.size).unwrap_or(u64::MAX));
        self.copy = self
            .copy
            .and_then(|copy| copy.with(piece.bytes, self.max_object));
        if !piece.end_of_stream {
            return After::goes_on(Exchange::Streaming(self), BodyStep::Pass);
        }
        if self.is_short() {
            return self.reset(Fault::Reset);
        }
        let keep = self.keep(now);
        After {
            keep,
            ..After::over(self.ask, Told::Served(self.result), BodyStep::Pass)
        }
    }

    /// The stream ends before its body does.
    pub(super) fn end(self, end: End) -> Option<Over> {
        let told = if end == End::Broke {
            Told::broken(Fault::Reset, &self.upstream)
        } else {
            Told::gone()
        };
        self.ask.over(told)
    }

    fn reset(self, fault: Fault) -> After<BodyStep> {
        let told = Told::broken(fault, &self.upstream);
        After::over(self.ask, told, BodyStep::Reset)
    }

    fn is_zip(&self) -> bool {
        self.ask.request.endpoint() == Endpoint::Zip
    }

    fn is_short(&self) -> bool {
        let least = if self.is_zip() {
            u64::try_from(ZIP_MAGIC.len()).unwrap_or_default()
        } else {
            0
        };
        self.seen < least || self.expected.is_some_and(|bytes| bytes != self.seen)
    }

    fn keep(&self, now: Timestamp) -> Option<Keep> {
        let copy = self.copy.as_ref()?.bytes();
        let length = u64::try_from(copy.len()).unwrap_or(u64::MAX);
        if !ARCHIVE_BYTES.contains(&length) || body::zip(copy).is_err() {
            return None;
        }
        // Where nobody said how long it is, the end of the connection may have been the end of the upstream.
        if self.expected.is_none() && !ends_like_zip(copy) {
            return None;
        }
        let answer = Answered {
            status: 200,
            content_type: ContentType::Zip,
            upstream: &self.upstream,
            body: copy,
        };
        keep(&self.ask.key, answer, self.lifetime, now)
    }
}

/// Whether the end-of-central-directory record stands where it must (APPNOTE.TXT, section 4.3.16): 22 bytes and its comment
/// before the end.
fn ends_like_zip(archive: &[u8]) -> bool {
    const RECORD: usize = 22;
    const LONGEST: usize = RECORD + 0xffff;
    let start = archive.len().saturating_sub(LONGEST);
    let tail = archive.get(start..).unwrap_or_default();
    tail.windows(RECORD).enumerate().any(|(at, record)| {
        let [b'P', b'K', 5, 6, .., low, high] = record else {
            return false;
        };
        let comment = usize::from(u16::from_le_bytes([*low, *high]));
        at.saturating_add(RECORD).saturating_add(comment) == tail.len()
    })
}

/// Why a 200 cannot be what was asked for, judged before the client sees a byte.
pub(super) fn invalid_head(ask: &Ask, answer: &ForwardedHead) -> Option<String> {
    let refused = match ask.request.endpoint() {
        Endpoint::Zip => answer.head.is_page(),
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
        None if answer.end_of_stream && !ask.asker.is_head => {
            Some("the upstream's answer is empty".to_owned())
        }
        _ => None,
    }
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
