//! One record for each failed download, from the release filter in a real Envoy: what it says, when there is none, and that
//! it is on standard output and at the collector, once or accounted for, whatever happens to the collector.

#[path = "../common/mod.rs"]
mod authority;
#[path = "../world/mod.rs"]
mod world;

mod audit;
mod burst;
mod clients;
mod collector;
mod failures;
mod folding;
mod launched;
mod minutes;
mod quiet;
mod station;
mod sums;
