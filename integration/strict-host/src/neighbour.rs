//! What another plugin can do that has the same `vm_id`: shared data and queues are its own as well.

use crate::error::StrictHostError;
use crate::host::Host;

impl Host {
    /// Names and lengths of all values in the shared data that are not empty, without the `vm_id`.
    #[must_use]
    pub fn shared_values(&self) -> Vec<(String, usize)> {
        let values = self.process.borrow().shared_values();
        let text = |(name, length): (Vec<u8>, usize)| {
            let name = name.split(|byte| *byte == 0).nth(1).unwrap_or_default();
            (String::from_utf8_lossy(name).into_owned(), length)
        };
        values.into_iter().map(text).collect()
    }

    /// A value of the shared data.
    #[must_use]
    pub fn shared_value(&self, name: &str) -> Option<Vec<u8>> {
        let found = self.process.borrow().get(&self.scoped(name));
        found.ok().map(|(value, _)| value)
    }

    /// Sets a value, whoever's it is.
    ///
    /// # Errors
    /// Never: without its number, a value is always set.
    pub fn set_shared_value(&mut self, name: &str, value: &[u8]) -> Result<(), StrictHostError> {
        let name = self.scoped(name);
        let result = self.process.borrow_mut().set(&name, value, 0);
        result.map_err(|status| StrictHostError::Script(format!("not set: {status:?}")))
    }

    /// Puts a message into every queue.
    ///
    /// # Errors
    /// The plugin breaks a rule.
    pub fn send_to_all_queues(&mut self, message: &[u8]) -> Result<(), StrictHostError> {
        let (queues, _) = self.queues();
        for queue in 1..=queues as u32 {
            let sent = self.process.borrow_mut().enqueue(queue, message);
            sent.map_err(|status| StrictHostError::Script(format!("not sent: {status:?}")))?;
        }
        self.settle()
    }

    fn scoped(&self, name: &str) -> Vec<u8> {
        let vm_id = &self.vms[0].peek().vm_id;
        [vm_id.as_bytes(), b"\0", name.as_bytes()].concat()
    }
}
