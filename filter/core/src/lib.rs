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

pub mod config;

#[cfg(test)]
mod testing;
