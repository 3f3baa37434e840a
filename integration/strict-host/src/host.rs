//! The scripted host: its workers, listeners and clients' requests.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::builder::Builder;
use crate::context::{Context, End, Fate, Response, Stream};
use crate::error::StrictHostError;
use crate::listeners::{Listener, ListenerHandle};
use crate::process::{Cluster, Process};
use crate::tally::Tally;
use crate::vm::Vm;
use crate::wire::Field;

type Done = Result<(), StrictHostError>;

/// A client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamHandle(pub(crate) u64);

/// The host.
pub struct Host {
    /// How its VMs are made.
    pub(crate) builder: Builder,
    /// Of the workers; the last one is the main thread's, which never sees a request.
    pub(crate) vms: Vec<Vm>,
    pub(crate) process: Rc<RefCell<Process>>,
    pub(crate) automatic_timeouts: bool,
    pub(crate) listeners: Vec<Listener>,
    /// Worker and context of each stream that is known to the host still.
    pub(crate) places: HashMap<u64, (usize, u32)>,
    pub(crate) ended: HashMap<u64, Stream>,
    last_stream: u64,
    hold_deletions: bool,
    hold_wake_ups: bool,
}

// === impl Host ===

impl Host {
    /// The release plugin with one worker.
    ///
    /// # Errors
    /// The plugin is broken, or refuses the configuration.
    pub fn new(configuration: &str) -> Result<Self, StrictHostError> {
        Self::builder().start(configuration)
    }

