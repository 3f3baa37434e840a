//! What went wrong, by name.

/// What went wrong, by the names that events and error texts share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// The request is not one that a `go` command sends.
    BadRequest,
    /// 404.
    NotFound,
    /// 410.
    Gone,
    /// 403 or 451.
    PolicyDenied,
    /// Any other 4xx, 401 and 429 among them.
    Upstream4xx,
    /// 5xx, or an answer that is neither success nor error.
    Upstream5xx,
    /// No answer in time.
    Timeout,
    /// Refused or reset, or no such target.
    Connection,
    /// The answer ended early.
    Truncated,
    /// A 200 whose body is not what was asked for.
    InvalidBody,
    /// Too much at once.
    Overload,
    /// A fault of the gateway itself.
    Internal,
}

impl ErrorType {
    /// All there are, in their order.
    pub const ALL: [Self; 12] = [
        Self::BadRequest,
        Self::NotFound,
        Self::Gone,
        Self::PolicyDenied,
        Self::Upstream4xx,
        Self::Upstream5xx,
        Self::Timeout,
        Self::Connection,
        Self::Truncated,
        Self::InvalidBody,
        Self::Overload,
        Self::Internal,
    ];

    /// The name in events and texts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::Gone => "gone",
            Self::PolicyDenied => "policy_denied",
            Self::Upstream4xx => "upstream_4xx",
            Self::Upstream5xx => "upstream_5xx",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Truncated => "truncated",
            Self::InvalidBody => "invalid_body",
            Self::Overload => "overload",
            Self::Internal => "internal",
        }
    }
}
