//! What all workers of one host process share: clocks, shared data, queues, counters, and the clusters' state.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::status::Status;

/// Where the wall clock stands when a host starts: 2026-11-22, in nanoseconds.
const START: u64 = 1_795_305_600 * 1_000_000_000;

/// What a host says about a cluster when it is asked to use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cluster {
    /// It is there.
    #[default]
    Well,
    /// The host's configuration names no such cluster.
    Unknown,
    /// No host in it, or too many pending requests.
    Refusing,
}

/// The process.
#[derive(Default)]
pub(crate) struct Process {
    /// Time since the start, for timers.
    pub(crate) monotonic: u64,
    /// What clock steps have added to the wall clock.
    pub(crate) step: i64,
    pub(crate) clusters: HashMap<String, Cluster>,
    pub(crate) wake_ups: VecDeque<WakeUp>,
    pub(crate) last_callout: u64,
    last_vm: u64,
    data: HashMap<Vec<u8>, (Vec<u8>, u32)>,
    last_cas: u32,
    queues: Vec<Queue>,
    metrics: Vec<(String, i64)>,
}

struct Queue {
    name: Vec<u8>,
    messages: VecDeque<Vec<u8>>,
    /// Who registered it last.
    owner: (usize, u32),
}

/// A message was put into a queue: its owner is told on its own thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakeUp {
    pub(crate) worker: usize,
    pub(crate) root: u32,
    pub(crate) queue: u32,
}

impl Process {
    pub(crate) fn wall(&self) -> u64 {
        START
            .saturating_add(self.monotonic)
            .saturating_add_signed(self.step)
    }

    pub(crate) fn cluster(&self, name: &str) -> Cluster {
        self.clusters.get(name).copied().unwrap_or_default()
    }

    /// Counts the VMs that were ever made.
    pub(crate) fn next_vm(&mut self) -> u64 {
        self.last_vm += 1;
        self.last_vm
    }

    // === shared data ===

    pub(crate) fn get(&self, key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
        self.data.get(key).cloned().ok_or(Status::NotFound)
    }

    /// A key that does not exist takes any number (measured): there is no create-if-absent.
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
        if let Some((_, known)) = self.data.get(key)
            && cas != 0
            && cas != *known
        {
            return Err(Status::CasMismatch);
        }
        self.last_cas += 1;
        self.data
            .insert(key.to_vec(), (value.to_vec(), self.last_cas));
        Ok(())
    }

    /// Keys and bytes in the shared data. A key stays for ever.
    pub(crate) fn shared_data(&self) -> (usize, usize) {
        (
            self.data.len(),
            self.data.values().map(|(value, _)| value.len()).sum(),
        )
    }

    /// Names and lengths of all values that have some.
    pub(crate) fn shared_values(&self) -> Vec<(Vec<u8>, usize)> {
        let values = self.data.iter().filter(|(_, (value, _))| !value.is_empty());
        let mut all: Vec<_> = values
            .map(|(name, (value, _))| (name.clone(), value.len()))
            .collect();
        all.sort();
        all
    }

    // === queues ===

    /// One name is one queue, and the last who registers it gets all wake-ups.
    pub(crate) fn register(&mut self, name: &[u8], owner: (usize, u32)) -> u32 {
        if let Some(index) = self.queues.iter().position(|queue| queue.name == name) {
            self.queues[index].owner = owner;
            return index as u32 + 1;
        }
        self.queues.push(Queue {
            name: name.to_vec(),
            messages: VecDeque::new(),
            owner,
        });
        self.queues.len() as u32
    }

    pub(crate) fn resolve(&self, name: &[u8]) -> Result<u32, Status> {
        let found = self.queues.iter().position(|queue| queue.name == name);
        found.map(|index| index as u32 + 1).ok_or(Status::NotFound)
    }

    pub(crate) fn enqueue(&mut self, id: u32, message: &[u8]) -> Result<(), Status> {
        let queue = self.queue(id)?;
        queue.messages.push_back(message.to_vec());
        let (worker, root) = queue.owner;
        self.wake_ups.push_back(WakeUp {
            worker,
            root,
            queue: id,
        });
        Ok(())
    }

    pub(crate) fn dequeue(&mut self, id: u32) -> Result<Vec<u8>, Status> {
        self.queue(id)?.messages.pop_front().ok_or(Status::Empty)
    }

    fn queue(&mut self, id: u32) -> Result<&mut Queue, Status> {
        let index = (id as usize).checked_sub(1).ok_or(Status::NotFound)?;
        self.queues.get_mut(index).ok_or(Status::NotFound)
    }

    /// Queues, and messages in them.
    pub(crate) fn queue_sizes(&self) -> (usize, usize) {
        (
            self.queues.len(),
            self.queues.iter().map(|queue| queue.messages.len()).sum(),
        )
    }

    // === metrics ===

    pub(crate) fn define(&mut self, name: &str) -> u32 {
        if let Some(index) = self.metrics.iter().position(|(known, _)| known == name) {
            return index as u32 + 1;
        }
        self.metrics.push((name.to_owned(), 0));
        self.metrics.len() as u32
    }

    pub(crate) fn metric(&mut self, id: u32) -> Result<&mut i64, Status> {
        let index = (id as usize).checked_sub(1).ok_or(Status::NotFound)?;
        Ok(&mut self.metrics.get_mut(index).ok_or(Status::NotFound)?.1)
    }

    pub(crate) fn metrics(&self) -> BTreeMap<String, i64> {
        self.metrics.iter().cloned().collect()
    }
}
