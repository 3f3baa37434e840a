//! The scripted host: its workers, listeners and clients' requests.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use crate::context::{Context, End, Fate, Response, Stream};
use crate::error::StrictHostError;
use crate::process::{Cluster, Process};
use crate::rules::Rules;
use crate::tally::{Callback, Tally};
use crate::vm::{Plugin, Vm, VmState};
use crate::wire::Field;

type Done = Result<(), StrictHostError>;

/// A client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamHandle(pub(crate) u64);

/// A listener: where requests come in, and what a configuration belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerHandle(usize);

impl ListenerHandle {
    /// The one that every host has.
    pub const FIRST: Self = Self(0);
}

/// How a host is made.
pub struct Builder {
    plugin: Option<Plugin>,
    workers: usize,
    rules: Rules,
    vm_id: String,
    plugin_name: String,
}

/// The host.
pub struct Host {
    /// Of the workers; the last one is the main thread's, which never sees a request.
    pub(crate) vms: Vec<Vm>,
    pub(crate) process: Rc<RefCell<Process>>,
    pub(crate) automatic_timeouts: bool,
    listeners: Vec<Listener>,
    /// Worker and context of each stream that is known to the host still.
    places: HashMap<u64, (usize, u32)>,
    ended: HashMap<u64, Box<Stream>>,
    last_stream: u64,
    hold_deletions: bool,
    hold_wake_ups: bool,
}

struct Listener {
    configuration: Vec<u8>,
    /// The root context in each VM.
    roots: Vec<u32>,
}

// === impl Builder ===

impl Default for Builder {
    fn default() -> Self {
        Self {
            plugin: None,
            workers: 1,
            rules: Rules::default(),
            vm_id: "goproxy".to_owned(),
            plugin_name: "goproxy".to_owned(),
        }
    }
}

impl Builder {
    /// Another plugin than the release.
    #[must_use]
    pub fn plugin(mut self, plugin: Plugin) -> Self {
        self.plugin = Some(plugin);
        self
    }

    /// How many workers, each with a VM of its own.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Whose rules are played.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Starts the host with one listener.
    ///
    /// # Errors
    /// The plugin is broken, or refuses the configuration.
    pub fn start(self, configuration: &str) -> Result<Host, StrictHostError> {
        let plugin = match &self.plugin {
            Some(plugin) => plugin.clone(),
            None => Plugin::release()?,
        };
        let process = Rc::new(RefCell::new(Process::default()));
        let mut vms = Vec::new();
        for worker in 0..=self.workers {
            vms.push(Vm::new(&plugin, self.vm_state(worker, &process))?);
        }
        let mut host = Host {
            vms,
            process,
            automatic_timeouts: true,
            listeners: Vec::new(),
            places: HashMap::new(),
            ended: HashMap::new(),
            last_stream: 0,
            hold_deletions: false,
            hold_wake_ups: false,
        };
        host.new_listener(configuration)?;
        Ok(host)
    }

    fn vm_state(&self, worker: usize, process: &Rc<RefCell<Process>>) -> VmState {
        VmState {
            worker,
            rules: self.rules,
            vm_id: self.vm_id.clone(),
            plugin_name: self.plugin_name.clone(),
            process: process.clone(),
            contexts: HashMap::new(),
            callouts: BTreeMap::new(),
            last_context: 0,
            last_token: 0,
            deferred: VecDeque::new(),
            destroyed: Vec::new(),
            callback: Callback::Start,
            current: 0,
            effective: 0,
            answers: 0,
            stop_iteration: false,
            memory: None,
            allocate: None,
            random: worker as u64 + 1,
            stderr: String::new(),
            log: VecDeque::new(),
            tally: Tally::default(),
            by_callback: BTreeMap::new(),
            second_answers: 0,
        }
    }
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

    // === configurations ===

    /// Another listener with a configuration of its own; it shares the VMs.
    ///
    /// # Errors
    /// The plugin refuses the configuration, or breaks a rule.
    pub fn new_listener(&mut self, configuration: &str) -> Result<ListenerHandle, StrictHostError> {
        let roots = self.configure(configuration.as_bytes())?;
        self.listeners.push(Listener {
            configuration: configuration.into(),
            roots,
        });
        self.settle()?;
        Ok(ListenerHandle(self.listeners.len() - 1))
    }

    /// A new configuration for the first listener.
    ///
    /// # Errors
    /// As [`Host::new_configuration_of`].
    pub fn new_configuration(&mut self, configuration: &str) -> Done {
        self.new_configuration_of(ListenerHandle::FIRST, configuration)
    }

