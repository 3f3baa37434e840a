//! What differs between hosts. There is one host so far.

pub(crate) mod envoy;
