//! The GOPROXY and checksum-database protocol: what a path means, what it is called once, what a body must hold.
//!
//! Nothing here knows of caching, upstreams or hosts. [`Request::parse`] reads a path as it stood on the wire,
//! [`Request::canonical`] is the one name of what was asked, and [`body::validate`] says whether an answer is one.
//! The rules are those of `golang.org/x/mod` and of the `go` command 1.27; each file names its own.
//!
//! A crate of its own since it is on the way of every request: in the plugin it is built for its speed, whatever the rest is.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        reason = "a test that overflows or slices badly fails, which is what it is for"
    )
)]

pub mod body;
pub mod module;
pub mod pattern;
pub mod semver;
pub mod sumdb;

mod request;
#[cfg(test)]
mod testing;
mod wire;

pub use request::{Class, Endpoint, MAX_PATH_BYTES, PathError, Request};
pub use sumdb::{Level, Tile};
