//! The time as the core sees it: given by the host, never read.

pub use goproxy_event::Timestamp;
