//! What clients, upstreams and neighbours see of a gateway: headers on both sides, chains, the cache on the wire, a second
//! application and a second configuration in the same Envoy.

#[path = "../world/mod.rs"]
mod world;

mod cache;
mod chains;
mod headers;
mod neighbours;
mod stale;
