//! Clients and upstreams that send what nobody should: the answer is one that `go` can show, nothing of it is kept, the VM
//! lives, and the next good request works.

#[path = "../world/mod.rs"]
mod world;

mod archives;
mod metadata;
mod requests;
mod smuggling;
