//! Many clients wait for one answer, and things go wrong meanwhile: the release filter in a real Envoy.
//!
//! Each way that is known to kill a VM or Envoy is here, since none of them shows in a small test: some 300 answers in one
//! call of the VM, an answer to a stream whose client just left, a third answer to one stream, a callout that dies with
//! the client that asked first, a new configuration while callouts are out.

#[path = "../world/mod.rs"]
mod world;

mod herd;
mod reconfigure;
mod storm;
mod trouble;
