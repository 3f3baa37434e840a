//! Collectors: the ones of the tests refuse what the real ones refuse, and the gateway's records reach them whatever they
//! answer. Here the journal is driven by the test, with a clock of its own; the gateway drives it in the same way.

mod driver;
mod files;
mod fluent_bit;
mod journal;
mod strict;
#[path = "../world/mod.rs"]
mod world;
