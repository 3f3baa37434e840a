//! What became of a client's request, as metrics and events tell it: made where the answer is made.

use std::rc::Rc;

use crate::event::Code;
use crate::exchange::Ask;
use crate::goproxy::Request;
use crate::metrics::ResultLabel;
use crate::text::ErrorType;
use crate::time::Timestamp;
use crate::upstream::Source;
use crate::verdict::{Failure, Fault, Missing};

/// What an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// What was asked for, and where it came from; or the way to it.
    Served(ResultLabel),
    /// Not what was asked for.
    Failed(Rc<Wrong>),
}

/// Why a client does not have what it asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) result: ResultLabel,
    pub(crate) code: Code,
    pub(crate) error: ErrorType,
    pub(crate) words: String,
    /// The upstream's name; `None`: none was asked.
    pub(crate) upstream: Option<Rc<str>>,
}

/// What was asked for, and by whom, as far as it is told.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) request: &'a Request,
    pub(crate) source: Option<&'a Source>,
    pub(crate) request_id: &'a str,
    pub(crate) asker: Asker,
    /// When the request came.
    pub(crate) since: Timestamp,
    /// How many requests upstreams were sent for it.
    pub(crate) asked: u32,
}

/// What a client's request says of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asker {
    /// This is certainly no second request for a 4xx.
    pub(crate) asks_first: bool,
    pub(crate) caches_only: bool,
    pub(crate) is_head: bool,
}

/// A request that is over.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) ask: Box<Ask>,
    pub(crate) told: Told,
}

// === impl Told ===

impl Told {
    /// An answer that no upstream gave.
    pub(crate) fn own(status: u16, error: ErrorType, words: &str) -> Self {
        Self::status(status, error, words.to_owned(), None)
    }

    /// An upstream says that it is not there.
    pub(crate) fn missing(missing: Missing, words: String, upstream: &str) -> Self {
        let status = crate::reply::status_of_missing(missing);
        let words = match missing {
            _ if !words.trim().is_empty() => words,
            Missing::NotFound => "Not Found".to_owned(),
            Missing::Gone => "Gone".to_owned(),
        };
        Self::status(status, missing.error_type(), words, Some(upstream.into()))
    }

    /// No upstream gave an answer that can be passed on.
    pub(crate) fn failure(failure: &Failure) -> Self {
        let fault = failure.fault;
        let code = match fault {
            Fault::Timeout => Code::Timeout,
            Fault::Reset => Code::Truncated,
            Fault::InvalidBody => Code::InvalidBody,
            Fault::Aside | Fault::Unreachable | Fault::UnknownTarget => Code::Connection,
            Fault::Forbidden
            | Fault::UnavailableForLegalReasons
            | Fault::RateLimited
            | Fault::Unauthorized
            | Fault::Status(_) => Code::Status(fault.status().unwrap_or_default()),
        };
        Self::Failed(Rc::new(Wrong {
            result: ResultLabel::of_status(crate::reply::status_of(fault)),
            code,
            error: fault.error_type(),
            words: failure.words.clone(),
            upstream: Some(failure.upstream.clone()),
        }))
    }

    /// What the host streams is not what was asked for, or not all of it.
    pub(crate) fn broken(fault: Fault, upstream: &Rc<str>) -> Self {
        Self::failure(&Failure::new(fault, upstream, String::new()))
    }

    /// The host did not wait any longer for what the client waits for.
    pub(crate) fn overtaken() -> Self {
        let words = "the gateway's host answered before there was an answer";
        Self::Failed(Rc::new(Wrong {
            result: ResultLabel::Error,
            code: Code::Timeout,
            error: ErrorType::Timeout,
            words: words.to_owned(),
            upstream: None,
        }))
    }

    /// The client left before its answer was whole.
    pub(crate) fn gone() -> Self {
        Self::Failed(Rc::new(Wrong {
            result: ResultLabel::Gone,
            code: Code::ClientGone,
            error: ErrorType::Connection,
            words: "the client left before its answer was whole".to_owned(),
            upstream: None,
        }))
    }

    pub(crate) fn result(&self) -> ResultLabel {
        match self {
            Self::Served(result) => *result,
            Self::Failed(wrong) => wrong.result,
        }
    }

    fn status(status: u16, error: ErrorType, words: String, upstream: Option<Rc<str>>) -> Self {
        Self::Failed(Rc::new(Wrong {
            result: ResultLabel::of_status(status),
            code: Code::Status(status),
            error,
            words,
            upstream,
        }))
    }
}
