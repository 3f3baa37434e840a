//! Download events: what is recorded of a failed download, and how the records reach standard output or a collector.
//!
//! Sans IO like the core, which drives it: no clock, no socket, no host. A crate of its own since none of it is on the way
//! of a request that is answered: in the plugin it is built for its size.
//!
//! A failure goes through [`rules`](treatment) (is it one at all?), is held back where `go` may only have looked around, is
//! folded with others like it, becomes one line of JSON, and waits in the queue of each sink. The [`Journal`] is all of it.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        reason = "a test that overflows or slices badly fails, which is what it is for"
    )
)]

mod bulk;
mod context;
mod date;
mod error;
mod folding;
mod holding;
mod id;
mod index;
mod journal;
mod line;
mod outbox;
mod plain;
mod queue;
mod record;
mod rules;
mod section;
mod settings;
#[cfg(test)]
mod testing;
mod time;
mod words;

pub use goproxy_json as json;

pub use bulk::{Item, read as read_bulk_answer};
pub use context::{Context, ContextError};
pub use date::Date;
pub use error::ErrorType;
pub use id::{EventId, Identity, Window};
pub use index::IndexPattern;
pub use journal::{Asker, Counts, Journal, Sink};
pub use line::{MAX_BYTES, line};
pub use outbox::{Batch, MAX_ANSWER, Outcome, Ticket};
pub use plain::{is_printable, is_shown};
pub use queue::Tally;
pub use record::{Code, Event, Failure, Kind};
pub use rules::{Circumstances, Treatment, treatment};
pub use section::{Collector, ContextValue, Format, Missing, Section};
pub use settings::{CollectorSettings, Settings, SettingsError};
pub use time::Timestamp;
