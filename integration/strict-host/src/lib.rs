//! A strict host for the release plugin: it plays the proxy in process, feeds it any order of events, fails by name where a
//! real one would die, hang or send something wrong, and counts what the plugin asks of it.
//!
//! Its rules are Envoy's as they were measured on 1.40. Letters and numbers in comments (A13, B21) name the measurements:
//!
//! | | |
//! |---|---|
//! | A4 | the effective context is set anew at every entry of the VM |
//! | A5 | a failed `set_effective_context` leaves the one before in force |
//! | A7 | about 300 answers in one call of the VM kill it |
//! | A13 | destroying and deleting a context are two steps; in between it can still be made effective |
//! | A14 | a second answer to one stream is swallowed, a third kills the host |
//! | A15 | a callout ends with an answer, a 503 or 504 of the host's, or at once with an error |
//! | A16 | the limit on idle streams ends a request that waits in the filter, too |
//! | A17 | an answer stops the stream whose callback is under way, whomever it is for |
//! | A18 | a root context's callouts end with it, untold |
//! | B21 | answers run when the VM has returned, each nested in the one before |
//! | C27 | a key that does not exist takes any number; a stale number is refused |
//! | C31, C33 | a queue's wake-ups go to the last who registered it, if that one still lives |
//! | C34 | a VM that died leaves shared data and queues behind, and its queue wakes the new one |
//! | D39 | asking for ticks starts the period anew |

mod builder;
mod callouts;
mod calls;
mod context;
mod error;
mod host;
mod listeners;
mod neighbour;
mod process;
mod reload;
mod root_life;
mod rules;
mod seen;
mod status;
mod stream_life;
mod tally;
mod time;
mod vm;
mod wasi;
mod wire;

pub use builder::Builder;
pub use callouts::{Callout, CalloutHandle};
pub use context::{Fate, Forwarded, Reply};
pub use error::StrictHostError;
pub use host::{Host, StreamHandle};
pub use listeners::ListenerHandle;
pub use process::Cluster;
pub use rules::Rules;
pub use tally::{Callback, Tally};
pub use vm::Plugin;
pub use wire::{Field, fields, text, value};
