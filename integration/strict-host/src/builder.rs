//! How a host is made.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use crate::error::StrictHostError;
use crate::host::Host;
use crate::process::Process;
use crate::rules::Rules;
use crate::tally::{Callback, Tally};
use crate::vm::{Plugin, Vm, VmState};

/// How a host is made.
#[derive(Clone)]
pub struct Builder {
    plugin: Option<Plugin>,
    workers: usize,
    rules: Rules,
    vm_id: String,
    plugin_name: String,
}

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
        let process = Rc::new(RefCell::new(Process::default()));
        let mut vms = Vec::new();
        for worker in 0..=self.workers {
            vms.push(self.vm(worker, &process)?);
        }
        let mut host = Host::of(self, vms, process);
        host.new_listener(configuration)?;
        Ok(host)
    }

    /// A VM for a worker. No two get the same random numbers.
    pub(crate) fn vm(
        &self,
        worker: usize,
        process: &Rc<RefCell<Process>>,
    ) -> Result<Vm, StrictHostError> {
        let plugin = match &self.plugin {
            Some(plugin) => plugin.clone(),
            None => Plugin::release()?,
        };
        let random = process.borrow_mut().next_vm();
        Vm::new(&plugin, self.vm_state(worker, random, process))
    }

    fn vm_state(&self, worker: usize, random: u64, process: &Rc<RefCell<Process>>) -> VmState {
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
            random,
            stderr: String::new(),
            log: VecDeque::new(),
            tally: Tally::default(),
            by_callback: BTreeMap::new(),
            second_answers: 0,
        }
    }
}
