//! libFuzzer's way into `fuzz::call_core`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::call_core(data));
