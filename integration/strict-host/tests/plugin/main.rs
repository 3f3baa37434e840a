//! The release plugin on the strict host: whatever order events come in, it must not trap, hang or answer twice.

mod conformance;
mod origin;
mod races;
mod smoke;
mod support;
