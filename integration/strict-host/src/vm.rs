//! One VM: its memory and exports, the contexts in it, and every entry into it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::OnceLock;

use wasmtime::{
    Config, Engine, Instance, Linker, Memory, Module, Store, Trap, TypedFunc, WasmParams,
    WasmResults,
};

use crate::calls;
use crate::context::{Context, Stream};
use crate::error::StrictHostError;
use crate::process::Process;
use crate::rules::Rules;
use crate::tally::{Callback, Tally};
use crate::wasi;
use crate::wire::Field;

/// What one callback may execute. The largest honest one (a list of 8 MiB) takes a fraction of it.
const INSTRUCTIONS: u64 = 2_000_000_000;
/// Log lines that are kept.
const LOG_LINES: usize = 1000;

/// A compiled plugin.
#[derive(Clone)]
pub struct Plugin(Module);

/// What happens when the VM has returned.
pub(crate) enum Deferred {
    Reply {
        stream: u32,
        status: u16,
        fields: Vec<Field>,
        details: String,
        body: Vec<u8>,
    },
    Resume {
        stream: u32,
    },
    Reset {
        stream: u32,
    },
}

/// A callout whose answer is to come.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// Counts all callouts of the process.
    pub(crate) number: u64,
    pub(crate) root: u32,
    pub(crate) target: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout_millis: u32,
    /// On the monotonic clock.
    pub(crate) due: u64,
}

/// What the host knows of a VM, and host calls work on.
pub(crate) struct VmState {
    pub(crate) worker: usize,
    pub(crate) rules: Rules,
    pub(crate) vm_id: String,
    pub(crate) plugin_name: String,
    pub(crate) process: Rc<RefCell<Process>>,
    pub(crate) contexts: HashMap<u32, Context>,
    pub(crate) callouts: BTreeMap<u32, Pending>,
    pub(crate) last_context: u32,
    pub(crate) last_token: u32,
    pub(crate) deferred: VecDeque<Deferred>,
    /// Streams that are destroyed and not yet deleted.
    pub(crate) destroyed: Vec<u32>,

    // What is so only as long as the VM runs.
    pub(crate) callback: Callback,
    pub(crate) current: u32,
    /// 0: the current one.
    pub(crate) effective: u32,
    pub(crate) answers: u32,
    pub(crate) stop_iteration: bool,

    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) random: u64,
    pub(crate) stderr: String,
    pub(crate) log: VecDeque<(u32, String)>,
    pub(crate) tally: Tally,
    pub(crate) by_callback: BTreeMap<Callback, Tally>,
    pub(crate) second_answers: u64,
}

impl VmState {
    pub(crate) fn in_force(&self) -> u32 {
        if self.effective == 0 {
            self.current
        } else {
            self.effective
        }
    }

    pub(crate) fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        match self.contexts.get_mut(&id)? {
            Context::Stream(stream) => Some(stream),
            Context::Root(_) => None,
        }
    }

    /// The root context of a context, or itself.
    pub(crate) fn root_of(&self, id: u32) -> u32 {
        match self.contexts.get(&id) {
            Some(Context::Stream(stream)) => stream.root,
            _ => id,
        }
    }

    /// Counts in total, for the callback, and for the stream whose context is in force.
    pub(crate) fn count(&mut self, add: impl Fn(&mut Tally)) {
        add(&mut self.tally);
        add(self.by_callback.entry(self.callback).or_default());
        let id = self.in_force();
        if let Some(stream) = self.stream(id) {
            add(&mut stream.tally);
        }
    }

    pub(crate) fn say(&mut self, level: u32, message: String) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back((level, message));
    }

    pub(crate) fn logged(&self) -> String {
        let lines: Vec<&str> = self.log.iter().map(|(_, line)| line.as_str()).collect();
        lines.join("; ")
    }
}

/// Context, token, number of fields, size of the body, number of trailers.
type CallResponseParameters = (u32, u32, u32, u32, u32);

/// The exports that a host calls. A plugin may lack some: then that callback does not come.
#[derive(Default)]
pub(crate) struct Exports {
    pub(crate) context_create: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) vm_start: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) configure: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) tick: Option<TypedFunc<u32, ()>>,
    pub(crate) queue_ready: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) call_response: Option<TypedFunc<CallResponseParameters, ()>>,
    pub(crate) request_headers: Option<TypedFunc<(u32, u32, u32), u32>>,
    pub(crate) request_body: Option<TypedFunc<(u32, u32, u32), u32>>,
    pub(crate) response_headers: Option<TypedFunc<(u32, u32, u32), u32>>,
    pub(crate) response_body: Option<TypedFunc<(u32, u32, u32), u32>>,
    pub(crate) response_trailers: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) log: Option<TypedFunc<u32, ()>>,
    pub(crate) done: Option<TypedFunc<u32, u32>>,
    pub(crate) delete: Option<TypedFunc<u32, ()>>,
}

/// A VM.
pub(crate) struct Vm {
    pub(crate) store: Store<VmState>,
    pub(crate) exports: Exports,
    dead: bool,
}

// === impl Plugin ===

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::new();
        config.consume_fuel(true);
        Engine::new(&config).expect("the engine's settings fit this machine")
    })
}

impl Plugin {
    /// Compiles a module.
    ///
    /// # Errors
    /// [`StrictHostError::Module`]: it is not well formed.
    pub fn compile(wasm: &[u8]) -> Result<Self, StrictHostError> {
        Module::new(engine(), wasm)
            .map(Self)
            .map_err(|error| StrictHostError::Module(format!("{error:?}")))
    }

