//! What is kept of an answer: under which key, in which form, for how long, and the tier in memory.

mod entry;
mod freshness;
mod key;
mod memory;
pub mod redis;
pub(crate) mod shared;

pub use entry::{Answered, ContentType, Corrupt, Entry, EntryHead};
pub use freshness::{Lifetime, UpstreamCacheControl};
pub use key::Key;
pub use memory::MemoryCache;
