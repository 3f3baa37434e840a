//! The values of labels that are sets of words, and what belongs to which.

use crate::callout::CalloutOutcome;
use crate::goproxy::Endpoint;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointLabel {
    /// `@v/list`
    List,
    /// `@latest`
    Latest,
    /// `.info` of a version.
    Info,
    /// `.info` of a branch, a commit and the like.
    Query,
    /// `.mod`
    Mod,
    /// `.zip`
    Zip,
    /// All of the checksum databases.
    Sumdb,
    /// A page of the gateway's own.
    Page,
    /// No object, and no page.
    Other,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultLabel {
    /// A cache had it, and fresh; or the gateway itself.
    Hit,
    /// A cache had it, and old.
    Stale,
    /// An upstream gave it.
    Miss,
    /// 404 and 410.
    NotFound,
    /// 401, 403, 429 and 451.
    Denied,
    /// Any other 4xx: no `go` command asks so.
    BadRequest,
    /// The client was sent elsewhere.
    Redirect,
    /// 5xx, and answers that broke off or were not what was asked for.
    Error,
    /// The client left first.
    Gone,
}

/// What an upstream answered, or why it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeClass {
    /// 2xx
    C2xx,
    /// 3xx
    C3xx,
    /// 4xx
    C4xx,
    /// 5xx, and what is no status.
    C5xx,
    /// No answer in time.
    Timeout,
    /// No connection, or one that broke off.
    Connection,
}

impl EndpointLabel {
    /// The values, each at its label's place.
    pub(super) const ALL: [&'static str; 9] = [
        "list", "latest", "info", "query", "mod", "zip", "sumdb", "page", "other",
    ];
}

impl From<Endpoint> for EndpointLabel {
    fn from(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::List => Self::List,
            Endpoint::Latest => Self::Latest,
            Endpoint::Info => Self::Info,
            Endpoint::Query => Self::Query,
            Endpoint::Mod => Self::Mod,
            Endpoint::Zip => Self::Zip,
            Endpoint::SumSupported
            | Endpoint::SumLookup
            | Endpoint::SumTile(_)
            | Endpoint::SumLatest => Self::Sumdb,
        }
    }
}

impl ResultLabel {
    /// The values, each at its label's place.
    pub(super) const ALL: [&'static str; 9] = [
        "hit",
        "stale",
        "miss",
        "not_found",
        "denied",
        "bad_request",
        "redirect",
        "error",
        "gone",
    ];

    /// What the status of an answer of the gateway's own says. A success is a hit, since no upstream gave it.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 | 304 => Self::Hit,
            300..=399 => Self::Redirect,
            404 | 410 => Self::NotFound,
            401 | 403 | 429 | 451 => Self::Denied,
            400..=499 => Self::BadRequest,
            _ => Self::Error,
        }
    }

    /// Whether a cache answered.
    pub(super) const fn is_hit(self) -> bool {
        matches!(self, Self::Hit | Self::Stale)
    }
}

impl CodeClass {
    /// The values, each at its label's place.
    pub(super) const ALL: [&'static str; 6] = ["2xx", "3xx", "4xx", "5xx", "timeout", "connection"];

    /// What a status says.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::C2xx,
            300..=399 => Self::C3xx,
            400..=499 => Self::C4xx,
            _ => Self::C5xx,
        }
    }

    /// What became of a callout; `None`: the host never sent it.
    pub const fn of(outcome: &CalloutOutcome) -> Option<Self> {
        match outcome {
            CalloutOutcome::Answer(answer) => Some(Self::of_status(answer.status)),
            CalloutOutcome::Timeout => Some(Self::Timeout),
            CalloutOutcome::Unreachable | CalloutOutcome::Reset => Some(Self::Connection),
            // There is nobody to connect to: to who looks for why an upstream gives nothing, it is that.
            CalloutOutcome::UnknownTarget => Some(Self::Connection),
            CalloutOutcome::NotSent => None,
        }
    }
}
