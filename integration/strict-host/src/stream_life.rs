//! A stream's life as Envoy's filter manager leads it: request callbacks, answers, response callbacks, log, done, delete.

use crate::context::{Context, End, Forwarded, Request, Response, Route, Stream};
use crate::error::StrictHostError;
use crate::process::Cluster;
use crate::tally::Callback;
use crate::vm::{Deferred, Vm};
use crate::wire::{self, Field};

/// `FilterHeadersStatus::Continue`, and the same of a body.
const CONTINUE: u32 = 0;
/// Fields of the filter that the shipped routes take out before a request goes on: the route of the disk cache only the
/// first.
const OWN_FIELDS: [&str; 4] = [
    "x-goproxy-upstream",
    "x-goproxy-cache-key",
    "x-goproxy-origin",
    "x-goproxy-refresh",
];

type Done = Result<(), StrictHostError>;

/// The details of an answer that broke off.
const CUT: &str = "upstream_reset_after_response_started{remote_reset}";

/// An answer that the host makes itself.
struct HostAnswer {
    status: u16,
    body: &'static str,
    details: &'static str,
}

/// <https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/response_code_details>
const NOT_OURS: HostAnswer = HostAnswer {
    status: 404,
    body: "not a path of this gateway\n",
    details: "direct_response",
};
const NO_ROUTE: HostAnswer = HostAnswer {
    status: 404,
    body: "",
    details: "route_not_found",
};
const NO_CLUSTER: HostAnswer = HostAnswer {
    status: 503,
    body: "",
    details: "cluster_not_found",
};
const NO_HOST: HostAnswer = HostAnswer {
    status: 503,
    body: "no healthy upstream",
    details: "no_healthy_upstream",
};
const RESET: HostAnswer = HostAnswer {
    status: 503,
    body: "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
    details: "upstream_reset_before_response_started{connection_termination}",
};
const TIMEOUT: HostAnswer = HostAnswer {
    status: 504,
    body: "upstream request timeout",
    details: "response_timeout",
};
const IDLE: HostAnswer = HostAnswer {
    status: 504,
    body: "stream timeout",
    details: "stream_idle_timeout",
};

impl Vm {
    /// A request's head is here.
    pub(crate) fn request(
        &mut self,
        root: u32,
        number: u64,
        fields: Vec<Field>,
        end_of_stream: bool,
    ) -> Result<u32, StrictHostError> {
        let count = fields.len() as u32;
        let state = self.state();
        state.last_context += 1;
        let id = state.last_context;
        let stream = Stream::new(number, root, fields);
        state.contexts.insert(id, Context::Stream(Box::new(stream)));
        let create = self.exports.context_create.clone();
        self.enter(Callback::ContextCreate, id, create, (id, root))?;
        self.run_deferred()?;
        let callback = self.exports.request_headers.clone();
        let parameters = (id, count, u32::from(end_of_stream));
        let result = self.enter(Callback::RequestHeaders, id, callback, parameters)?;
        if let Some(stream) = self.state().stream(id)
            && stream.request == Request::InHeaders
        {
            stream.request = Request::Paused;
        }
        self.run_deferred()?;
        if goes_on(result) && self.is_open(id) {
            self.go_on(id)?;
        }
        Ok(id)
    }

    /// A piece of the request's body. While the request is stopped, Envoy keeps it to itself.
    pub(crate) fn request_body(&mut self, id: u32, bytes: &[u8], end_of_stream: bool) -> Done {
        let Some(stream) = self
            .open(id)
            .filter(|stream| stream.request == Request::GoneOn)
        else {
            return Ok(());
        };
        stream.request_body = Some(bytes.to_vec());
        let callback = self.exports.request_body.clone();
        let parameters = (id, bytes.len() as u32, u32::from(end_of_stream));
        self.enter(Callback::RequestBody, id, callback, parameters)?;
        if let Some(stream) = self.state().stream(id) {
            stream.request_body = None;
        }
        self.run_deferred()
    }

    /// The request goes to the router.
    fn go_on(&mut self, id: u32) -> Done {
        let Some(stream) = self.state().stream(id) else {
            return Ok(());
        };
        stream.request = Request::GoneOn;
        let cluster = match stream.take_route() {
            Route::Cluster(cluster) => cluster,
            Route::NotOurs => return self.host_answers(id, &NOT_OURS),
            Route::None => return self.host_answers(id, &NO_ROUTE),
        };
        let known = self.peek().process.borrow().cluster(&cluster);
        match known {
            Cluster::Well => {}
            Cluster::Unknown => return self.host_answers(id, &NO_CLUSTER),
            Cluster::Refusing => return self.host_answers(id, &NO_HOST),
        }
        if let Some(stream) = self.state().stream(id) {
            let mut fields = stream.request_fields.clone();
            let to_disk = wire::value(&fields, OWN_FIELDS[1]).is_some();
            let own = if to_disk {
                &OWN_FIELDS[..1]
            } else {
                &OWN_FIELDS
            };
            fields.retain(|(name, _)| !own.contains(&name.as_str()));
            let path = wire::text(&fields, ":path").unwrap_or_default().to_owned();
            stream.forwarded = Some(Forwarded {
                cluster,
                path,
                fields,
            });
        }
        Ok(())
    }

