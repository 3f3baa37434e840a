//! What a test can see of a host, and the rules that hold at the end of every test.

use std::collections::BTreeMap;

use crate::context::Fate;
use crate::error::StrictHostError;
use crate::host::{Host, StreamHandle};
use crate::tally::{Callback, Tally};

impl Host {
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
    pub fn check(&self) -> Result<(), StrictHostError> {
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
