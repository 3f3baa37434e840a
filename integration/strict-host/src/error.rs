//! What a plugin can do wrong, by name, and what a test can.

use thiserror::Error;

use crate::tally::Callback;

/// Why the strict host goes no further. A real host would have died, hung, or sent something wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StrictHostError {
    /// The VM trapped: on Envoy every request of the worker is answered 503 from here on.
    #[error("the VM trapped in {callback}: {backtrace}\nstandard error: {stderr}")]
    Trap {
        /// The callback that was under way.
        callback: Callback,
        /// The trap and the stack, as wasmtime tells them.
        backtrace: String,
        /// What the plugin wrote to its standard error, such as the message of a panic.
        stderr: String,
    },
    /// More instructions in one callback than any honest one needs.
    #[error("{callback} runs for ever: more than {instructions} instructions")]
    EndlessLoop {
        /// The callback that was under way.
        callback: Callback,
        /// How many it was given.
        instructions: u64,
    },
    /// Envoy crashes on the third answer to one stream.
    #[error("stream {stream} is answered a third time")]
    ThirdAnswer {
        /// The stream's context.
        stream: u32,
    },
    /// Each answer nests the host's stack deeper, and about 300 kill the VM.
    #[error(
        "more than {most} streams are answered or resumed in one call of the VM, in {callback}"
    )]
    TooManyAnswers {
        /// The callback that was under way.
        callback: Callback,
        /// How many are allowed.
        most: u32,
    },
    /// Envoy delivers the answer to a context that the plugin has forgotten, and the plugin panics.
    #[error("stream {stream} is answered after it was destroyed")]
    AnswerToDestroyed {
        /// The stream's context.
        stream: u32,
    },
    /// Envoy says OK and does nothing, and the stream that was meant hangs.
    #[error("{call} is made for context {context}, which is no stream")]
    AnswerToNobody {
        /// The host call.
        call: &'static str,
        /// The context in force.
        context: u32,
    },
    /// Envoy's filter chain is not stopped yet at that moment.
    #[error(
        "stream {stream} is resumed by its own callback {callback}, which had only to return `Continue`"
    )]
    ResumedItself {
        /// The stream's context.
        stream: u32,
        /// The callback that was under way.
        callback: Callback,
    },
    /// The request had gone on already, or was answered.
    #[error("stream {stream} is resumed and does not wait")]
    NotPaused {
        /// The stream's context.
        stream: u32,
    },
    /// Envoy does not look: the byte would split the message.
    #[error("{call} is given the field {field}, which no header can hold")]
    HeaderInjection {
        /// The host call.
        call: &'static str,
        /// Name and value.
        field: String,
    },
    /// The bytes of a header map do not fit their own lengths.
    #[error("{call} is given a header map that is not well formed")]
    MalformedMap {
        /// The host call.
        call: &'static str,
    },
    /// A pointer and a length that are not within the VM's memory.
    #[error("{call} is given {length} bytes at {pointer:#x}, outside of the memory")]
    BadPointer {
        /// The host call.
        call: &'static str,
        /// The address.
        pointer: u32,
        /// The length.
        length: u32,
    },
    /// A timeout of 0 is for ever.
    #[error("a callout to {target} has no time limit")]
    EndlessCallout {
        /// The cluster.
        target: String,
    },
    /// A callout without one of `:method`, `:path` and `:authority`.
    #[error("a callout to {target} has no {field}")]
    IncompleteCallout {
        /// The cluster.
        target: String,
        /// The field that is missing.
        field: &'static str,
    },
    /// A host call that is not played, because nothing should make it.
    #[error("the plugin calls {call}, which the strict host does not play")]
    UnplayedCall {
        /// Module and name.
        call: String,
    },
    /// The plugin says no to a configuration.
    #[error("the configuration is refused: {log}")]
    ConfigurationRefused {
        /// What the plugin logged meanwhile.
        log: String,
    },
    /// A configuration that one VM takes and another does not poisons later updates.
    #[error(
        "the configuration is taken by the main thread's VM and refused in worker {worker}: {log}"
    )]
    ImpureConfiguration {
        /// The worker.
        worker: usize,
        /// What the plugin logged meanwhile.
        log: String,
    },
    /// A stream that a real host would keep open until its idle timeout.
    #[error("stream {stream} ({path}) is left hanging")]
    Hanging {
        /// The stream's number in the test.
        stream: u64,
        /// What was asked.
        path: String,
    },
    /// A stream was answered twice, which a host swallows and a client may not notice.
    #[error("{count} streams were answered a second time")]
    SecondAnswers {
        /// How many.
        count: u64,
    },
    /// The module is no plugin.
    #[error("the module cannot be loaded: {0}")]
    Module(String),
    /// The VM is dead by an earlier error.
    #[error("worker {worker} is dead since an earlier error")]
    Dead {
        /// The worker.
        worker: usize,
    },
    /// The test asks for what cannot be: it is the script that is wrong, not the plugin.
    #[error("the script is wrong: {0}")]
    Script(String),
}
