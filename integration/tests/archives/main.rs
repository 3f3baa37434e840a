//! Archives on disk: the release filter in a real Envoy, a stock nginx behind it, and upstreams that fail. Whatever happens to
//! nginx or its disk, nobody gets a wrong byte; every archive is compared by its hash.

#[path = "../world/mod.rs"]
mod world;

#[path = "../common/mod.rs"]
mod common;

mod bytes;
mod client;
mod depot;
mod source;

mod chains;
mod clients;
mod disk;
mod kept;
mod nginx;
mod upstream;
