//! Listeners and their configurations.

use crate::context::{Context, End};
use crate::error::StrictHostError;
use crate::host::Host;

type Done = Result<(), StrictHostError>;

/// A listener: where requests come in, and what a configuration belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerHandle(pub(crate) usize);

impl ListenerHandle {
    /// The one that every host has.
    pub const FIRST: Self = Self(0);
}

pub(crate) struct Listener {
    configuration: Vec<u8>,
    /// The root context in each VM.
    pub(crate) roots: Vec<u32>,
}

impl Host {
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

    /// A new VM of a worker takes the configurations of all listeners.
    pub(crate) fn configure_anew(&mut self, worker: usize) -> Done {
        for listener in &mut self.listeners {
            let vm = &mut self.vms[worker];
            let Some(root) = vm.configure(&listener.configuration)? else {
                let log = vm.peek().logged();
                return Err(StrictHostError::ImpureConfiguration { worker, log });
            };
            listener.roots[worker] = root;
        }
        Ok(())
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
}
