//! The release plugin on the strict host: whatever order events come in, it must not trap, hang or answer twice.

mod smoke;
mod support;
