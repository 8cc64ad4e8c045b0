//! libFuzzer's way into `fuzz::vendor_answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::vendor_answers(data));