    /// The release plugin, `dist/goproxy_filter.wasm`; compiled once in a process.
    ///
    /// # Errors
    /// [`StrictHostError::Module`]: it is not there, or not well formed.
    pub fn release() -> Result<Self, StrictHostError> {
        static RELEASE: OnceLock<Result<Plugin, StrictHostError>> = OnceLock::new();
        RELEASE
            .get_or_init(|| {
                let path = concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/../../dist/goproxy_filter.wasm"
                );
                let wasm = std::fs::read(path).map_err(|error| {
                    StrictHostError::Module(format!(
                        "dist/goproxy_filter.wasm: {error}; `make` builds it"
                    ))
                })?;
                Self::compile(&wasm)
            })
            .clone()
    }
}

// === impl Vm ===

impl Vm {
    pub(crate) fn new(plugin: &Plugin, state: VmState) -> Result<Self, StrictHostError> {
        let broken = |error: wasmtime::Error| StrictHostError::Module(format!("{error:?}"));
        let mut store = Store::new(engine(), state);
        let mut linker = Linker::new(engine());
        calls::link_unplayed(&mut linker, &plugin.0).map_err(broken)?;
        calls::link(&mut linker).map_err(broken)?;
        wasi::link(&mut linker).map_err(broken)?;
        store.set_fuel(INSTRUCTIONS).map_err(broken)?;
        let instance = linker.instantiate(&mut store, &plugin.0).map_err(broken)?;
        let memory = instance.get_memory(&mut store, "memory");
        let allocate = instance
            .get_typed_func(&mut store, "proxy_on_memory_allocate")
            .or_else(|_| instance.get_typed_func(&mut store, "malloc"))
            .ok();
        store.data_mut().memory = memory;
        store.data_mut().allocate = allocate;
        let exports = Exports::of(&instance, &mut store);
        let start = instance
            .get_typed_func::<(), ()>(&mut store, "_initialize")
            .ok();
        let mut vm = Self {
            store,
            exports,
            dead: false,
        };
        if let Some(start) = start {
            vm.enter(Callback::Start, 0, Some(start), ())?;
        }
        Ok(vm)
    }

    pub(crate) fn state(&mut self) -> &mut VmState {
        self.store.data_mut()
    }

    pub(crate) fn peek(&self) -> &VmState {
        self.store.data()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let memory = self.store.data().memory;
        memory
            .map(|memory| memory.data_size(&self.store))
            .unwrap_or_default()
    }

    /// Calls into the VM; `None` if the plugin has no such export. Also tells whether an answer was sent meanwhile, which
    /// stops the filter chain of the stream whose callback this is. What is deferred is for the caller to run.
    pub(crate) fn enter<P: WasmParams, R: WasmResults>(
        &mut self,
        callback: Callback,
        context: u32,
        function: Option<TypedFunc<P, R>>,
        parameters: P,
    ) -> Result<Option<(R, bool)>, StrictHostError> {
        let state = self.store.data_mut();
        let worker = state.worker;
        if self.dead {
            return Err(StrictHostError::Dead { worker });
        }
        let Some(function) = function else {
            return Ok(None);
        };
        // Whatever was effective is so no longer: a host sets it anew at every entry and exit (A4).
        state.callback = callback;
        state.current = context;
        state.effective = 0;
        state.answers = 0;
        state.stop_iteration = false;
        let result = self
            .store
            .set_fuel(INSTRUCTIONS)
            .and_then(|()| function.call(&mut self.store, parameters));
        let used = INSTRUCTIONS - self.store.get_fuel().unwrap_or_default();
        let state = self.store.data_mut();
        state.effective = 0;
        state.count(|tally| {
            tally.entries += 1;
            tally.instructions += used;
        });
        let stopped = state.stop_iteration;
        result.map(|value| Some((value, stopped))).map_err(|error| {
            self.dead = true;
            self.told(&error, callback)
        })
    }

    fn told(&self, error: &wasmtime::Error, callback: Callback) -> StrictHostError {
        if let Some(named) = error.downcast_ref::<StrictHostError>() {
            return named.clone();
        }
        if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) {
            return StrictHostError::EndlessLoop {
                callback,
                instructions: INSTRUCTIONS,
            };
        }
        let stderr = self.store.data().stderr.clone();
        StrictHostError::Trap {
            callback,
            backtrace: format!("{error:?}"),
            stderr,
        }
    }
}

// === impl Exports ===

impl Exports {
    fn of(instance: &Instance, store: &mut Store<VmState>) -> Self {
        macro_rules! export {
            ($name:literal) => {
                instance.get_typed_func(&mut *store, $name).ok()
            };
        }
        Self {
            context_create: export!("proxy_on_context_create"),
            vm_start: export!("proxy_on_vm_start"),
            configure: export!("proxy_on_configure"),
            tick: export!("proxy_on_tick"),
            queue_ready: export!("proxy_on_queue_ready"),
            call_response: export!("proxy_on_http_call_response"),
            request_headers: export!("proxy_on_request_headers"),
            request_body: export!("proxy_on_request_body"),
            response_headers: export!("proxy_on_response_headers"),
            response_body: export!("proxy_on_response_body"),
            response_trailers: export!("proxy_on_response_trailers"),
            log: export!("proxy_on_log"),
            done: export!("proxy_on_done"),
            delete: export!("proxy_on_delete"),
        }
    }
}
