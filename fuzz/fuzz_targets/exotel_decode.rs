//! libFuzzer's way into `fuzz::exotel_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::exotel_decode(data));