    /// What was put off until the VM returned. Each of these enters the VM again, and what is left runs at the end of
    /// that entry, nested: so the heads of several answers come first to last, and what follows them last to first (B21).
    pub(crate) fn run_deferred(&mut self) -> Done {
        while let Some(deferred) = self.state().deferred.pop_front() {
            match deferred {
                Deferred::Reply {
                    stream,
                    status,
                    fields,
                    details,
                    body,
                } => {
                    self.reply(stream, status, fields, details, body)?;
                }
                Deferred::Resume { stream } => {
                    if self.is_open(stream) {
                        self.go_on(stream)?;
                    }
                }
                Deferred::Reset { stream } => self.end(stream, End::Reset)?,
            }
        }
        Ok(())
    }

    /// An answer of the filter's. A second one is swallowed.
    fn reply(
        &mut self,
        id: u32,
        status: u16,
        fields: Vec<Field>,
        details: String,
        body: Vec<u8>,
    ) -> Done {
        let Some(stream) = self.open(id) else {
            return Ok(());
        };
        let (fields, body) = local(stream, status, fields, body);
        match stream.response {
            Response::None => {
                stream.details = details;
                self.answer(id, fields, body)
            }
            // The filters have seen a head already and the client has not: it goes out past them.
            Response::InHeaders => {
                stream.details = details;
                stream.status = status;
                stream.sent_fields = fields;
                stream.sent_body = body;
                self.end(id, End::Complete)
            }
            Response::HeadSent => self.end(id, End::Reset),
        }
    }

    fn host_answers(&mut self, id: u32, answer: &HostAnswer) -> Done {
        let Some(stream) = self.open(id) else {
            return Ok(());
        };
        stream.details = answer.details.to_owned();
        let (fields, body) = local(stream, answer.status, Vec::new(), answer.body.into());
        self.answer(id, fields, body)
    }

    /// A whole answer, through the response callbacks.
    fn answer(&mut self, id: u32, fields: Vec<Field>, body: Vec<u8>) -> Done {
        self.head(id, fields, body.is_empty())?;
        if body.is_empty() {
            Ok(())
        } else {
            self.body(id, &body, true)
        }
    }

    /// The head of an answer: the upstream's, or a local one.
    pub(crate) fn head(&mut self, id: u32, fields: Vec<Field>, end_of_stream: bool) -> Done {
        let count = fields.len() as u32;
        let Some(stream) = self.open(id) else {
            return Ok(());
        };
        stream.response = Response::InHeaders;
        stream.response_fields = fields;
        stream.response_open = true;
        let callback = self.exports.response_headers.clone();
        let parameters = (id, count, u32::from(end_of_stream));
        let result = self.enter(Callback::ResponseHeaders, id, callback, parameters)?;
        self.run_deferred()?;
        if !goes_on(result) {
            return Ok(());
        }
        let Some(stream) = self.open(id) else {
            return Ok(());
        };
        stream.response_open = false;
        stream.response = Response::HeadSent;
        stream.status = wire::text(&stream.response_fields, ":status")
            .and_then(|status| status.parse().ok())
            .unwrap_or_default();
        stream.sent_fields = std::mem::take(&mut stream.response_fields);
        if end_of_stream {
            self.end(id, End::Complete)
        } else {
            Ok(())
        }
    }

    /// A piece of the body of an answer. While the head is held back, so is the body.
    pub(crate) fn body(&mut self, id: u32, bytes: &[u8], end_of_stream: bool) -> Done {
        let Some(stream) = self
            .open(id)
            .filter(|stream| stream.response == Response::HeadSent)
        else {
            return Ok(());
        };
        // What the filter stopped before is still there.
        let buffer = stream.response_body.get_or_insert_default();
        buffer.extend_from_slice(bytes);
        let size = buffer.len() as u32;
        let callback = self.exports.response_body.clone();
        let parameters = (id, size, u32::from(end_of_stream));
        let result = self.enter(Callback::ResponseBody, id, callback, parameters)?;
        self.run_deferred()?;
        if !goes_on(result) {
            return Ok(());
        }
        let Some(stream) = self.open(id) else {
            return Ok(());
        };
        let body = stream.response_body.take().unwrap_or_default();
        stream.sent_body.extend(body);
        if end_of_stream {
            self.end(id, End::Complete)
        } else {
            Ok(())
        }
    }

