//! libFuzzer's way into `fuzz::wav_read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::wav_read(data));
