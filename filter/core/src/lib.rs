//! A Go module proxy (GOPROXY and checksum-database protocol) as a sans-IO state machine.
//!
//! The crate knows no proxy-wasm, no clock and no socket: it is given facts (a request's head, a callout's
//! outcome, the time) and returns the next step. What a host is lives in the crate `goproxy-filter`.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        reason = "a test that overflows or slices badly fails, which is what it is for"
    )
)]

mod age;
pub mod cache;
mod callout;
mod capabilities;
pub mod event;
mod exchange;
mod flight;
mod gateway;
mod head;
mod health;
mod ids;
mod memo;
mod metrics;
mod redirect;
mod redis;
mod reply;
mod store;
#[cfg(test)]
mod testing;
mod text;
mod time;
mod told;
mod upstream;
mod verdict;

pub use goproxy_config as config;
pub use goproxy_protocol as goproxy;

pub use callout::{Answer, AnswerBody, AnswerHead, Callout, CalloutId, CalloutOutcome, Method};
pub use capabilities::{Environment, HostCapabilities, Peer, SetError, SharedData};
pub use exchange::{BodyStep, End, ForwardedHead, HeadStep, MadeBy, Piece, Through};
pub use gateway::{DiskAsk, Forward, Gateway, SetupError, Step, StreamId};
pub use goproxy_pages::metrics::PREFIX as METRIC_PREFIX;
pub use head::RequestHead;
pub use metrics::{CodeClass, Counters, EndpointLabel, Requests, ResultLabel};
pub use reply::{Body, Fields, Reply};
pub use store::Store;
pub use text::ErrorType;
pub use time::Timestamp;