    /// The trailers of an answer: its end, if no piece of the body was.
    pub(crate) fn trailers(&mut self, id: u32, count: u32) -> Done {
        let Some(stream) = self
            .open(id)
            .filter(|stream| stream.response == Response::HeadSent)
        else {
            return Ok(());
        };
        let _ = stream;
        let callback = self.exports.response_trailers.clone();
        let result = self.enter(Callback::ResponseTrailers, id, callback, (id, count))?;
        self.run_deferred()?;
        if goes_on(result) {
            self.end(id, End::Complete)
        } else {
            Ok(())
        }
    }

    /// The connection to the upstream breaks.
    pub(crate) fn upstream_reset(&mut self, id: u32) -> Done {
        self.upstream_fails(id, &RESET)
    }

    /// The upstream does not answer in time.
    pub(crate) fn upstream_timeout(&mut self, id: u32) -> Done {
        self.upstream_fails(id, &TIMEOUT)
    }

    /// Nothing has moved on the stream for too long; a request that waits in the filter is no exception (A16).
    pub(crate) fn idle_timeout(&mut self, id: u32) -> Done {
        self.upstream_fails(id, &IDLE)
    }

    fn upstream_fails(&mut self, id: u32, answer: &HostAnswer) -> Done {
        match self.open(id).map(|stream| stream.response) {
            None => Ok(()),
            Some(Response::None) => self.host_answers(id, answer),
            Some(_) => {
                if let Some(stream) = self.state().stream(id) {
                    stream.details = CUT.to_owned();
                }
                self.end(id, End::Reset)
            }
        }
    }

    /// A stream ends, however it does: access log, then the filter is destroyed. The context is still known to the host
    /// until [`Vm::delete_destroyed`], and no longer to the plugin (A13).
    pub(crate) fn end(&mut self, id: u32, end: End) -> Done {
        let Some(stream) = self.open(id) else {
            return Ok(());
        };
        stream.end = end;
        stream.response_open = false;
        stream.response_body = None;
        stream.logging = true;
        let log = self.exports.log.clone();
        self.enter(Callback::Log, id, log, id)?;
        if let Some(stream) = self.state().stream(id) {
            stream.logging = false;
        }
        self.run_deferred()?;
        let done = self.exports.done.clone();
        self.enter(Callback::Done, id, done, id)?;
        self.run_deferred()?;
        let delete = self.exports.delete.clone();
        self.enter(Callback::Delete, id, delete, id)?;
        let state = self.state();
        if let Some(stream) = state.stream(id) {
            stream.destroyed = true;
        }
        state.destroyed.push(id);
        self.run_deferred()
    }

    /// The end of the event loop's round: what was destroyed in it is deleted.
    pub(crate) fn delete_destroyed(&mut self) -> Vec<Stream> {
        let state = self.state();
        let ids = std::mem::take(&mut state.destroyed);
        let contexts = ids.into_iter().filter_map(|id| state.contexts.remove(&id));
        let streams = contexts.filter_map(|context| match context {
            Context::Stream(stream) => Some(*stream),
            Context::Root(_) => None,
        });
        streams.collect()
    }

    fn open(&mut self, id: u32) -> Option<&mut Stream> {
        self.state()
            .stream(id)
            .filter(|stream| stream.end == End::Open)
    }

    fn is_open(&mut self, id: u32) -> bool {
        self.open(id).is_some()
    }
}

/// Whether the filter chain goes on: the plugin has no such callback, or it said so and sent no answer meanwhile, whomever
/// to (A17).
fn goes_on(result: Option<(u32, bool)>) -> bool {
    result.is_none_or(|(action, stopped)| action == CONTINUE && !stopped)
}

/// What Envoy makes of a local reply: no content fields without content, and no content for HEAD.
fn local(
    stream: &Stream,
    status: u16,
    mut fields: Vec<Field>,
    mut body: Vec<u8>,
) -> (Vec<Field>, Vec<u8>) {
    fields.retain(|(name, _)| name != "content-length");
    if body.is_empty() {
        fields.retain(|(name, _)| name != "content-type");
    } else {
        let length = body.len().to_string();
        fields.push(("content-length".to_owned(), length.into_bytes()));
        if wire::value(&fields, "content-type").is_none() {
            fields.push(("content-type".to_owned(), b"text/plain".to_vec()));
        }
    }
    fields.insert(0, (":status".to_owned(), status.to_string().into_bytes()));
    if stream.is_head {
        body.clear();
    }
    (fields, body)
}
