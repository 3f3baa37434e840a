//! Contexts of a VM: root contexts, which stand for a configuration, and streams, which stand for a client's request.

use std::collections::BTreeMap;
use std::fmt;

use crate::tally::Tally;
use crate::wire::{self, Field};

pub(crate) enum Context {
    Root(Root),
    Stream(Box<Stream>),
}

/// A root context.
pub(crate) struct Root {
    pub(crate) configuration: Vec<u8>,
    /// Nanoseconds.
    pub(crate) tick_period: Option<u64>,
    /// When the next tick is due, on the monotonic clock.
    pub(crate) next_tick: u64,
    /// The answer that a callback tells of just now.
    pub(crate) call_response: Option<CallResponse>,
    /// A newer configuration is at work; this one ends with its last stream.
    pub(crate) draining: bool,
}

/// The answer to a callout. After a reset there is no header map.
pub(crate) struct CallResponse {
    pub(crate) fields: Option<Vec<Field>>,
    pub(crate) body: Vec<u8>,
}

/// How far the request of a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `proxy_on_request_headers` is under way or to come.
    InHeaders,
    /// The filter has stopped it.
    Paused,
    /// It has gone on. Its headers are no longer there.
    GoneOn,
}

/// How far the response of a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    None,
    /// The response callbacks have begun, no byte has left.
    InHeaders,
    HeadSent,
}

/// How a stream ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Complete,
    /// The host broke it off.
    Reset,
    /// The client left.
    Gone,
}

/// A client's request.
pub(crate) struct Stream {
    /// The test's number of it.
    pub(crate) number: u64,
    pub(crate) root: u32,
    pub(crate) is_head: bool,
    /// As it came.
    pub(crate) path: String,
    pub(crate) request: Request,
    /// As the filter has left it.
    pub(crate) request_fields: Vec<Field>,
    pub(crate) request_body: Option<Vec<u8>>,
    /// The cluster of the route, chosen before; `None` inside means the route that is not ours.
    pub(crate) route: Option<Route>,
    pub(crate) response: Response,
    pub(crate) response_fields: Vec<Field>,
    /// Whether the response's map can be read and changed now.
    pub(crate) response_open: bool,
    pub(crate) response_body: Option<Vec<u8>>,
    pub(crate) details: String,
    pub(crate) forwarded: Option<Forwarded>,
    pub(crate) answers: u32,
    pub(crate) status: u16,
    pub(crate) sent_fields: Vec<Field>,
    pub(crate) sent_body: Vec<u8>,
    pub(crate) end: End,
    /// The access log is being written: headers are there for once.
    pub(crate) logging: bool,
    /// The plugin has been told of its deletion; the host deletes it with the end of the event loop's round.
    pub(crate) destroyed: bool,
    pub(crate) filter_state: BTreeMap<String, Vec<u8>>,
    pub(crate) tally: Tally,
}

/// What the host's route table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `cluster_header`.
    Cluster(String),
    /// The request is none of the gateway's.
    NotOurs,
    /// No route matches at all.
    None,
}

/// A request that the host sends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// To which cluster.
    pub cluster: String,
    /// The value of `:path`.
    pub path: String,
    /// All of its header.
    pub fields: Vec<Field>,
}

/// What has become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The filter keeps it.
    Waiting,
    /// The host has sent it on, and its client has no whole answer yet.
    Forwarded(Forwarded),
    /// The client has an answer.
    Replied(Reply),
    /// The host broke it off, after so many bytes of body.
    Reset(usize),
    /// The client left.
    Gone,
}

/// An answer, as its client sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header.
    pub fields: Vec<Field>,
    /// The body.
    pub body: Vec<u8>,
    /// Who made the answer: Envoy's response code details, empty for an answer of the filter's.
    pub details: String,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (name, value) in &self.fields {
            write!(f, ", {name}: {:?}", String::from_utf8_lossy(value))?;
        }
        let shown = &self.body[..self.body.len().min(700)];
        write!(
            f,
            ", {} B: {:?}",
            self.body.len(),
            String::from_utf8_lossy(shown)
        )
    }
}

impl Reply {
    /// The first value of a field, where it is text.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        wire::text(&self.fields, name)
    }

    /// The body, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The field by which the filter chooses a cluster (`cluster_header`).
const UPSTREAM: &str = "x-goproxy-upstream";

impl Stream {
    pub(crate) fn new(number: u64, root: u32, fields: Vec<Field>) -> Self {
        let is_head = wire::value(&fields, ":method") == Some(b"HEAD");
        let path = wire::value(&fields, ":path").unwrap_or_default();
        let path = String::from_utf8_lossy(path).into_owned();
        let route = Some(Route::of(&fields));
        Self {
            number,
            root,
            is_head,
            path,
            request: Request::InHeaders,
            request_fields: fields,
            request_body: None,
            route,
            response: Response::None,
            response_fields: Vec::new(),
            response_open: false,
            response_body: None,
            details: String::new(),
            forwarded: None,
            answers: 0,
            status: 0,
            sent_fields: Vec::new(),
            sent_body: Vec::new(),
            end: End::Open,
            logging: false,
            destroyed: false,
            filter_state: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// The request's fields, as long as the filter may see them: until it lets the request go on, and for the access log.
    pub(crate) fn visible_request(&mut self) -> Option<&mut Vec<Field>> {
        let visible = self.logging || (self.request != Request::GoneOn && !self.destroyed);
        visible.then_some(&mut self.request_fields)
    }

    /// The response's fields, as long as the filter may see them.
    pub(crate) fn visible_response(&mut self) -> Option<&mut Vec<Field>> {
        if self.logging {
            return (self.status != 0).then_some(&mut self.sent_fields);
        }
        let visible = self.response_open && !self.destroyed;
        visible.then_some(&mut self.response_fields)
    }

    pub(crate) fn take_route(&mut self) -> Route {
        let fields = &self.request_fields;
        self.route.take().unwrap_or_else(|| Route::of(fields))
    }

    pub(crate) fn fate(&self) -> Fate {
        match self.end {
            End::Gone => Fate::Gone,
            End::Reset => Fate::Reset(self.sent_body.len()),
            End::Complete => Fate::Replied(Reply {
                status: self.status,
                fields: self.sent_fields.clone(),
                body: self.sent_body.clone(),
                details: self.details.clone(),
            }),
            End::Open => match &self.forwarded {
                Some(forwarded) => Fate::Forwarded(forwarded.clone()),
                None => Fate::Waiting,
            },
        }
    }
}

impl Route {
    /// The shipped route table: a request that names its cluster goes there, any other is none of the gateway's; and
    /// without `x-forwarded-proto`, which Envoy itself sets on every request, no route matches (measured).
    fn of(fields: &[Field]) -> Self {
        if wire::value(fields, "x-forwarded-proto").is_none() {
            return Self::None;
        }
        match wire::text(fields, UPSTREAM) {
            Some(cluster) => Self::Cluster(cluster.to_owned()),
            None => Self::NotOurs,
        }
    }
}
