//! The release plugin on the strict host: whatever order events come in, it must not trap, hang or answer twice.

mod calls;
mod conformance;
mod disk;
mod growth;
mod metrics;
mod origin;
mod races;
mod schedules;
mod sharing;
mod smoke;
mod support;