    /// How another one is made.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn of(builder: Builder, vms: Vec<Vm>, process: Rc<RefCell<Process>>) -> Self {
        Self {
            builder,
            vms,
            process,
            automatic_timeouts: true,
            listeners: Vec::new(),
            places: HashMap::new(),
            ended: HashMap::new(),
            last_stream: 0,
            hold_deletions: false,
            hold_wake_ups: false,
        }
    }

    // === clients ===

    /// A request without a body, on the first listener of the first worker.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        fields: &[Field],
    ) -> Result<StreamHandle, StrictHostError> {
        self.request_on(ListenerHandle::FIRST, 0, method, path, fields, true)
    }

    /// A request, of which a body follows if it is not the end of the stream.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn request_on(
        &mut self,
        listener: ListenerHandle,
        worker: usize,
        method: &str,
        path: &str,
        fields: &[Field],
        end_of_stream: bool,
    ) -> Result<StreamHandle, StrictHostError> {
        let root = self.listeners[listener.0].roots[worker];
        self.last_stream += 1;
        let number = self.last_stream;
        let mut all = crate::wire::fields(&[
            (":authority", "gateway.example"),
            (":path", path),
            (":method", method),
            (":scheme", "http"),
            ("x-forwarded-proto", "http"),
        ]);
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        all.push(("x-request-id".to_owned(), id.into_bytes()));
        // What the connection manager sets itself, a client's own copy takes the place of.
        all.retain(|(known, _)| fields.iter().all(|(name, _)| name != known));
        all.extend_from_slice(fields);
        let id = self.vms[worker].request(root, number, all, end_of_stream)?;
        self.places.insert(number, (worker, id));
        self.settle()?;
        Ok(StreamHandle(number))
    }

    /// A piece of a request's body.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn request_body(
        &mut self,
        stream: StreamHandle,
        bytes: &[u8],
        end_of_stream: bool,
    ) -> Done {
        self.on_stream(stream, |vm, id| vm.request_body(id, bytes, end_of_stream))
    }

    /// The client leaves.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn abort(&mut self, stream: StreamHandle) -> Done {
        self.on_stream(stream, |vm, id| vm.end(id, End::Gone))
    }

    /// What has become of a request.
    #[must_use]
    pub fn fate(&self, stream: StreamHandle) -> Fate {
        self.stream(stream).map_or(Fate::Gone, Stream::fate)
    }

    /// Whether a request has no whole answer yet, and a client that waits for it.
    #[must_use]
    pub fn has_open(&self, stream: StreamHandle) -> bool {
        self.stream(stream)
            .is_some_and(|stream| stream.end == End::Open)
    }

    /// Whether the answer to a request has begun to come.
    #[must_use]
    pub fn has_response(&self, stream: StreamHandle) -> bool {
        self.stream(stream)
            .is_some_and(|stream| stream.response != Response::None)
    }

    /// Properties that the filter has set on a stream, for the access log.
    #[must_use]
    pub fn filter_state(&self, stream: StreamHandle) -> BTreeMap<String, Vec<u8>> {
        self.stream(stream)
            .map(|stream| stream.filter_state.clone())
            .unwrap_or_default()
    }

    /// What was asked of the host for a stream.
    #[must_use]
    pub fn tally_of(&self, stream: StreamHandle) -> Tally {
        self.stream(stream)
            .map(|stream| stream.tally.clone())
            .unwrap_or_default()
    }

    /// Forgets a stream that has ended.
    pub fn forget(&mut self, stream: StreamHandle) {
        self.ended.remove(&stream.0);
    }

    pub(crate) fn stream(&self, stream: StreamHandle) -> Option<&Stream> {
        if let Some(ended) = self.ended.get(&stream.0) {
            return Some(ended);
        }
        let (worker, id) = self.places.get(&stream.0)?;
        match self.vms[*worker].peek().contexts.get(id)? {
            Context::Stream(stream) => Some(stream),
            Context::Root(_) => None,
        }
    }

    // === upstreams of forwarded requests ===

    /// The head of the upstream's answer.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn upstream_head(
        &mut self,
        stream: StreamHandle,
        status: u16,
        fields: &[Field],
        end_of_stream: bool,
    ) -> Done {
        let mut all = vec![(":status".to_owned(), status.to_string().into_bytes())];
        all.extend_from_slice(fields);
        self.on_stream(stream, |vm, id| {
            if let Some(stream) = vm.state().stream(id) {
                stream.details = "via_upstream".to_owned();
            }
            vm.head(id, all, end_of_stream)
        })
    }

    /// A piece of the body of the upstream's answer.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn upstream_body(
        &mut self,
        stream: StreamHandle,
        bytes: &[u8],
        end_of_stream: bool,
    ) -> Done {
        self.on_stream(stream, |vm, id| vm.body(id, bytes, end_of_stream))
    }

    /// The trailers of the upstream's answer, which end it.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn upstream_trailers(&mut self, stream: StreamHandle, count: u32) -> Done {
        self.on_stream(stream, |vm, id| vm.trailers(id, count))
    }

    /// The connection to the upstream breaks: before the head of its answer the host answers 503, later the client sees
    /// the reset.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn upstream_reset(&mut self, stream: StreamHandle) -> Done {
        self.on_stream(stream, |vm, id| vm.upstream_reset(id))
    }

    /// The upstream says nothing for too long: as [`Host::upstream_reset`], with 504.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn upstream_timeout(&mut self, stream: StreamHandle) -> Done {
        self.on_stream(stream, |vm, id| vm.upstream_timeout(id))
    }

    /// The host's own limit on idle streams: it answers 504, also to a request that waits in the filter.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn idle_timeout(&mut self, stream: StreamHandle) -> Done {
        self.on_stream(stream, |vm, id| vm.idle_timeout(id))
    }

    fn on_stream(&mut self, stream: StreamHandle, act: impl FnOnce(&mut Vm, u32) -> Done) -> Done {
        // Of a stream that is over, no event comes.
        let Some((worker, id)) = self.places.get(&stream.0).copied() else {
            return Ok(());
        };
        act(&mut self.vms[worker], id)?;
        self.settle()
    }

    // === the host's surroundings ===

    /// What the host knows about a cluster from now on.
    pub fn set_cluster(&mut self, name: &str, cluster: Cluster) {
        self.process
            .borrow_mut()
            .clusters
            .insert(name.to_owned(), cluster);
    }

    /// Contexts that end from now on stay destroyed and not deleted, as within one round of the event loop.
    pub fn hold_deletions(&mut self) {
        self.hold_deletions = true;
    }

    /// The round is over.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn release_deletions(&mut self) -> Done {
        self.hold_deletions = false;
        self.settle()
    }

    /// Queues wake nobody until [`Host::wake`] says so.
    pub fn hold_wake_ups(&mut self) {
        self.hold_wake_ups = true;
    }

    /// Queues wake their owners at once, those that were held first.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn release_wake_ups(&mut self) -> Done {
        self.hold_wake_ups = false;
        self.settle()
    }

    /// Queues have woken nobody: what was held is gone, and the messages are still in their queues.
    pub fn lose_wake_ups(&mut self) {
        self.process.borrow_mut().wake_ups.clear();
    }

    /// Delivers one wake-up; false if there is none.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn wake(&mut self) -> Result<bool, StrictHostError> {
        let next = self.process.borrow_mut().wake_ups.pop_front();
        let Some(wake_up) = next else {
            return Ok(false);
        };
        self.vms[wake_up.worker].queue_ready(wake_up.root, wake_up.queue)?;
        self.settle()?;
        Ok(true)
    }

    /// After an event: what was destroyed is deleted, what has drained ends, and queues wake their owners.
    pub(crate) fn settle(&mut self) -> Done {
        loop {
            if !self.hold_deletions {
                self.delete_destroyed()?;
            }
            if self.hold_wake_ups {
                return Ok(());
            }
            let next = self.process.borrow_mut().wake_ups.pop_front();
            let Some(wake_up) = next else {
                return Ok(());
            };
            self.vms[wake_up.worker].queue_ready(wake_up.root, wake_up.queue)?;
        }
    }

    fn delete_destroyed(&mut self) -> Done {
        for vm in &mut self.vms {
            for stream in vm.delete_destroyed() {
                self.places.remove(&stream.number);
                self.ended.insert(stream.number, stream);
            }
            for root in vm.drained() {
                vm.retire(root)?;
            }
        }
        Ok(())
    }
}
