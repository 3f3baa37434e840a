//! The HTTP context: one request of a client, as the host tells of it.

use std::rc::Rc;

use goproxy_core::{BodyStep, End, ForwardedHead, HeadStep, Piece, RequestHead, Step, StreamId};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::ffi::{self, Buffer, HostError, Map};
use crate::host::envoy;
use crate::pairs;
use crate::plugin::{Work, now, refuse, send_reply};

/// Events that one stream carries to standard output, in bytes. The host may hold them in memory once more.
const MAX_LINES: usize = 64 * 1024;

/// One request.
pub(crate) struct Stream {
    id: u32,
    work: Option<Rc<Work>>,
    phase: Phase,
}

/// How far a request has come, as far as this adapter has to know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// New, or none of ours.
    Untouched,
    /// Answered by this context's own callback. Our own answer comes back through the response callbacks.
    Answered,
    /// The gateway knows it: it waits, or the host forwards it.
    Known,
}

impl Stream {
    pub(crate) const fn new(id: u32, work: Option<Rc<Work>>) -> Self {
        Self {
            id,
            work,
            phase: Phase::Untouched,
        }
    }

    const fn stream_id(&self) -> StreamId {
        StreamId(self.id)
    }

    /// Whether the gateway has something to say about the answer that the host is sending.
    fn watching(&self) -> Option<Rc<Work>> {
        let work = self.work.as_ref().filter(|_| self.phase == Phase::Known)?;
        work.gateway()
            .borrow()
            .watches(self.stream_id())
            .then(|| work.clone())
    }

    fn begin(&mut self, end_of_stream: bool) -> Result<Action, HostError> {
        let Some(work) = self.work.clone() else {
            return Err(HostError(0));
        };
        let map = ffi::map(Map::Request)?;
        let fields = pairs::decode(&map);
        let head = RequestHead {
            fields: &fields,
            end_of_stream,
        };
        let step = work
            .gateway()
            .borrow_mut()
            .begin(self.stream_id(), &head, now());
        match step {
            Step::Pass => {
                envoy::disarm(&fields)?;
                Ok(Action::Continue)
            }
            Step::Reply(reply) => {
                self.phase = Phase::Answered;
                send_reply(&reply)?;
                Ok(Action::Pause)
            }
            Step::Forward(forward) => {
                self.phase = Phase::Known;
                envoy::forward(&fields, &forward)?;
                Ok(Action::Continue)
            }
            Step::Wait => {
                self.phase = Phase::Known;
                let has_work = work.gateway().borrow().has_work();
                if has_work {
                    work.start();
                    // Whom the root context answered is effective still.
                    ffi::set_effective_context(self.id)?;
                }
                Ok(Action::Pause)
            }
        }
    }

    /// The host does not do what it must: the request ends here, and never goes on unfiltered.
    fn give_up(&mut self, error: HostError) -> Action {
        log::error!("the host refuses a call, status {}", error.0);
        if self.phase == Phase::Answered {
            return Action::Pause;
        }
        self.phase = Phase::Answered;
        if let Some(work) = &self.work {
            work.close(self.stream_id(), End::Overtaken);
        }
        refuse();
        Action::Pause
    }

    /// Whatever this stream waits for, nothing may be said to it any more.
    fn close(&self, end: End) {
        if let Some(work) = self.work.as_ref().filter(|_| self.phase == Phase::Known) {
            work.close(self.stream_id(), end);
        }
    }

    /// Records that wait go to the host's standard output with this stream, whoever's they are.
    fn write_events(&self) {
        let Some(work) = self
            .work
            .as_ref()
            .filter(|work| work.gateway().borrow().has_event_lines())
        else {
            return;
        };
        let Some(lines) = work.gateway().borrow_mut().take_event_lines(MAX_LINES) else {
            return;
        };
        if let Err(error) = envoy::write_events(&lines) {
            log::error!("the host takes no events, status {}", error.0);
            work.gateway().borrow_mut().lose_event_lines(&lines);
        }
    }