    /// A new configuration for a listener. Requests that are under way keep the one they began with; the old root context
    /// ends with the last of them. The same bytes as before change nothing.
    ///
    /// # Errors
    /// The plugin refuses the configuration, and the old one stays; or breaks a rule.
    pub fn new_configuration_of(&mut self, listener: ListenerHandle, configuration: &str) -> Done {
        if self.listeners[listener.0].configuration == configuration.as_bytes() {
            return Ok(());
        }
        let roots = self.configure(configuration.as_bytes())?;
        let new = Listener {
            configuration: configuration.into(),
            roots,
        };
        let old = std::mem::replace(&mut self.listeners[listener.0], new);
        for (vm, root) in self.vms.iter_mut().zip(old.roots) {
            if let Some(root) = vm.root(root) {
                root.draining = true;
            }
        }
        self.settle()
    }

    /// Every VM takes a configuration, the main thread's first: what that one refuses no worker sees.
    fn configure(&mut self, configuration: &[u8]) -> Result<Vec<u32>, StrictHostError> {
        let mut roots = vec![0; self.vms.len()];
        let main = self.vms.len() - 1;
        for worker in std::iter::once(main).chain(0..main) {
            let vm = &mut self.vms[worker];
            vm.state().log.clear();
            match vm.configure(configuration)? {
                Some(root) => roots[worker] = root,
                None if worker == main => {
                    return Err(StrictHostError::ConfigurationRefused {
                        log: vm.peek().logged(),
                    });
                }
                None => {
                    let log = vm.peek().logged();
                    return Err(StrictHostError::ImpureConfiguration { worker, log });
                }
            }
        }
        Ok(roots)
    }

    /// The drain of the old configuration is over before its requests are: their clients are cut off.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn end_drain(&mut self) -> Done {
        for vm in &mut self.vms {
            let mut cut = Vec::new();
            for (id, context) in &vm.peek().contexts {
                if let Context::Stream(stream) = context
                    && let Some(Context::Root(root)) = vm.peek().contexts.get(&stream.root)
                    && root.draining
                {
                    cut.push(*id);
                }
            }
            cut.sort_unstable();
            for id in cut {
                vm.end(id, End::Gone)?;
            }
        }
        self.settle()
    }

    /// How many root contexts a worker has.
    #[must_use]
    pub fn roots(&self, worker: usize) -> usize {
        self.vms[worker].roots().len()
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

    fn stream(&self, stream: StreamHandle) -> Option<&Stream> {
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

    // === what can be seen ===

    /// What was asked of the host, by all VMs.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut all = Tally::default();
        for vm in &self.vms {
            all.add(&vm.peek().tally);
        }
        all
    }

    /// What was asked of the host in each callback, by all VMs.
    #[must_use]
    pub fn tally_by_callback(&self) -> BTreeMap<Callback, Tally> {
        let mut all: BTreeMap<Callback, Tally> = BTreeMap::new();
        for vm in &self.vms {
            for (callback, tally) in &vm.peek().by_callback {
                all.entry(*callback).or_default().add(tally);
            }
        }
        all
    }

    /// Answers that were swallowed because their stream had one already. Any is a fault.
    #[must_use]
    pub fn second_answers(&self) -> u64 {
        self.vms.iter().map(|vm| vm.peek().second_answers).sum()
    }

    /// The linear memory of a worker.
    #[must_use]
    pub fn memory_bytes(&self, worker: usize) -> usize {
        self.vms[worker].memory_bytes()
    }

    /// What a worker's plugin has logged lately: level and line.
    #[must_use]
    pub fn log(&self, worker: usize) -> Vec<(u32, String)> {
        self.vms[worker].peek().log.iter().cloned().collect()
    }

    /// Keys and bytes in the process's shared data.
    #[must_use]
    pub fn shared_data(&self) -> (usize, usize) {
        self.process.borrow().shared_data()
    }

    /// Queues of the process, and messages in them.
    #[must_use]
    pub fn queues(&self) -> (usize, usize) {
        self.process.borrow().queue_sizes()
    }

    /// The host's counters.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<String, i64> {
        self.process.borrow().metrics()
    }

    /// Streams that have no answer yet.
    #[must_use]
    pub fn open_streams(&self) -> Vec<StreamHandle> {
        let open = |number: &u64| self.has_open(StreamHandle(*number));
        let mut numbers: Vec<u64> = self.places.keys().copied().filter(open).collect();
        numbers.sort_unstable();
        numbers.into_iter().map(StreamHandle).collect()
    }

    /// The rules that hold at the end of every test: nobody waits, and nobody was answered twice.
    ///
    /// # Errors
    /// [`StrictHostError::Hanging`] or [`StrictHostError::SecondAnswers`].
    pub fn check(&self) -> Done {
        let waiting = |stream: &StreamHandle| self.fate(*stream) == Fate::Waiting;
        if let Some(stream) = self.open_streams().into_iter().find(waiting) {
            let path = self
                .stream(stream)
                .map(|stream| stream.path.clone())
                .unwrap_or_default();
            return Err(StrictHostError::Hanging {
                stream: stream.0,
                path,
            });
        }
        match self.second_answers() {
            0 => Ok(()),
            count => Err(StrictHostError::SecondAnswers { count }),
        }
    }
}
