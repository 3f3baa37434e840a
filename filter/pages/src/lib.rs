//! What the gateway tells of itself: its metrics, what each worker reports to the others, and the pages that are made of it.
//!
//! Sans IO like the core, which fills in the reports: no clock, no socket, no host. A crate of its own since none of it is
//! on the way of a request for a module: in the plugin it is built for its size.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used,
        reason = "a test that overflows or slices badly fails, which is what it is for"
    )
)]

pub mod metrics;
mod report;
#[cfg(test)]
mod testing;

pub use goproxy_event::Timestamp;
pub use report::{MAX_BYTES, MAX_FAILURES, Minute, Place, Report};
