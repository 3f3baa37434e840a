//! libFuzzer's way into [`goproxy_core_fuzz::event`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| goproxy_core_fuzz::event::check(data));