    fn on_head(&mut self, work: &Work, end_of_stream: bool) -> Result<Action, HostError> {
        let map = ffi::map(Map::Response)?;
        let fields = pairs::decode(&map);
        let status = envoy::status(&fields);
        let head = goproxy_core::AnswerHead::read(fields.iter().copied());
        let answer = ForwardedHead {
            status,
            head,
            end_of_stream,
            made_by: envoy::made_by(status),
            attempts: envoy::attempts(status),
            through: envoy::through(&fields, status),
        };
        let step = work
            .gateway()
            .borrow_mut()
            .on_forwarded_head(self.stream_id(), answer, now());
        match step {
            HeadStep::Pass => Ok(Action::Continue),
            HeadStep::Send { status, fields } => {
                let status = status.to_string();
                let own = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
                let all = std::iter::once((":status", status.as_bytes())).chain(own);
                ffi::replace_map(Map::Response, &pairs::encode(all))?;
                Ok(Action::Continue)
            }
            HeadStep::Replace(reply) => {
                self.phase = Phase::Answered;
                send_reply(&reply)?;
                Ok(Action::Pause)
            }
        }
    }

    fn on_body(&self, work: &Work, size: usize, end_of_stream: bool) -> Result<Action, HostError> {
        let wanted = work
            .gateway()
            .borrow()
            .wants_of_body(self.stream_id())
            .min(size);
        let bytes = if wanted == 0 {
            Vec::new()
        } else {
            ffi::buffer(Buffer::ResponseBody, wanted)?
        };
        let piece = Piece {
            bytes: &bytes,
            size,
            end_of_stream,
        };
        let step = work
            .gateway()
            .borrow_mut()
            .on_forwarded_body(self.stream_id(), piece, now());
        match step {
            BodyStep::Pass => {}
            BodyStep::Replace(bytes) => ffi::replace_buffer(Buffer::ResponseBody, size, &bytes)?,
            BodyStep::Reset => {
                // Not a byte of it goes on; the reset comes after this callback.
                ffi::replace_buffer(Buffer::ResponseBody, size, &[])?;
                ffi::reset_response()?;
                return Ok(Action::Pause);
            }
        }
        Ok(Action::Continue)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _fields: usize, end_of_stream: bool) -> Action {
        match self.begin(end_of_stream) {
            Ok(action) => action,
            Err(error) => self.give_up(error),
        }
    }

    fn on_http_response_headers(&mut self, _fields: usize, end_of_stream: bool) -> Action {
        let Some(work) = self.watching() else {
            self.close(End::Overtaken);
            return Action::Continue;
        };
        match self.on_head(&work, end_of_stream) {
            Ok(action) => action,
            Err(error) => self.give_up(error),
        }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(work) = self.watching() else {
            return Action::Continue;
        };
        self.on_body(&work, size, end_of_stream)
            .unwrap_or_else(|error| {
                log::error!("the host refuses a call on a body, status {}", error.0);
                work.close(self.stream_id(), End::Broke);
                let _ = ffi::reset_response();
                Action::Pause
            })
    }

    fn on_http_response_trailers(&mut self, _trailers: usize) -> Action {
        if self.phase != Phase::Known {
            return Action::Continue;
        }
        // Nothing of an upstream's trailers goes on.
        if let Err(error) =
            ffi::replace_map(Map::ResponseTrailers, &pairs::encode(std::iter::empty()))
        {
            log::error!("the host refuses to change trailers, status {}", error.0);
        }
        // With trailers, no piece of the body says that it is the last.
        let Some(work) = self.watching() else {
            return Action::Continue;
        };
        let end = Piece {
            bytes: &[],
            size: 0,
            end_of_stream: true,
        };
        let step = work
            .gateway()
            .borrow_mut()
            .on_forwarded_body(self.stream_id(), end, now());
        if step != BodyStep::Reset {
            // The words of an error that came with trailers are lost: a filter cannot add a body here.
            return Action::Continue;
        }
        let _ = ffi::reset_response();
        // Envoy dies if a stream that was just reset goes on (measured on 1.40).
        Action::Pause
    }

    fn on_log(&mut self) {
        // From here on the host may destroy the context at any time, so it must wait for nothing any more. This is the
        // only callback that comes however a stream ends.
        let is_broken = self.watching().is_some_and(|_| envoy::is_broken());
        self.close(if is_broken { End::Broke } else { End::Left });
        self.write_events();
        self.work = None;
    }
}
