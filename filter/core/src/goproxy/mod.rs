//! The GOPROXY and checksum-database protocol: what a path means, what it is called once, what a body must hold.
//!
//! Nothing here knows of caching, upstreams or hosts. [`Request::parse`] reads a path as it stood on the wire,
//! [`Request::canonical`] is the one name of what was asked, and [`body::validate`] says whether an answer is one.
//! The rules are those of `golang.org/x/mod` and of the `go` command 1.27; each file names its own.

pub mod body;
pub mod module;
pub mod pattern;
pub mod semver;
pub mod sumdb;

mod request;
mod wire;

pub use request::{Class, Endpoint, MAX_PATH_BYTES, PathError, Request};
pub use sumdb::{Level, Tile};
