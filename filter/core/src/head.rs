//! The head of a client's request, as the host gives it.

/// A request's head.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// All fields, pseudo headers first; names in lower case, values any bytes.
    pub fields: &'a [(&'a [u8], &'a [u8])],
    /// No body follows.
    pub end_of_stream: bool,
}

/// The fields of a request that count, found in one pass. Of a repeated field the first one counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Relevant<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) authority: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) if_none_match: Option<&'a [u8]>,
    pub(crate) request_id: Option<&'a [u8]>,
    pub(crate) traceparent: Option<&'a [u8]>,
    user_agent: &'a [u8],
    scheme: &'a [u8],
    /// `Disable-Module-Fetch: true`, as goproxy/goproxy has it.
    pub(crate) fetch_disabled: bool,
}

impl<'a> Relevant<'a> {
    pub(crate) fn of(head: &RequestHead<'a>) -> Self {
        let mut found = Self::default();
        for (name, value) in head.fields.iter().rev() {
            match *name {
                b":method" => found.method = value,
                b":authority" => found.authority = value,
                b":path" => found.path = value,
                b"if-none-match" => found.if_none_match = Some(value),
                b"x-request-id" => found.request_id = Some(value),
                b"user-agent" => found.user_agent = value,
                // What the client spoke; `:scheme` may be what the host speaks to upstreams.
                b"x-forwarded-proto" => found.scheme = value,
                b"traceparent" => found.traceparent = Some(value),
                b"disable-module-fetch" => {
                    found.fetch_disabled = value.eq_ignore_ascii_case(b"true")
                }
                _ => {}
            }
        }
        found
    }

    /// Whether this is certainly no second request for one 4xx: `go` makes one over https, with the `User-Agent` of Go's own
    /// HTTP client (cmd/go/internal/web, `get` and `readErrorDetail`).
    pub(crate) fn asks_first(&self) -> bool {
        self.scheme == b"http" || self.user_agent.starts_with(b"GoCommand/")
    }
}
