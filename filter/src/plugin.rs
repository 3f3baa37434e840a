//! The root context: one configuration at work in one worker. It owns every callout; streams wait.
//!
//! The pattern was measured on Envoy 1.40. A callout that a stream sends dies with the stream; one that the root context
//! sends does not. A stream's callback makes the root context the active one through the SDK's own export
//! `proxy_on_queue_ready`, with a queue number that no queue has. That works from a stream's callback only, since the
//! SDK borrows its table of root contexts for it, and that is why the SDK's version is pinned.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use goproxy_core::config::{self, Config};
use goproxy_core::{
    Callout, CalloutId, End, Forward, Gateway, HostCapabilities, Reply, Step, StreamId, Timestamp,
};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::ffi::{self, Buffer, HostError, Map};
use crate::host::envoy;
use crate::pairs;
use crate::shared::Shared;
use crate::stream::Stream;
use crate::worker::{self, OwnQueue};

/// "Send what is to be sent": no queue of the host has this number.
const START: u32 = u32::MAX;
/// Streams answered in one call of the VM. Each answer nests the host's stack deeper, and about 300 kill the VM.
const BATCH: usize = 32;
/// Pauses and deadlines are seen this late at most; a shorter period costs processor time in every idle worker.
const TICK_MILLIS: u32 = 100;

unsafe extern "C" {
    fn proxy_on_queue_ready(context: u32, queue: u32);
}

/// The root context.
pub(crate) struct Plugin {
    id: u32,
    work: Option<Rc<Work>>,
}

/// A configuration at work: shared by the root context and its streams.
pub(crate) struct Work {
    root: u32,
    gateway: RefCell<Gateway>,
    /// The host's token of each callout, and how much of its body is wanted.
    tokens: RefCell<HashMap<u32, (CalloutId, usize)>>,
    shared: Rc<Shared>,
    /// Targets of which was said that the host does not have them: once for each.
    unknown_targets: RefCell<HashSet<Rc<str>>>,
}

// === impl Plugin ===

impl Plugin {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id, work: None }
    }

    fn configure(&self) -> Result<Work, String> {
        let bytes = ffi::buffer(
            Buffer::PluginConfiguration,
            config::MAX_BYTES.saturating_add(1),
        )
        .map_err(|error| format!("the host gives no configuration: {error:?}"))?;
        let config =
            Config::from_json(&bytes, &envoy::plugin_name()).map_err(|error| error.to_string())?;
        proxy_wasm::set_log_level(log_level(&config));
        let shared = Rc::new(Shared::default());
        let host = HostCapabilities {
            environment: Rc::new(|name| std::env::var(name).ok()),
            peer: Rc::new(envoy::peer),
            shared: Some(shared.clone()),
        };
        let gateway = Gateway::new(&config, &worker::store(), &host);
        let gateway = gateway.map_err(|error| error.to_string())?;
        Ok(Work::new(self.id, gateway, shared))
    }
}

impl Context for Plugin {
    fn on_http_call_response(&mut self, token: u32, fields: usize, size: usize, _trailers: usize) {
        if let Some(work) = &self.work {
            work.on_callout(token, fields, size);
            work.pump();
        }
    }
}

impl RootContext for Plugin {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.configure() {
            Ok(work) => {
                self.work = Some(Rc::new(work));
                true
            }
            Err(error) => {
                for line in error.lines() {
                    log::error!("configuration refused: {line}");
                }
                false
            }
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        if let Some(work) = &self.work {
            if queue != START {
                work.take_messages();
            }
            work.pump();
        }
    }

