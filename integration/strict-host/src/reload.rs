//! A VM that dies, and the one that takes its place.

use crate::context::{Context, End};
use crate::error::StrictHostError;
use crate::host::Host;

impl Host {
    /// A worker's VM dies, and its clients with it; a new one takes its place (`FAIL_RELOAD`). Shared data and queues stay,
    /// and a queue still wakes the root context of the same number (C34).
    ///
    /// # Errors
    /// The plugin refuses its configuration this time, or breaks a rule.
    pub fn reload(&mut self, worker: usize) -> Result<(), StrictHostError> {
        let vm = self.builder.vm(worker, &self.process)?;
        let mut old = std::mem::replace(&mut self.vms[worker], vm);
        let contexts = std::mem::take(&mut old.state().contexts);
        for context in contexts.into_values() {
            if let Context::Stream(mut stream) = context {
                if stream.end == End::Open {
                    stream.end = End::Reset;
                }
                self.places.remove(&stream.number);
                self.ended.insert(stream.number, *stream);
            }
        }
        self.configure_anew(worker)?;
        self.settle()
    }
}
