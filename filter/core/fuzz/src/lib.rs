//! What must hold for every input: one check for each fuzz target, as plain functions of bytes.
//!
//! libFuzzer calls them from `fuzz_targets/`; `filter/core/tests/fuzz_corpus.rs` calls them with every file of `corpus/`,
//! so that an ordinary `cargo test` tells when an input that was once found fails again.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a check that panics fails, which is what it is for"
)]

pub mod bulk;
pub mod config;
pub mod entry;
pub mod event;
pub mod gateway;
pub mod info;
pub mod list;
pub mod lookup;
pub mod path;
pub mod redis;

/// The next line of an input, and what stands behind it; the last one need not end.
fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// The next line as text.
fn text(data: &[u8]) -> Option<(&str, &[u8])> {
    let (line, rest) = line(data);
    Some((std::str::from_utf8(line).ok()?, rest))
}

/// Whether a text can stand in a header, a log line or an error text.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
