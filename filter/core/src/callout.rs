//! Requests that the host sends for the filter (HTTP callouts), and what became of them.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// Names a callout; never used twice by one [`Gateway`](crate::Gateway).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CalloutId(pub u32);

/// A request that the host must send.
#[derive(Clone, PartialEq, Eq)]
pub struct Callout {
    /// By which its outcome is told.
    pub id: CalloutId,
    /// What the host knows the upstream by: on Envoy a cluster.
    pub target: Rc<str>,
    /// The value of `:method`.
    pub method: Method,
    /// The value of `:authority`.
    pub authority: Rc<str>,
    /// The value of `:path`.
    pub path: String,
    /// Headers beside the pseudo headers.
    pub headers: Vec<(&'static str, Rc<str>)>,
    /// The body, where there is one.
    pub body: Option<Rc<[u8]>>,
    /// To the end of the answer; never zero.
    pub timeout: Duration,
    /// A body above this many bytes need not be copied: [`AnswerBody::TooLarge`].
    pub body_limit: usize,
}

impl fmt::Debug for Callout {
    /// Of the headers the names only, since one may be a credential, and the body by its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Callout")
            .field("id", &self.id)
            .field("target", &self.target)
            .field("method", &self.method)
            .field("authority", &self.authority)
            .field("path", &self.path)
            .field("headers", &names)
            .field("body", &self.body.as_ref().map(|body| body.len()))
            .field("timeout", &self.timeout)
            .field("body_limit", &self.body_limit)
            .finish()
    }
}

/// The methods of callouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// For an object.
    Get,
    /// Whether an archive is there.
    Head,
    /// A value for Redis, through webdis.
    Put,
    /// A command for Redis, through a REST gateway.
    Post,
}

impl Method {
    /// The value of `:method`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
        }
    }
}

/// What became of a callout.
#[derive(Debug, PartialEq, Eq)]
pub enum CalloutOutcome {
    /// The upstream answered.
    Answer(Answer),
    /// No connection, or none that lived until the head of an answer.
    Unreachable,
    /// The host did not send it: too many wait already, or it knows no address of the target.
    NotSent,
    /// The answer broke off.
    Reset,
    /// No whole answer in time.
    Timeout,
    /// The host has no such target: a mistake in its configuration.
    UnknownTarget,
}

/// An upstream's answer to a callout.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// What counts of its head.
    pub head: AnswerHead,
    /// Its body.
    pub body: AnswerBody,
}

/// An answer's body, unless it is too large to be copied.
#[derive(Debug, PartialEq, Eq)]
pub enum AnswerBody {
    /// All of it.
    Whole(Vec<u8>),
    /// It is larger than [`Callout::body_limit`].
    TooLarge,
}

impl Default for AnswerBody {
    fn default() -> Self {
        Self::Whole(Vec::new())
    }
}

/// What counts of the head of an upstream's answer, to a callout or to a forwarded request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerHead {
    /// `content-type`, as it came.
    pub content_type: Option<Vec<u8>>,
    /// `content-length`, where it is a number.
    pub content_length: Option<u64>,
    /// Whether `content-encoding` names anything but `identity`: it was not asked for.
    pub encoded: bool,
    /// `retry-after`, where it is printable and short.
    pub retry_after: Option<Rc<str>>,
    /// `location`, where it is a printable reference of sane length.
    pub location: Option<Rc<str>>,
    /// `cache-control`.
    pub cache_control: crate::cache::UpstreamCacheControl,
}

impl AnswerHead {
    /// Reads the fields that count; header names are in lower case, as the host gives them.
    pub fn read<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut head = Self::default();
        for (name, value) in fields {
            match name {
                b"content-type" => head.content_type = Some(value.to_vec()),
                b"content-length" => head.content_length = number(value),
                b"content-encoding" => {
                    head.encoded |= !value.trim_ascii().eq_ignore_ascii_case(b"identity")
                }
                b"retry-after" => head.retry_after = printable(value, 64),
                b"location" => {
                    head.location = printable(value, 4096).filter(|text| !text.contains(' '))
                }
                b"cache-control" => head.cache_control = head.cache_control.and(value),
                _ => {}
            }
        }
        head
    }

    /// Whether it is a page for people or a program, and so no archive.
    pub(crate) fn is_page(&self) -> bool {
        self.is_type(&["text/", "application/json", "application/xhtml+xml"])
    }

    /// Whether the content type is one of those given, or of a `type/*` given as `type/`.
    pub fn is_type(&self, types: &[&str]) -> bool {
        let Some(value) = &self.content_type else {
            return false;
        };
        let essence = value
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        types.iter().any(|wanted| match wanted.strip_suffix('/') {
            Some(_) => essence
                .get(..wanted.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(wanted.as_bytes())),
            None => essence.eq_ignore_ascii_case(wanted.as_bytes()),
        })
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// A value that may be handed on: at most `max` bytes of printable ASCII.
fn printable(value: &[u8], max: usize) -> Option<Rc<str>> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let fits = !text.is_empty()
        && text.len() <= max
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    fits.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn head(fields: &[(&str, &str)]) -> AnswerHead {
        AnswerHead::read(
            fields
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        )
    }

    #[test]
    fn no_credential_of_a_callout_shows() {
        let callout = Callout {
            id: CalloutId(1),
            target: "redis".into(),
            method: Method::Post,
            authority: "redis".into(),
            path: "/".into(),
            headers: vec![("authorization", "Bearer s3cret".into())],
            body: Some(Rc::from(&b"s3cret"[..])),
            timeout: Duration::from_secs(1),
            body_limit: 1,
        };
        let shown = format!("{callout:?}");
        assert!(
            shown.contains("authorization") && !shown.contains("s3cret"),
            "{shown}"
        );
    }

    #[test]
    fn a_content_type_is_told_without_its_parameters() {
        let html = head(&[("content-type", "Text/HTML; charset=utf-8")]);
        assert!(
            html.is_type(&["text/"])
                && html.is_type(&["text/html"])
                && !html.is_type(&["application/json"])
        );
        assert!(!head(&[]).is_type(&["text/"]));
    }

    #[test]
    fn a_retry_after_that_cannot_be_handed_on_is_dropped() {
        assert_eq!(
            head(&[("retry-after", "5")]).retry_after.as_deref(),
            Some("5")
        );
        for bad in ["", "\u{e9}", "5\r\nx: y", &"9".repeat(65)] {
            assert_eq!(head(&[("retry-after", bad)]).retry_after, None, "{bad:?}");
        }
    }

    #[test]
    fn an_encoding_that_was_not_asked_for_is_seen() {
        assert!(head(&[("content-encoding", "gzip")]).encoded);
        assert!(!head(&[("content-encoding", "identity")]).encoded);
    }
}
