//! libFuzzer's way into [`goproxy_core_fuzz::redis`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| goproxy_core_fuzz::redis::check(data));