    fn on_tick(&mut self) {
        if let Some(work) = &self.work {
            let now = now();
            work.gateway.borrow_mut().on_tick(now);
            work.pump();
            // No borrow is held over a host call.
            while let Some(line) = work.next_log_line() {
                log::warn!("{line}");
            }
            let counts = work.gateway.borrow_mut().take_counts();
            worker::add_to_counters(counts);
            let gauges = work.gateway.borrow_mut().publish(now);
            worker::set_gauges(gauges);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        if let Some(work) = &self.work {
            work.wake_up();
        }
        Some(Box::new(Stream::new(id, self.work.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

// === impl Work ===

impl Work {
    fn new(root: u32, gateway: Gateway, shared: Rc<Shared>) -> Self {
        Self {
            root,
            gateway: RefCell::new(gateway),
            tokens: RefCell::default(),
            shared,
            unknown_targets: RefCell::default(),
        }
    }

    pub(crate) const fn gateway(&self) -> &RefCell<Gateway> {
        &self.gateway
    }

    /// Called by a stream's callback: sends what is to be sent, as the root context. The effective context may be
    /// another one afterwards.
    pub(crate) fn start(&self) {
        // SAFETY: the SDK's export, called as the host calls it; the SDK's table of root contexts is not borrowed in a
        // stream's callback.
        unsafe { proxy_on_queue_ready(self.root, START) }
    }

    /// The first request of a worker brings it to life: the main thread's VM, which never sees one, stays idle.
    fn wake_up(&self) {
        self.shared.open_queue(|| {
            if let Err(error) = ffi::set_tick_period(TICK_MILLIS) {
                log::error!("the host gives no ticks, so deadlines are not kept: {error:?}");
            }
        });
    }

    fn take_messages(&self) {
        while let Some(message) = self.shared.queue().and_then(OwnQueue::next) {
            // An empty one is our own.
            if !message.is_empty() {
                self.gateway.borrow_mut().on_message(&message, now());
            }
        }
    }

    fn on_callout(&self, token: u32, fields: usize, size: usize) {
        let Some((call, body_limit)) = self.tokens.borrow_mut().remove(&token) else {
            return;
        };
        let outcome = envoy::outcome(fields, size, body_limit);
        self.gateway.borrow_mut().on_callout(call, outcome, now());
    }

    /// Sends callouts and answers streams; once in every callback of the root context, at its end.
    fn pump(&self) {
        let now = now();
        // No borrow is held over a host call.
        while let Some(callout) = self.next_callout(now) {
            self.send(&callout, now);
        }
        for _ in 0..BATCH {
            let Some((StreamId(stream), step)) = self.next_step(now) else {
                break;
            };
            // The context of a stream that the host has destroyed is refused, and the one before stays in force.
            if ffi::set_effective_context(stream).is_err() {
                self.close(StreamId(stream), End::Left);
            } else if let Err(error) = answer(step) {
                log::error!("cannot answer a waiting request, status {}", error.0);
                self.close(StreamId(stream), End::Overtaken);
            }
        }
        if self.gateway.borrow().has_work()
            && let Some(queue) = self.shared.queue()
        {
            queue.wake();
        }
    }

    /// Nothing is said to a stream any more. Most are over already, and cost no look at the clock.
    pub(crate) fn close(&self, stream: StreamId, end: End) {
        let is_known = self.gateway.borrow().knows(stream);
        if is_known {
            self.gateway.borrow_mut().on_closed(stream, end, now());
        }
    }

    fn next_log_line(&self) -> Option<String> {
        self.gateway.borrow_mut().take_log_line()
    }

    fn next_callout(&self, now: Timestamp) -> Option<Callout> {
        self.gateway.borrow_mut().next_callout(now)
    }

    fn next_step(&self, now: Timestamp) -> Option<(StreamId, Step)> {
        self.gateway.borrow_mut().next_step(now)
    }

    fn send(&self, callout: &Callout, now: Timestamp) {
        match envoy::dispatch(callout) {
            Ok(token) => {
                self.tokens
                    .borrow_mut()
                    .insert(token, (callout.id, callout.body_limit));
            }
            Err(outcome) => {
                if outcome == goproxy_core::CalloutOutcome::UnknownTarget
                    && self
                        .unknown_targets
                        .borrow_mut()
                        .insert(callout.target.clone())
                {
                    log::error!(
                        "the host has no cluster {:?}, which the configuration names",
                        callout.target
                    );
                }
                self.gateway
                    .borrow_mut()
                    .on_callout(callout.id, outcome, now);
            }
        }
    }
}

/// What a stream that waited gets. Its context is effective.
fn answer(step: Step) -> Result<(), HostError> {
    match step {
        Step::Reply(reply) => send_reply(&reply),
        Step::Forward(forward) => send_on(&forward).inspect_err(|_| refuse()),
        Step::Pass | Step::Wait => Ok(()),
    }
}

fn send_on(forward: &Forward) -> Result<(), HostError> {
    let map = ffi::map(Map::Request)?;
    envoy::forward(&pairs::decode(&map), forward)?;
    ffi::continue_request()
}

/// Ends the request whose context is effective: it must never go on unfiltered.
pub(crate) fn refuse() {
    let body = b"the gateway's host refuses what the gateway needs\n";
    let fields = [
        ("content-type", &b"text/plain; charset=utf-8"[..]),
        ("cache-control", b"no-store"),
    ];
    // If this is refused as well, the host's own time limit ends the request.
    let _ = ffi::send_local_response(500, &pairs::encode(fields.into_iter()), body);
}

/// Answers the stream whose context is effective.
pub(crate) fn send_reply(reply: &Reply) -> Result<(), HostError> {
    let fields = reply
        .fields
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    ffi::send_local_response(reply.status, &pairs::encode(fields), reply.body.as_bytes())
}

/// The time. A host without a clock gives the epoch: then nothing gets old.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(ffi::now().unwrap_or_default() / 1_000_000)
}

fn log_level(config: &Config) -> proxy_wasm::types::LogLevel {
    use goproxy_core::config::LogLevel;
    use proxy_wasm::types::LogLevel as Host;
    match config.log_level {
        LogLevel::Trace => Host::Trace,
        LogLevel::Debug => Host::Debug,
        LogLevel::Info => Host::Info,
        LogLevel::Warn => Host::Warn,
        LogLevel::Error => Host::Error,
    }
}
