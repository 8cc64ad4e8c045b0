//! libFuzzer's way into `fuzz::carrier_rest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::carrier_rest(data));
