//! A host's shared data in memory, with as many workers as a test wants, and a moment between reading and writing.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::capabilities::{SetError, SharedData};

type Interference = Box<dyn FnOnce()>;

/// What all workers see.
#[derive(Default)]
pub(crate) struct Fake {
    data: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    last_version: Cell<u32>,
    queues: RefCell<BTreeMap<u32, Vec<Vec<u8>>>>,
    /// What another thread does before the next value is set.
    before_set: RefCell<Vec<Interference>>,
    pub(crate) refuses: Cell<bool>,
}

/// One worker's sight of it.
pub(crate) struct Worker {
    fake: Rc<Fake>,
    queue: Cell<Option<u32>>,
}

impl Fake {
    /// A worker that is woken by this queue.
    pub(crate) fn worker(self: &Rc<Self>, queue: u32) -> Rc<Worker> {
        self.queues.borrow_mut().entry(queue).or_default();
        Rc::new(Worker {
            fake: self.clone(),
            queue: Cell::new(Some(queue)),
        })
    }

    /// A worker that has no queue: it has seen no request yet.
    pub(crate) fn sleeper(self: &Rc<Self>) -> Rc<Worker> {
        Rc::new(Worker {
            fake: self.clone(),
            queue: Cell::new(None),
        })
    }

    /// The messages that are in a queue; it is empty then.
    pub(crate) fn messages(&self, queue: u32) -> Vec<String> {
        let mut queues = self.queues.borrow_mut();
        let messages = std::mem::take(queues.entry(queue).or_default());
        let text = |message: Vec<u8>| String::from_utf8(message).unwrap();
        messages.into_iter().map(text).collect()
    }

    /// Names and bytes of all values that have some.
    pub(crate) fn values(&self) -> Vec<(String, usize)> {
        let data = self.data.borrow();
        let values = data.iter().filter(|(_, (value, _))| !value.is_empty());
        values
            .map(|(name, (value, _))| (name.clone(), value.len()))
            .collect()
    }

    /// How many names there are.
    pub(crate) fn names(&self) -> usize {
        self.data.borrow().len()
    }

    /// What another thread does just before the next values are set, one for each.
    pub(crate) fn before_set(&self, interference: impl FnOnce() + 'static) {
        self.before_set.borrow_mut().push(Box::new(interference));
    }

    /// Changes a value, whoever's it is.
    pub(crate) fn overwrite(&self, name: &str, value: &[u8]) {
        self.put(name, value);
    }

    fn put(&self, name: &str, value: &[u8]) {
        self.last_version.set(self.last_version.get() + 1);
        self.data
            .borrow_mut()
            .insert(name.to_owned(), (value.to_vec(), self.last_version.get()));
    }
}

impl SharedData for Worker {
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.fake.data.borrow().get(key).cloned()
    }

    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), SetError> {
        if self.fake.refuses.get() {
            return Err(SetError::Refused);
        }
        let interference = self.fake.before_set.borrow_mut().pop();
        if let Some(interference) = interference {
            interference();
        }
        let known = self.fake.data.borrow().get(key).map(|(_, known)| *known);
        // A key that does not exist takes any version.
        if let (Some(version), Some(known)) = (version, known)
            && version != known
        {
            return Err(SetError::Changed);
        }
        self.fake.put(key, value);
        Ok(())
    }

    fn own_queue(&self) -> Option<u32> {
        self.queue.get()
    }

    fn enqueue(&self, queue: u32, message: &[u8]) -> bool {
        let mut queues = self.fake.queues.borrow_mut();
        let found = queues.get_mut(&queue);
        found.map(|queue| queue.push(message.to_vec())).is_some()
    }
}
