//! libFuzzer's way into `fuzz::pcm_bytes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::pcm_bytes(data));
