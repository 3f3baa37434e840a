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

mod chart;
mod env;
mod explain;
mod failure;
mod html;
mod markup;
pub mod metrics;
mod page;
mod report;
mod shared;
mod slots;
mod status;
mod summary;
#[cfg(test)]
mod testing;
mod when;

pub use env::{Setup, address};
pub use explain::{Copy, Explained, Health, Route, Stop, Use, refused};
pub use goproxy_event::Timestamp;
pub use html::{POLICY, page};
pub use page::{PAGES, Page, asked};
pub use report::{MAX_BYTES, MAX_FAILURES, Minute, Place, Report};
pub use shared::{SetError, SharedData};
pub use slots::{Found, Own, Slots};
pub use status::status;

/// Which gateway a page is of, and when it is made.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The plugin's version.
    pub version: &'a str,
    /// How `go` is set up for it.
    pub setup: &'a Setup<'a>,
    /// The base path without a slash at its end; empty for the root.
    pub base_path: &'a str,
    /// The time.
    pub now: Timestamp,
}
