//! A root context's life: configured, ticking, woken by its queue, told of its callouts' answers, and drained.

use crate::context::{CallResponse, Context, Root};
use crate::error::StrictHostError;
use crate::tally::Callback;
use crate::vm::Vm;
use crate::wire::Field;

type Done = Result<(), StrictHostError>;

impl Vm {
    /// Makes a root context and configures it; `None` if the plugin refuses.
    pub(crate) fn configure(
        &mut self,
        configuration: &[u8],
    ) -> Result<Option<u32>, StrictHostError> {
        let size = configuration.len() as u32;
        let state = self.state();
        state.last_context += 1;
        let id = state.last_context;
        let root = Root {
            configuration: configuration.to_vec(),
            tick_period: None,
            next_tick: 0,
            call_response: None,
            draining: false,
        };
        state.contexts.insert(id, Context::Root(root));
        let create = self.exports.context_create.clone();
        self.enter(Callback::ContextCreate, id, create, (id, 0))?;
        self.run_deferred()?;
        let start = self.exports.vm_start.clone();
        let started = self.enter(Callback::VmStart, id, start, (id, 0))?;
        self.run_deferred()?;
        let configure = self.exports.configure.clone();
        let configured = self.enter(Callback::Configure, id, configure, (id, size))?;
        self.run_deferred()?;
        let accepted = |result: Option<(u32, bool)>| result.is_none_or(|(value, _)| value != 0);
        if accepted(started) && accepted(configured) {
            return Ok(Some(id));
        }
        self.retire(id)?;
        Ok(None)
    }

    /// The root context ends. Callouts that it has out end with it, untold (A18).
    pub(crate) fn retire(&mut self, id: u32) -> Done {
        let done = self.exports.done.clone();
        self.enter(Callback::Done, id, done, id)?;
        self.run_deferred()?;
        let delete = self.exports.delete.clone();
        self.enter(Callback::Delete, id, delete, id)?;
        self.run_deferred()?;
        let state = self.state();
        state.contexts.remove(&id);
        state.callouts.retain(|_, pending| pending.root != id);
        Ok(())
    }

    /// Root contexts that are draining and have no stream any more.
    pub(crate) fn drained(&self) -> Vec<u32> {
        let state = self.peek();
        let mut roots: Vec<u32> = state
            .contexts
            .iter()
            .filter(|(_, context)| matches!(context, Context::Root(root) if root.draining))
            .map(|(id, _)| *id)
            .collect();
        if roots.is_empty() {
            return roots;
        }
        for context in state.contexts.values() {
            if let Context::Stream(stream) = context {
                roots.retain(|root| *root != stream.root);
            }
        }
        roots.sort_unstable();
        roots
    }

    pub(crate) fn root(&mut self, id: u32) -> Option<&mut Root> {
        match self.state().contexts.get_mut(&id)? {
            Context::Root(root) => Some(root),
            Context::Stream(_) => None,
        }
    }

    pub(crate) fn roots(&self) -> Vec<u32> {
        let contexts = self.peek().contexts.iter();
        let roots = contexts.filter(|(_, context)| matches!(context, Context::Root(_)));
        let mut ids: Vec<u32> = roots.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// When a root context ticks next, and which.
    pub(crate) fn next_tick(&mut self) -> Option<(u64, u32)> {
        let due = |vm: &mut Self, id: u32| {
            let root = vm.root(id)?;
            root.tick_period.map(|_| (root.next_tick, id))
        };
        self.roots()
            .into_iter()
            .filter_map(|id| due(self, id))
            .min()
    }

    /// A tick, if the root context has asked for any.
    pub(crate) fn tick(&mut self, id: u32) -> Done {
        let now = self.peek().process.borrow().monotonic;
        let Some(root) = self.root(id) else {
            return Ok(());
        };
        let Some(period) = root.tick_period else {
            return Ok(());
        };
        root.next_tick = now + period;
        let tick = self.exports.tick.clone();
        self.enter(Callback::Tick, id, tick, id)?;
        self.run_deferred()
    }

    /// A message is in a queue of this root context's; nobody is told if it is gone.
    pub(crate) fn queue_ready(&mut self, id: u32, queue: u32) -> Done {
        if self.root(id).is_none() {
            return Ok(());
        }
        let ready = self.exports.queue_ready.clone();
        self.enter(Callback::QueueReady, id, ready, (id, queue))?;
        self.run_deferred()
    }

    /// The end of a callout; `fields` is `None` for a reset, which has no header map.
    pub(crate) fn call_response(
        &mut self,
        token: u32,
        fields: Option<Vec<Field>>,
        body: Vec<u8>,
    ) -> Done {
        let Some(pending) = self.state().callouts.remove(&token) else {
            return Err(StrictHostError::Script(format!("callout {token} is over")));
        };
        let id = pending.root;
        let count = fields.as_ref().map(Vec::len).unwrap_or_default() as u32;
        let size = body.len() as u32;
        let Some(root) = self.root(id) else {
            return Ok(());
        };
        root.call_response = Some(CallResponse { fields, body });
        let response = self.exports.call_response.clone();
        self.enter(
            Callback::HttpCallResponse,
            id,
            response,
            (id, token, count, size, 0),
        )?;
        self.run_deferred()?;
        if let Some(root) = self.root(id) {
            root.call_response = None;
        }
        Ok(())
    }
}
