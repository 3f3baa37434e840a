//! What happened, in the core's terms, with every text as a record may hold it.

use super::id::Identity;
use super::plain::plain;
use super::words::{url, words};
use crate::error::ErrorType;
use crate::time::Timestamp;

/// Longer texts are cut when an event is made, since many events may wait to be told. A record cuts further where all
/// of them together are too long.
const MAX_NAME: usize = 300;
const MAX_VERSION: usize = 160;
const MAX_URL: usize = 500;
const MAX_MESSAGE: usize = 500;
const MAX_WORD: usize = 96;

/// One download that failed, or one that did not and is audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub(super) at: Timestamp,
    pub(super) identity: Identity,
    pub(super) module: Box<str>,
    pub(super) version: Box<str>,
    pub(super) kind: Kind,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Failure(Box<Failed>),
    /// Who downloaded it; empty for somebody unknown.
    Download(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) url: String,
    pub(super) code: Code,
    pub(super) error: ErrorType,
    pub(super) message: String,
    pub(super) retry_count: u32,
    pub(super) upstream: String,
    pub(super) request_id: String,
    pub(super) duration_ms: u64,
}

/// A download that failed, as whoever answered the client knows it. No text needs to be clean.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// What was asked for.
    pub kind: Kind,
    /// The module's path as people write it; of a tile, the checksum database's name.
    pub module: &'a str,
    /// The version or query as people write it, empty where there is none.
    pub version: &'a str,
    /// Where the last upstream was asked for it. User and query are removed.
    pub url: &'a str,
    /// The status, or what was there in place of one.
    pub code: Code,
    /// What went wrong.
    pub error: ErrorType,
    /// The upstream's words, or our own. What looks like a secret is removed.
    pub message: &'a str,
    /// Requests sent upstream for this download, less one.
    pub retry_count: u32,
    /// The upstream's name, empty where none was asked.
    pub upstream: &'a str,
    /// The request's id, as the client was told it.
    pub request_id: &'a str,
    /// From the request's head to the failure, in milliseconds.
    pub duration_ms: u64,
}

/// `error.code`: a status, or what was there in place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// This status.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// No connection.
    Connection,
    /// The answer broke off.
    Truncated,
    /// A 200 whose body is not what was asked for.
    InvalidBody,
    /// The gateway's own rules.
    Policy,
    /// The client left before its answer was whole; told as `connection`.
    ClientGone,
}

/// `module.kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `@v/list`
    List,
    /// `@latest`
    Latest,
    /// `.info` of a canonical version.
    Info,
    /// `.info` of anything else.
    Query,
    /// `.mod`
    Mod,
    /// `.zip`
    Zip,
    /// Whether a checksum database is proxied; told as `sumdb`, as all that follow.
    SumSupported,
    /// A record of a checksum database.
    SumLookup,
    /// A tile of one.
    SumTile,
    /// The newest tree of one.
    SumLatest,
}

// === impl Event ===

impl Event {
    /// A download that failed. `instance` is the pod's UID, or whatever else tells this gateway from another.
    pub fn failure(failure: &Failure<'_>, instance: &str, at: Timestamp) -> Self {
        let kind = failure.kind;
        let mut code = String::new();
        failure.code.write_to(&mut code);
        let parts = [
            instance,
            failure.module,
            failure.version,
            kind.as_str(),
            &code,
        ];
        let failed = Failed {
            url: url(failure.url, MAX_URL),
            code: failure.code,
            error: failure.error,
            message: words(failure.message, MAX_MESSAGE),
            retry_count: failure.retry_count,
            upstream: plain(failure.upstream, MAX_WORD),
            request_id: plain(failure.request_id, MAX_WORD),
            duration_ms: failure.duration_ms,
        };
        Self {
            at,
            identity: Identity::of(&parts),
            module: plain(failure.module, MAX_NAME).into(),
            version: plain(failure.version, MAX_VERSION).into(),
            kind,
            what: What::Failure(Box::new(failed)),
        }
    }

    /// A download that did not fail, and by whom.
    pub fn download(
        kind: Kind,
        module: &str,
        version: &str,
        by: &str,
        instance: &str,
        at: Timestamp,
    ) -> Self {
        Self {
            at,
            identity: Identity::of(&[instance, module, version, kind.as_str(), "download", by]),
            module: plain(module, MAX_NAME).into(),
            version: plain(version, MAX_VERSION).into(),
            kind,
            what: What::Download(plain(by, MAX_WORD).into()),
        }
    }

    /// Whether it is of a download that failed.
    pub(super) const fn is_failure(&self) -> bool {
        matches!(self.what, What::Failure(_))
    }

    /// What is the same of all that are folded into one record.
    pub const fn identity(&self) -> Identity {
        self.identity
    }
}

// === impl Code ===

impl Code {
    /// What `go` asks a second time for over https.
    pub(super) const fn is_asked_twice(self) -> bool {
        matches!(self, Self::Status(400..=499) | Self::Policy)
    }

    pub(super) fn write_to(self, text: &mut String) {
        text.push_str(match self {
            Self::Status(status) => return super::date::digits(text, status.into(), 3),
            Self::Timeout => "timeout",
            Self::Connection | Self::ClientGone => "connection",
            Self::Truncated => "truncated",
            Self::InvalidBody => "invalid_body",
            Self::Policy => "policy",
        });
    }
}

// === impl Kind ===

impl Kind {
    /// The name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Latest => "latest",
            Self::Info => "info",
            Self::Query => "query",
            Self::Mod => "mod",
            Self::Zip => "zip",
            Self::SumSupported | Self::SumLookup | Self::SumTile | Self::SumLatest => "sumdb",
        }
    }
}
