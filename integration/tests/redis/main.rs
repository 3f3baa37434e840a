//! Several gateway processes before one Redis, the release filter in real Envoys, real Redis and webdis: what one has fetched
//! all have, and whatever happens to Redis, nobody gets a wrong byte or fails for it.

#[path = "../world/mod.rs"]
mod world;

mod cluster;
mod cluster_world;
mod faults;
mod garbage;
mod outage;
mod releases;
mod rest;
mod shared;
mod sharing;
mod upstash;
mod values;
