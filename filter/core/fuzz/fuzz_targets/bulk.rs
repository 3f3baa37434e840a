//! libFuzzer's way into [`goproxy_core_fuzz::bulk`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| goproxy_core_fuzz::bulk::check(data));
