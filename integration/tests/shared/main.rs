//! Two workers of one Envoy, the release filter in both: what one fetches the other has, and one upstream request is enough
//! for all clients of both.

#[path = "../world/mod.rs"]
mod world;

mod herd;
mod mortal;
mod pair;
mod trouble;
